"""The requests of the demonstration: a tenant's ordinary ones, and its ways to break out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from .contents import Contents

__all__ = ["ATTEMPTS", "VIEWS", "Attempt", "Caller"]


@dataclass(frozen=True)
class Caller:
    """Who sends a request, against whom, and what an attacker may be supposed to know."""

    tenant_id: str
    other_id: str
    contents: Contents

    @property
    def own_invoice(self) -> int:
        return min(self.contents.invoices_of(self.tenant_id))

    @property
    def their_invoice(self) -> int:
        return min(self.contents.invoices_of(self.other_id))

    def invoice(self, tenant_id: str, customer_of: str) -> dict[str, Any]:
        """Return a JSON body that names a tenant, and a customer of one."""
        return {
            "tenant_id": tenant_id,
            "number": f"NEW-{len(self.contents.invoices) + 1}",
            "customer_id": min(self.contents.customers_of(customer_of)),
            "currency_code": "EUR",
            "amount": 100,
        }


@dataclass(frozen=True)
class Attempt:
    """One request.

    Args:
        name: what is tried.
        method: the HTTP method.
        path: the path; ``{own}`` and ``{theirs}`` stand for the ids of invoices.
        expected: the status that it should get.
        body: returns the JSON body.
        tenants: whose names the request gives in ``X-Tenant-ID``, once each.
        shows: what of the tenant's own rows the answer has to show, all of it.
        changes: whether it should change rows of the tenant's own.
    """

    name: str
    method: str
    path: str
    expected: int
    body: Callable[[Caller], dict[str, Any]] | None = None
    tenants: Literal["own", "none", "both"] = "own"
    shows: Literal["numbers", "names"] | None = None
    changes: bool = False


VIEWS: Final = (
    Attempt("its invoices", "GET", "/invoices", 200, shows="numbers"),
    Attempt("its invoices as a stream", "GET", "/invoices/export", 200, shows="numbers"),
    Attempt("its invoices as a page", "GET", "/page", 200, shows="numbers"),
    Attempt("its customers", "GET", "/customers", 200, shows="names"),
    Attempt("one invoice of its own", "GET", "/invoices/{own}", 200),
    Attempt(
        "a change to its own invoice",
        "PATCH",
        "/invoices/{own}",
        200,
        body=lambda caller: {"amount": 77},
        changes=True,
    ),
    Attempt("the currencies, which all share", "GET", "/currencies", 200),
)

ATTEMPTS: Final = (
    Attempt("another tenant's id in the URL", "GET", "/invoices/{theirs}", 404),
    Attempt("the same, to a careless endpoint", "GET", "/careless/by-id/{theirs}", 404),
    Attempt(
        "the same, to change the invoice",
        "PATCH",
        "/careless/change/{theirs}",
        404,
        body=lambda caller: {"amount": 1},
    ),
    Attempt("a forgotten filter", "GET", "/careless/all-invoices", 200, shows="numbers"),
    Attempt("a forgotten filter in a join", "GET", "/careless/totals", 200, shows="names"),
    Attempt("a Core select", "GET", "/careless/core-select", 200, shows="numbers"),
    Attempt("raw SQL", "GET", "/careless/raw-sql", 500),
    Attempt("a bulk update without where", "POST", "/careless/bulk-update", 204, changes=True),
    Attempt(
        "a new row under another tenant",
        "POST",
        "/careless/create",
        403,
        body=lambda caller: caller.invoice(caller.other_id, caller.other_id),
    ),
    Attempt(
        "an own row handed to another",
        "PATCH",
        "/careless/change/{own}",
        403,
        body=lambda caller: {"tenant_id": caller.other_id},
    ),
    Attempt(
        "an invoice to another's customer",
        "POST",
        "/careless/create",
        403,
        body=lambda caller: caller.invoice(caller.tenant_id, caller.other_id),
    ),
    Attempt("no tenant at all", "GET", "/careless/all-invoices", 400, tenants="none"),
    Attempt("no tenant, on an exempt path", "GET", "/careless/public", 400, tenants="none"),
    Attempt("two tenants in one request", "GET", "/careless/all-invoices", 400, tenants="both"),
)
