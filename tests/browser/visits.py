"""The actions of a user on the examples' page."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["Visit", "visiting"]


class Visit:
    """An open page.

    Args:
        page: the page, loaded.
        errors: what its console said, and what its script did not catch.
    """

    def __init__(self, page: Page, errors: list[str]) -> None:
        self.page = page
        self.errors = errors

    def panel(self, tenant_id: str) -> Locator:
        return self.page.get_by_role("region", name=tenant_id, exact=True)

    def numbers(self, tenant_id: str) -> list[str]:
        return self.panel(tenant_id).locator("tbody th").all_inner_texts()

    def add_invoice(self, tenant_id: str, number: str, amount: str) -> None:
        panel = self.panel(tenant_id)
        panel.get_by_label("Number").fill(number)
        panel.get_by_label("Amount").fill(amount)
        panel.get_by_role("button", name="Add invoice").click()
        self.settle()

    def run_attempts(self) -> dict[str, str]:
        """Run the attempts, and return the outcome of each by name."""
        self.page.get_by_role("button", name="Run the attempts").click()
        self.settle()
        rows = self.page.locator("#attempts tbody tr").all()
        return {
            row.locator("th").inner_text().partition("\n")[0]: row.locator(".outcome").inner_text()
            for row in rows
        }

    def follow(self, request: str, sender: str) -> Locator:
        """Follow a request, and return the section that shows it."""
        section = self.page.get_by_role("region", name="Follow a request")
        section.locator("[name=request]").select_option(request)
        section.locator("[name=sender]").select_option(sender)
        section.get_by_role("button").click()
        self.settle()
        return section

    def settle(self) -> None:
        """Wait until the page is idle: its buttons are enabled."""
        self.page.locator("body[data-ready] #run:enabled").wait_for()

    def overflow(self) -> int:
        """Return how many pixels the page is wider than the window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    *,
    width: int = 1200,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
) -> Generator[Visit]:
    """Yield a visit to the page at ``address``.

    Args:
        browser: the browser.
        address: the server's.
        width: the window's width in pixels.
        height: its height in pixels.
        scheme: which colours the visitor prefers.
    """
    viewport = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: (
            errors.append(f"{said.text} {said.location}") if said.type == "error" else None
        ),
    )
    try:
        page.goto(address)
        visit = Visit(page, errors)
        visit.settle()
        yield visit
    finally:
        context.close()
