"""Validation of request bodies, for frameworks without their own, and the response to a
statement that was refused.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

__all__ = ["INVOICE", "INVOICE_CHANGE", "LARGEST_INTEGER", "UNGUARDED", "checked"]

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest integer of SQLite."""

INVOICE: Final[dict[str, type]] = {
    "number": str,
    "customer_id": int,
    "currency_code": str,
    "amount": int,
}
INVOICE_CHANGE: Final[dict[str, type]] = {"amount": int, "paid": bool}

UNGUARDED: Final[dict[str, str | int]] = {
    "type": "about:blank",
    "title": HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
    "status": HTTPStatus.INTERNAL_SERVER_ERROR.value,
    "detail": "A statement that cannot be confined to the tenant was not sent.",
    "code": "statement_unguarded",
}
"""The problem detail (RFC 9457) for an ``UnguardedStatementError``.

The error is a mistake in the program, so the adapters leave it to the framework. The examples
answer it, to tell it from any other crash.
"""


def checked(body: object, allowed: dict[str, type], *, all_of: bool = False) -> dict[str, Any]:
    """Return ``body`` if all its members are in ``allowed`` and have the right type.

    Args:
        body: the parsed JSON.
        allowed: the type of each member.
        all_of: whether every member is required.

    Raises:
        ValueError: the body is invalid; the message is for the client.
    """
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")
    if body.keys() - allowed.keys():
        raise ValueError(f"Only these members are allowed: {', '.join(allowed)}.")
    if all_of and allowed.keys() - body.keys():
        raise ValueError(f"These members are needed: {', '.join(allowed)}.")
    for name, kind in allowed.items():
        if name in body and not (type(body[name]) is kind and _is_in_bounds(body[name])):
            raise ValueError(f"The value of {name} is not valid.")
    return body


def _is_in_bounds(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= 20 and value.isprintable()
    return isinstance(value, int) and 0 <= value <= LARGEST_INTEGER
