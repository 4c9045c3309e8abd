"""The section of the Starlette example's page that follows a request, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

import pytest

from examples.invoices.tests.started import started
from tests.browser.chromium import chromium, require_chromium
from tests.browser.visits import Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TELEPHONE: Final = 390
STEPS: Final = ["Server", "Middleware", "Scope", "Session", "Statement", "Rows"]

# The smallest contrast of the section's texts, as WCAG 2.2 computes it (1.4.3).
CONTRAST: Final = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const painted = (colours) => {
    canvas.fillStyle = "#fff";
    canvas.fillRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((each) => each / 255)
      .map((each) => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => element
    ? [...behind(element.parentElement), getComputedStyle(element).backgroundColor] : [];
  const contrasts = [...document.querySelectorAll("#follow *")]
    .filter((each) => [...each.childNodes].some((child) => child.nodeType === 3 &&
      child.textContent.trim()) && !each.matches("option, .said"))
    .map((each) => {
      const [dark, light] = [behind(each), [...behind(each), getComputedStyle(each).color]]
        .map((colours) => luminance(painted(colours))).sort((one, other) => one - other);
      return (light + .05) / (dark + .05);
    });
  return Math.min(...contrasts);
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_chromium()
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started("starlette", tmp_path_factory.mktemp("starlette") / "invoices.sqlite3") as address:
        yield address


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with visiting(browser, address) as visit:
        yield visit
        assert visit.errors == []


def test_a_request_is_followed_without_a_new_page(visit: Visit) -> None:
    visit.page.evaluate("window.isSame = true")
    section = visit.follow("one invoice of its own", "globex")
    assert section.locator("#way h3").all_inner_texts() == STEPS
    assert section.locator("pre ins").first.inner_text().startswith("invoice.tenant_id")
    assert section.locator(".sql p ins").all_inner_texts() == ["'globex'"]
    assert "the way of “one invoice of its own”" in section.get_by_role("status").inner_text()
    assert visit.page.evaluate("window.isSame") is True


def test_an_invoice_that_is_added_on_the_way_shows_in_its_tenants_panel(visit: Visit) -> None:
    before, theirs = visit.numbers("globex"), visit.numbers("acme")
    visit.follow("a new invoice", "globex")
    assert len(visit.numbers("globex")) == len(before) + 1
    assert visit.numbers("acme") == theirs


def test_a_hostile_name_is_no_markup(visit: Visit) -> None:
    section = visit.follow("its invoices", "an attacker")
    assert "<b>acme</b>' OR '1'='1" in section.locator("#way li").nth(1).inner_text()
    assert "read 0 of the" in section.locator("#way li").last.inner_text()


def test_it_works_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    section = page.get_by_role("region", name="Follow a request")
    section.locator("[name=request]").select_option("raw SQL")
    section.locator("[name=sender]").select_option("globex")
    section.get_by_role("button").click()
    section.locator("#way .stopped", has_text="500 statement_unguarded").wait_for()
    # The choice is kept, for the next one.
    assert section.locator("[name=request]").input_value() == "raw SQL"
    assert section.locator("[name=sender]").input_value() == "globex"
    context.close()


@pytest.mark.parametrize("width", [TELEPHONE, 700, 1040])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_at_each_width_and_in_each_scheme(
    browser: Browser, address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, address, width=width, scheme=scheme) as visit:
        for request, sender in (
            ("its invoices as a page", "acme"),
            ("an invoice to another's customer", "globex"),
            ("raw SQL", "an attacker"),
            ("its invoices", "no tenant"),
        ):
            section = visit.follow(request, sender)
            assert visit.overflow() == 0
            assert visit.page.evaluate(CONTRAST) >= 4.5
            boxes = [each.bounding_box() for each in section.locator("#way li").all()]
            places = [
                each["x"] if width == 1040 else each["y"] for each in boxes if each is not None
            ]
            assert places == sorted(set(places))


def test_each_control_has_a_name_and_the_keyboard_reaches_it(visit: Visit) -> None:
    section = visit.page.get_by_role("region", name="Follow a request")
    section.get_by_role("combobox", name="Request").focus()
    for key in ("End", "Tab", "End", "Tab", "Enter"):
        visit.page.keyboard.press(key)
    section.locator("#way .stopped", has_text="tenant_not_in_scope").wait_for()
    visit.settle()
    assert section.get_by_role("combobox", name="Sent by").input_value() == "an attacker"
