"""Every page of a sign-in, in the browsers of people: nothing is cut off, and axe-core finds nothing to mend."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
from tests.browser.walk import PICTURES, SIZES, walk
from tests.server import Server

AXE = Path(__file__).parents[1] / "wire" / "node" / "node_modules" / "axe-core" / "axe.min.js"
MANUAL = PICTURES.parent / "sign-in-pages.md"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def faults_of(page: Page) -> list[Any]:
    """What axe-core, which is in the page, finds."""
    found: list[Any] = page.evaluate(
        "async () => (await axe.run()).violations.map(each => [each.id, each.impact, each.nodes[0].html])"
    )
    return found


def test_every_page_is_for_everybody(server: Server, browser: Browser) -> None:
    """WCAG 2.2 as far as axe-core can see it: contrast, names, labels, landmarks; on a phone and a desktop, light and
    dark. 1.4.10: 320 CSS pixels, which is also 400 % zoom."""
    assert AXE.is_file(), "make test-setup installs axe-core"
    axe = AXE.read_text()
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    seen = []

    for name in walk(server, page):
        seen.append(name)
        assert page.locator("h1").count() == 1
        page.evaluate(axe)
        for size, scheme in itertools.product(SIZES, ("light", "dark")):
            page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")  # colours turn slowly
            assert (name, size, scheme, faults_of(page)) == (name, size, scheme, [])
        for width in (320, *(size["width"] for size in SIZES.values())):
            page.set_viewport_size({"width": width, "height": 512})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} at {width} pixels"

    context.close()
    assert {f"{name}.png" for name in seen} <= {path.name for path in PICTURES.glob("*.png")}
    assert all(f"pages/{name}.png" in MANUAL.read_text() for name in seen)
