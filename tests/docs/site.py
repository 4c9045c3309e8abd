"""The built site, as a browser would find it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from tests.commands import ROOT

__all__ = ["SITE", "Page", "build", "pages"]

SITE: Final = ROOT / "build" / "site"


@cache
def _built() -> subprocess.CompletedProcess[str]:
    # Kept, so that it is not built again for each test if it fails.
    return subprocess.run(
        [sys.executable, "-m", "tools.site"], cwd=ROOT, capture_output=True, text=True, check=False
    )


def build() -> Path:
    """Build the site if something has changed, and return its folder.

    Raises:
        AssertionError: there was a warning.
    """
    done = _built()
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return SITE


class Page(HTMLParser):
    """What other pages may lead to on a page, and where it leads itself.

    Attributes:
        ids: the anchors.
        links: what its links name.
        loaded: what a browser fetches for it.
        names: the names that its reference describes.
        menu: where the menu at its side leads.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.menu: list[str] = []
        self.text = path.read_text()
        self._in_menu = 0
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[each] for each in ("id", "name") if each in given and tag != "meta"}
        if tag == "aside" and "sidebar-drawer" in given.get("class", ""):
            self._in_menu = 1
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if self._in_menu:
                self.menu.append(given["href"])
        elif tag in {"script", "img", "iframe", "source"} and given.get("src"):
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") not in {
            "canonical",
            "index",
            "search",
            "next",
            "prev",
        }:
            self.loaded.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "aside":
            self._in_menu = 0


@cache
def pages() -> dict[str, Page]:
    """Return the pages of the built site by their names."""
    return {each.relative_to(SITE).as_posix(): Page(each) for each in _files(build())}


def _files(site: Path) -> Iterator[Path]:
    for each in sorted(site.rglob("*.html")):
        if "_static" not in each.parts:
            yield each
