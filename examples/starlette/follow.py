"""Send a request to the application itself, and show its way and its SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from examples.invoices.attempts import ATTEMPTS, Attempt
from examples.invoices.contents import count_rows, read_contents
from examples.invoices.recording import current_recording, recording
from examples.invoices.seed import TENANTS
from examples.invoices.trace import Trace, section
from tenantshield_mw import TENANT_KEY

from .caller import Caller
from .views import VIEWS

__all__ = ["Arrival", "followed"]

_FIRST, _SECOND = TENANTS

# Those that can be sent for any tenant: the sender is chosen separately.
_REQUESTS: Final[Mapping[str, Attempt]] = {
    each.name: each
    for each in (*VIEWS, *ATTEMPTS)
    if each.tenants == "own" or each.path == "/careless/public"
}
_SENDERS: Final[Mapping[str, Sequence[str]]] = {
    _FIRST: [_FIRST],
    _SECOND: [_SECOND],
    "no tenant": [],
    "both at once": [_FIRST, _SECOND],
    "an attacker": ["<b>acme</b>' OR '1'='1"],
}


class Arrival:
    """Records the tenant with which a request arrives at the application: it is added before
    the middleware that determines the tenant, and so is inside it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if made := current_recording():
            tenant = scope[TENANT_KEY]
            made.has_arrived = True
            made.tenant_id = None if tenant is None else str(tenant.tenant_id)
        await self.app(scope, receive, send)


async def followed(request: Request) -> str:
    """Follow the request that a form has chosen, or the first; return the section of the page."""
    chosen = {"request": next(iter(_REQUESTS)), "sender": _FIRST}
    if request.method == "POST":
        chosen |= parse_qsl((await request.body()).decode(errors="replace"))
    name, sender = chosen["request"], chosen["sender"]
    if name not in _REQUESTS or sender not in _SENDERS:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such request or tenant.")
    trace = await _trace(request.app, _REQUESTS[name], _SENDERS[sender])
    return section(_REQUESTS, _SENDERS, (name, sender), trace)


async def _trace(app: Starlette, chosen: Attempt, senders: Sequence[str]) -> Trace:
    database: Path = app.state.database
    me, other = (_SECOND, _FIRST) if senders == [_SECOND] else (_FIRST, _SECOND)
    caller = Caller(me, other, read_contents(database))
    path = caller.path(chosen)
    # Within this process, but through all of the application's middleware.
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        with recording() as recorded:
            response = await client.request(
                chosen.method,
                path,
                headers=[("X-Tenant-ID", each) for each in senders],
                json=caller.body(chosen),
            )
    table = recorded.last.table if recorded.last else None
    return Trace(
        line=f"{chosen.method} {path}",
        senders=senders,
        recording=recorded,
        status=response.status_code,
        problem=response.json() if _kind(response) == "application/problem+json" else None,
        rows_in_answer=_rows_in(response),
        rows_in_table=0 if table is None else count_rows(database, table),
    )


def _rows_in(response: httpx.Response) -> int:
    match _kind(response):
        case "application/json":
            rows = response.json()
            return len(rows) if isinstance(rows, list) else 1
        case "application/x-ndjson":
            return len(response.text.splitlines())
        case "text/html":
            return response.text.count("<tr><td>")
        case _:
            return 0


def _kind(response: httpx.Response) -> str:
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0]
