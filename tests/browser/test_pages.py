"""The page of each example, as a user sees it in a browser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from examples.invoices.attempts import ATTEMPTS
from examples.invoices.contents import read_contents
from examples.invoices.tests.started import EXAMPLES, started
from tests.browser.chromium import chromium, require_chromium
from tests.browser.visits import Visit, visiting
from tests.commands import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUMBERS = count(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_chromium()
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, browser: Browser) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def database(example: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(example) / "invoices.sqlite3"


@pytest.fixture(scope="module")
def address(example: str, database: Path) -> Iterator[str]:
    with started(example, database) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with visiting(browser, address) as visit:
        yield visit


def test_each_tenants_panel_shows_its_own_invoices(visit: Visit, database: Path) -> None:
    contents = read_contents(database)
    for tenant_id in ("acme", "globex"):
        assert set(visit.numbers(tenant_id)) == contents.numbers_of(tenant_id)
        names = visit.panel(tenant_id).locator("tbody td:nth-child(2)").all_inner_texts()
        assert set(names) == contents.names_of(tenant_id)
    assert visit.page.locator(".foreign").count() == 0
    assert visit.errors == []


@pytest.mark.parametrize(("tenant_id", "other"), [("acme", "globex"), ("globex", "acme")])
def test_an_invoice_that_is_added_shows_in_its_tenants_panel_alone(
    visit: Visit, database: Path, tenant_id: str, other: str
) -> None:
    number = f"NEW-{next(NUMBERS)}"
    theirs = visit.numbers(other)
    visit.add_invoice(tenant_id, number, "1234.56")
    assert visit.numbers(tenant_id)[-1] == number
    assert "1,234.56 EUR" in visit.panel(tenant_id).locator("tbody tr").last.inner_text()
    assert visit.numbers(other) == theirs
    said = visit.panel(tenant_id).get_by_role("status").inner_text()
    assert said == f"Added {number} to {tenant_id}."
    visit.page.reload()
    visit.settle()
    assert number in visit.numbers(tenant_id)
    assert visit.numbers(other) == theirs
    stored = {row["number"]: row for row in read_contents(database).invoices.values()}[number]
    assert (stored["tenant_id"], stored["amount"]) == (tenant_id, 123_456)
    assert visit.errors == []


def test_a_number_that_is_taken_is_reported(visit: Visit) -> None:
    before = visit.numbers("acme")
    visit.add_invoice("acme", "ACM-1001", "1")
    said = visit.panel("acme").get_by_role("status").inner_text()
    assert said == "acme already has an invoice ACM-1001."
    assert visit.numbers("acme") == before


def test_every_attempt_is_refused_or_confined(visit: Visit, address: str, database: Path) -> None:
    theirs = read_contents(database).invoices_of("globex")
    # Also with a number that both tenants have, and when run again.
    visit.add_invoice("acme", "GLX-7001", "1")
    expected = {
        attempt.name: "confined" if attempt.expected in (200, 204, 404) else "refused"
        for attempt in ATTEMPTS
    }
    for _ in range(2):
        assert visit.run_attempts() == expected
        counts = Counter(expected.values())
        assert visit.page.locator("#summary").inner_text() == (
            f"{len(ATTEMPTS)} attempts: {counts['refused']} refused, "
            f"{counts['confined']} confined, 0 crossed."
        )
    assert read_contents(database).invoices_of("globex") == theirs
    # The console logs each error response; these are expected.
    unexpected = [each for each in visit.errors if "Failed to load resource" not in each]
    assert unexpected == []
    errors = [attempt for attempt in ATTEMPTS if attempt.expected >= 400]
    assert len(visit.errors) == 2 * len(errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_does_not_scroll_sideways(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, address, width=400, scheme=scheme) as visit:
        visit.add_invoice("acme", f"NUMBER-OF-20-{scheme:->7}", "9999999.99")
        visit.run_attempts()
        assert visit.overflow() == 0


def test_all_can_be_reached_and_pressed_with_the_keyboard(visit: Visit) -> None:
    visit.panel("acme").get_by_label("Number").focus()
    number = f"NEW-{next(NUMBERS)}"
    keyboard = visit.page.keyboard
    keyboard.type(number)
    for key in ("Tab", "Tab", "5", "Tab", "Tab", "Space"):
        keyboard.press(key)
    visit.page.get_by_text(f"Added {number} to acme.").wait_for()
    visit.settle()
    assert visit.numbers("acme")[-1] == number
    # The button was disabled in between, but kept the focus.
    assert visit.page.evaluate("document.activeElement.innerText") == "Add invoice"


def test_without_the_guard_the_page_shows_what_crossed(
    browser: Browser, example: str, tmp_path: Path
) -> None:
    environ = {"INVOICES_DATABASE": str(tmp_path / "invoices.sqlite3")}
    module = "examples.invoices.tests.unguarded"
    with (
        serving(module, example, environ=environ) as address,
        visiting(browser, address) as visit,
    ):
        assert visit.panel("acme").locator(".foreign").count() == 3
        for _ in range(2):
            assert visit.run_attempts() == {attempt.name: "CROSSED" for attempt in ATTEMPTS}
        assert visit.page.locator("#summary").inner_text() == (
            f"{len(ATTEMPTS)} attempts: 0 refused, 0 confined, {len(ATTEMPTS)} crossed."
        )
