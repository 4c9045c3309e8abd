"""The ways that a tenant tries to break out, for the page and for the demonstration alike.

They are sent to endpoints under ``/careless``, which each example has in its own framework's
style and which are what nobody should write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

__all__ = ["ATTEMPTS", "PUBLIC", "Attempt", "attempts_json"]

PUBLIC: Final = frozenset({"/", "/attempts", "/careless/public"})
"""The paths that run without a tenant. The last one is there to show what that means for a
query that needs one."""


@dataclass(frozen=True)
class Attempt:
    """One request.

    What stands in braces in ``path`` and in the values of ``body`` is filled in by whoever
    sends it: ``me`` and ``them`` are the tenants; ``my_invoice``, ``their_invoice``,
    ``my_customer`` and ``their_customer`` are ids; ``new_number`` and ``new_amount`` are of
    no invoice yet.

    Args:
        name: what is tried.
        careless: what the code does, or fails to do.
        method: the HTTP method.
        path: the path.
        expected: the status that it should get.
        body: the members of the JSON body.
        tenants: whose names the request gives in ``X-Tenant-ID``, once each.
        shows: what of the tenant's own rows the answer has to show, all of it.
        changes: whether it should change rows of the tenant's own.
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
        "believes the id in the URL",
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
        "goes past the ORM, to the connection",
        "GET",
        "/careless/core-select",
        200,
        shows="numbers",
    ),
    Attempt(
        "raw SQL",
        "goes past the statement builder as well",
        "GET",
        "/careless/raw-sql",
        500,
    ),
    Attempt(
        "a bulk update without WHERE",
        "makes every invoice dearer by 1.00",
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
        "believes the customer's id in the body",
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
        "selects all invoices, where no tenant is asked for",
        "GET",
        "/careless/public",
        400,
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
    """Return the attempts as ``/attempts`` answers with them."""
    return [asdict(attempt) for attempt in ATTEMPTS]
