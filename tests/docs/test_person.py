"""A person with a browser: from the start page to a protected request, by copying from a page."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.chromium import chromium, require_chromium

from .following import Block, following
from .site import build, pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from playwright.sync_api import Page as Tab

FRAMEWORKS: Final = (
    "FastAPI",
    "Starlette",
    "Litestar",
    "Flask",
    "ASGI and WSGI, without a framework",
)
TELEPHONE: Final = 390


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(build()))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_chromium()
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Tab]:
    """A tab with the start page, which may fetch from the site alone."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    elsewhere: list[str] = []
    tab.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((address, "data:")) else elsewhere.append(asked.url)
        ),
    )
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(address)
    yield tab
    context.close()
    assert elsewhere == []
    assert errors == []


def copied(block: Locator) -> str:
    """Press the button of a block, and return what is in the clipboard then."""
    block.hover()
    block.locator("button.copybtn").click()
    block.locator("button.copybtn.success").wait_for()
    text: str = block.page.evaluate("navigator.clipboard.readText()")
    return text


def blocks_on(tab: Tab) -> Iterator[Block]:
    """Copy each block of the page; of the commands, what they print is read."""
    for block in tab.locator("article div[class*='highlight-']").all():
        (language,) = (
            each.removeprefix("highlight-")
            for each in (block.get_attribute("class") or "").split()
            if each.startswith("highlight-")
        )
        shown = block.locator("pre").inner_text()
        typed = copied(block)
        if language == "console":
            commands = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
            assert typed.splitlines() == commands
        else:
            assert typed.strip() == shown.strip()
        yield Block(language, shown.rstrip("\n") + "\n")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_page_says_leads_to_a_protected_request(
    tab: Tab, framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    tab.locator("article").get_by_role("link", name="Ten minutes").click()
    tab.locator("article").get_by_role("link", name=framework, exact=True).click()
    with following(tmp_path) as person:
        blocks = list(blocks_on(tab))
        assert any(each.code.count("$ curl") for each in blocks)
        person.follow(blocks)
    with capsys.disabled():
        taken = time.monotonic() - began
        print(f"\n{framework}: from the start page to the last answer in {taken:.1f} s")


def test_the_search_finds_a_name_without_another_server(tab: Tab) -> None:
    tab.locator("input[name=q]").first.fill("bind_session_to_tenant")
    tab.keyboard.press("Enter")
    tab.locator("#search-results ul.search li a", has_text="Scope").first.wait_for()


def test_no_page_is_wider_than_a_telephone(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": TELEPHONE, "height": 800})
    tab = context.new_page()
    wide = []
    for name in pages():
        tab.goto(f"{address}/{name}", wait_until="domcontentloaded")
        if tab.evaluate("document.documentElement.scrollWidth") > TELEPHONE:
            wide.append(name)
    context.close()
    assert wide == []


def test_the_colours_follow_the_reader(browser: Browser, address: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        tab = context.new_page()
        tab.goto(f"{address}/concepts/scope.html")
        grounds.append(
            [
                tab.evaluate("getComputedStyle(document.body).backgroundColor"),
                tab.locator("svg.picture rect").first.evaluate(
                    "each => getComputedStyle(each).fill"
                ),
            ]
        )
        context.close()
    light, dark = grounds
    assert light[0] != dark[0]
    assert light[1] != dark[1]
