"""Generated pages of the manual are as the source would write them."""

import runpy
from pathlib import Path

import pytest

GENERATE = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "generate.py"))


@pytest.mark.parametrize("name", GENERATE["PAGES"])
def test_page_is_as_the_source_would_write_it(name: str) -> None:
    page = GENERATE["DOCS"] / name

    assert page.read_text() == GENERATE["PAGES"][name](), "run: python docs/generate.py"


def test_no_page_is_left_of_a_type_that_is_gone() -> None:
    written = {f"types/{path.name}" for path in (GENERATE["DOCS"] / "types").iterdir()}

    assert written == {name for name in GENERATE["PAGES"] if name.startswith("types/")}
