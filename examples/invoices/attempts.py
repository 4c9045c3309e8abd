"""Attempts of one tenant to reach another tenant's rows, for the page and the demonstration.

They are sent to the careless endpoints under ``/careless``, which each example writes in its
framework's style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

__all__ = ["ATTEMPTS", "PUBLIC", "Attempt", "attempts_json"]

PUBLIC: Final = frozenset({"/", "/attempts", "/careless/public"})
"""The paths that run without a tenant. The last one shows what happens to a query that needs
one."""


@dataclass(frozen=True)
class Attempt:
    """One request.

    The sender replaces the names in braces in ``path`` and in the values of ``body``: ``me`` and
    ``them`` are the tenants; ``my_invoice``, ``their_invoice``, ``my_customer`` and
    ``their_customer`` are ids; ``new_number`` and ``new_amount`` are not used by any invoice yet.

    Args:
        name: what is attempted.
        careless: the mistake in the code.
        method: the HTTP method.
        path: the path.
        expected: the expected HTTP status.
        body: the members of the JSON body.
        tenants: the tenants that the request names, each in its own ``X-Tenant-ID``.
        shows: what the response must show of all of the tenant's own rows.
        changes: whether the tenant's own rows should change.
    """

    name: str
    careless: str
    method: str
    path: str
    expected: int
    body: Mapping[str, str] | None = None
    tenants: Literal["own", "none", "both"] = "own"
    shows: Literal["numbers", "names"] | None = None
    changes: bool = False


def _invoice(tenant: str, customer: str) -> dict[str, str]:
    return {
        "tenant_id": tenant,
        "number": "{new_number}",
        "customer_id": customer,
        "currency_code": "EUR",
        "amount": "{new_amount}",
    }


ATTEMPTS: Final = (
    Attempt(
        "another tenant's id in the URL",
        "an ordinary endpoint looks the invoice up by its id",
        "GET",
        "/invoices/{their_invoice}",
        404,
    ),
    Attempt(
        "the same, past the ORM's get",
        "trusts the id in the URL",
        "GET",
        "/careless/by-id/{their_invoice}",
        404,
    ),
    Attempt(
        "the same, to change the invoice",
        "changes whichever invoice the URL names",
        "PATCH",
        "/careless/change/{their_invoice}",
        404,
        body={"amount": "{new_amount}"},
    ),
    Attempt(
        "a forgotten filter",
        "selects all invoices",
        "GET",
        "/careless/all-invoices",
        200,
        shows="numbers",
    ),
    Attempt(
        "a forgotten filter in a join",
        "adds up the invoices of all customers",
        "GET",
        "/careless/totals",
        200,
        shows="names",
    ),
    Attempt(
        "a Core select",
        "bypasses the ORM: a select on the connection",
        "GET",
        "/careless/core-select",
        200,
        shows="numbers",
    ),
    Attempt(
        "raw SQL",
        "bypasses SQLAlchemy's constructs as well",
        "GET",
        "/careless/raw-sql",
        500,
    ),
    Attempt(
        "a bulk update without WHERE",
        "raises the amount of every invoice by 1.00",
        "POST",
        "/careless/bulk-update",
        204,
        changes=True,
    ),
    Attempt(
        "a new row under another tenant",
        "writes whatever the client sends, the tenant included",
        "POST",
        "/careless/create",
        403,
        body=_invoice("{them}", "{their_customer}"),
    ),
    Attempt(
        "an own row handed to another",
        "changes whatever the client names, the tenant included",
        "PATCH",
        "/careless/change/{my_invoice}",
        403,
        body={"tenant_id": "{them}"},
    ),
    Attempt(
        "an invoice to another's customer",
        "trusts the customer's id in the body",
        "POST",
        "/careless/create",
        403,
        body=_invoice("{me}", "{their_customer}"),
    ),
    Attempt(
        "no tenant at all",
        "selects all invoices",
        "GET",
        "/careless/all-invoices",
        400,
        tenants="none",
    ),
    Attempt(
        "no tenant, on an exempt path",
        "selects all invoices on a path that needs no tenant",
        "GET",
        "/careless/public",
        500,
        tenants="none",
    ),
    Attempt(
        "two tenants in one request",
        "selects all invoices",
        "GET",
        "/careless/all-invoices",
        400,
        tenants="both",
    ),
)


def attempts_json() -> list[dict[str, Any]]:
    """Return the attempts as JSON, for ``/attempts``."""
    return [asdict(attempt) for attempt in ATTEMPTS]
