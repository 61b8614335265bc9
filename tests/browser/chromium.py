"""The real browser of these tests: Debian's Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "the browser tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        # --no-sandbox: tests may run as root
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()
