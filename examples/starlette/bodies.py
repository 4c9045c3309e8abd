"""What a client may send."""

from __future__ import annotations

from http import HTTPStatus
from json import JSONDecodeError
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = ["INVOICE", "INVOICE_CHANGE", "LARGEST_INTEGER", "json_object", "members_of"]

LARGEST_INTEGER: Final = 2**63 - 1
"""What SQLite's integers hold."""

INVOICE: Final[dict[str, type]] = {
    "number": str,
    "customer_id": int,
    "currency_code": str,
    "amount": int,
}
INVOICE_CHANGE: Final[dict[str, type]] = {"amount": int, "paid": bool}


async def json_object(request: Request) -> dict[str, Any]:
    """Return the request's body.

    Raises:
        HTTPException: 400, it is not a JSON object.
    """
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
    return body


def members_of(body: dict[str, Any], allowed: dict[str, type]) -> dict[str, Any]:
    """Return ``body``, if it has no other members than ``allowed``, each of its type.

    Raises:
        HTTPException: 422, it has, or the value of one is not what it should be.
    """
    for name, value in body.items():
        kind = allowed.get(name)
        if kind is None:
            raise _unprocessable(f"Only these members are allowed: {', '.join(allowed)}.")
        if type(value) is not kind or not _is_in_bounds(value):
            raise _unprocessable(f"The value of {name} is not valid.")
    return body


def _is_in_bounds(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= 20 and value.isprintable()
    return isinstance(value, int) and 0 <= value <= LARGEST_INTEGER


def _unprocessable(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
