"""Headless Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["CHROMIUM", "chromium", "require_chromium"]

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")

# It may run as root in a container, and connects only to the example.
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def require_chromium() -> None:
    """Skip the test if there is no browser, or fail it if one is required."""
    missing = None
    if CHROMIUM is None:
        missing = "no chromium on the PATH (Debian: apt-get install chromium)"
    elif find_spec("playwright") is None:
        missing = "Playwright is not installed (pip install playwright)"
    if missing is None:
        return
    if os.environ.get("TENANTSHIELD_REQUIRE_SERVERS"):
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def chromium() -> Generator[Browser]:
    """Yield a browser; :func:`require_chromium` has checked that there is one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
