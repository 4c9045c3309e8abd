"""The site builds without a warning, all of it can be reached, and no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.commands import ROOT

from .site import SITE, pages

DOCS: Final = ROOT / "docs"
# Made by Sphinx.
MADE: Final = {"genindex.html", "py-modindex.html", "search.html"}


def sources() -> set[str]:
    """Return the pages of docs/, by the names that they have in the site."""
    found = (path.relative_to(DOCS) for path in DOCS.rglob("*.md") if path.name[0] != "_")
    return {path.with_suffix(".html").as_posix() for path in found}


def resolved(page: str, link: str) -> tuple[str, str]:
    """Return the page and the anchor to which a link of a page leads."""
    parts = urlsplit(link)
    target = page
    if parts.path:
        joined = PurePosixPath(page).parent / unquote(parts.path)
        found: list[str] = []
        for each in joined.parts:
            if each == "..":
                found.pop()
            else:
                found.append(each)
        target = "/".join(found)
    return target, unquote(parts.fragment)


def test_each_page_of_the_folder_is_a_page_of_the_site() -> None:
    assert sources() <= pages().keys()
    assert pages().keys() - sources() <= MADE


def test_each_page_is_in_the_menu() -> None:
    menu = {resolved("index.html", link)[0] for link in pages()["index.html"].menu}
    assert sources() - menu == set()


def test_each_link_leads_to_a_page_and_an_anchor() -> None:
    dead = []
    for name, page in pages().items():
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            target, anchor = resolved(name, link)
            if target in pages():
                if anchor and anchor not in pages()[target].ids:
                    dead.append((name, link))
            elif not (SITE / target).is_file():
                dead.append((name, link))
    assert dead == []


def test_each_link_out_of_the_site_is_well_formed() -> None:
    links = {link for page in pages().values() for link in page.links if urlsplit(link).scheme}
    assert len(links) > 10
    form = re.compile(
        r"https://[a-z0-9.-]+\.[a-z]{2,}(/[\w./~%@:+-]*)?(\?[\w=&%.+-]*)?(#[\w./:-]+)?"
    )
    # An example in a page is none of somebody else's.
    allowed = re.compile(r"http://127\.0\.0\.1(:\d+)?/?|mailto:[\w.@-]+")
    assert [each for each in links if not (form.fullmatch(each) or allowed.fullmatch(each))] == []


def test_each_link_to_a_file_of_the_repository_names_one() -> None:
    prefix = "https://github.com/tenantshield/tenantshield-mw/blob/main/"
    files = {
        urlsplit(link.removeprefix(prefix)).path
        for page in pages().values()
        for link in page.links
        if link.startswith(prefix)
    }
    assert files
    assert [each for each in files if not (ROOT / each).exists()] == []


def test_nothing_is_fetched_from_another_host() -> None:
    loaded = [(name, each) for name, page in pages().items() for each in page.loaded]
    assert len(loaded) > len(pages())
    assert [each for each in loaded if urlsplit(each[1]).netloc] == []
    styles = [*SITE.rglob("*.css")]
    assert styles
    fetched = re.compile(r"(?:@import|url\()\s*['\"]?\s*(?:https?:)?//")
    assert [each.name for each in styles if fetched.search(each.read_text())] == []


def test_the_search_has_its_index_at_hand() -> None:
    index = (SITE / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    assert "start/fastapi" in index
    assert "system_scop" in index
