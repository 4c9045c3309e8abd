"""What a client may send, for the frameworks that do not check it themselves, and what a
statement is answered with that was not sent.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

__all__ = ["INVOICE", "INVOICE_CHANGE", "LARGEST_INTEGER", "UNGUARDED", "checked"]

LARGEST_INTEGER: Final = 2**63 - 1
"""What SQLite's integers hold."""

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

To a program that is a mistake of its own, so the adapters leave it to the framework. It has
an answer here to tell it from any other crash.
"""


def checked(body: object, allowed: dict[str, type], *, all_of: bool = False) -> dict[str, Any]:
    """Return ``body``, if its members are among ``allowed``, each of its type.

    Args:
        body: what was parsed from JSON.
        allowed: the type of each member.
        all_of: whether none may be missing.

    Raises:
        ValueError: the body is something else; the text is for the client.
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
