"""Every page of a sign-in, in the browsers of people: nothing is cut off, and axe-core finds nothing to mend."""

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


def faults_of(page: Page, axe: str) -> list[Any]:
    page.evaluate(axe)
    found: list[Any] = page.evaluate(
        "async () => (await axe.run()).violations.map(each => [each.id, each.impact, each.nodes[0].html])"
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_for_everybody(server: Server, browser: Browser, size: str, scheme: Any) -> None:
    """WCAG 2.2 as far as axe-core can see it: contrast, names, labels, landmarks."""
    assert AXE.is_file(), "make test-setup installs axe-core"
    axe = AXE.read_text()
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    page = context.new_page()
    seen = []

    for name in walk(server, page):
        seen.append(name)
        assert (name, faults_of(page, axe)) == (name, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a {size}"
        assert page.locator("h1").count() == 1

    context.close()
    assert {f"{name}.png" for name in seen} <= {path.name for path in PICTURES.glob("*.png")}
    assert all(f"pages/{name}.png" in MANUAL.read_text() for name in seen)


def test_the_narrowest_screen_and_the_largest_text(server: Server, browser: Browser) -> None:
    """WCAG 2.2, 1.4.10: 320 CSS pixels, which is also 400 % zoom."""
    context = browser.new_context(viewport={"width": 320, "height": 512})
    page = context.new_page()

    for name in walk(server, page):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    context.close()
