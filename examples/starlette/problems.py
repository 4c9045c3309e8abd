"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    TenantShieldError,
    UnguardedStatementError,
)

__all__ = ["HANDLERS"]

logger = logging.getLogger(__name__)

# The errors' own texts speak to whoever writes the program, and go to its log.
_ANSWERS: Final[Mapping[type[TenantShieldError], tuple[HTTPStatus, str, str]]] = {
    CrossTenantAccessError: (
        HTTPStatus.FORBIDDEN,
        "cross_tenant",
        "The request reaches for what does not belong to its tenant.",
    ),
    MissingTenantContextError: (
        HTTPStatus.BAD_REQUEST,
        "tenant_missing",
        "The request names no tenant.",
    ),
    UnguardedStatementError: (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "statement_unguarded",
        "A statement that cannot be confined to the tenant was not sent.",
    ),
}


def _problem(
    status: HTTPStatus,
    detail: str,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    content: dict[str, str | int] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if code is not None:
        content["code"] = code
    return JSONResponse(content, status, headers, media_type="application/problem+json")


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(HTTPStatus(error.status_code), error.detail, headers=error.headers)


async def _on_shield_error(request: Request, error: Exception) -> Response:
    for kind, (status, code, detail) in _ANSWERS.items():
        if isinstance(error, kind):
            logger.error("%s %s: %s", request.method, request.url.path, error)
            return _problem(status, detail, code)
    raise error


HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    HTTPException: _on_http_exception,
    TenantShieldError: _on_shield_error,
}
