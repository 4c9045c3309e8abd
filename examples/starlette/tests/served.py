"""The example under uvicorn, watched: ``python -m examples.starlette.tests.served FD DATABASE``.

``FD`` is a socket that listens already. Besides the example's own paths it serves

* ``/hold``: the tenant's invoices, then nothing until the client goes away,
* ``/stall``: no answer at all; once the client has gone away, the invoices are read again,
* ``/witness``: what was seen of all requests, as soon as ``?stalled=N`` of them stall and
  no others are under way.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from examples.invoices.models import Invoice
from examples.starlette.app import create_app
from examples.starlette.database import new_session
from tenantshield_mw import current_tenant
from tenantshield_mw.context import current_binding


class Witness:
    """Counts the requests, and those that change the binding."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.counts = Counter[str]()
        self.changed = asyncio.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == "/witness":
            await self.answer(Request(scope, receive), send)
        else:
            await self.count("under_way")
            try:
                if current_binding() is not None:
                    await self.count("bound_before")
                await self.app(scope, receive, send)
            finally:
                if current_binding() is not None:
                    await self.count("bound_after")
                await self.count("under_way", -1)

    async def count(self, name: str, by: int = 1) -> None:
        async with self.changed:
            self.counts[name] += by
            self.changed.notify_all()

    async def answer(self, request: Request, send: Send) -> None:
        stalled = int(request.query_params["stalled"])

        def is_settled() -> bool:
            return self.counts["stalled"] == self.counts["under_way"] == stalled

        async with self.changed:
            await self.changed.wait_for(is_settled)
            response = JSONResponse(self.counts)
        await response(request.scope, request.receive, send)

    async def hold(self, request: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            tenant = current_tenant()
            async with new_session(request) as session:
                # The transaction stays open until the client has gone.
                yield json.dumps(await numbers(session)) + "\n"
                try:
                    await asyncio.Event().wait()
                finally:
                    kept = current_tenant() == tenant
                    self.counts["held_and_kept" if kept else "held_and_lost"] += 1

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def stall(self, request: Request) -> Response:
        async with new_session(request) as session:
            before = await numbers(session)
        await self.count("stalled")
        while (await request.receive())["type"] != "http.disconnect":
            pass
        async with new_session(request) as session:
            after = await numbers(session)
        tenant = f"{current_tenant().tenant_id} "
        kept = set(before) <= set(after) and all(row.startswith(tenant) for row in after)
        await self.count("stalled_and_kept" if kept else "stalled_and_lost")
        await self.count("stalled", -1)
        return Response()


async def numbers(session: AsyncSession) -> list[str]:
    """Return the invoices' numbers, each with the tenant in its row."""
    rows = await session.execute(select(Invoice.tenant_id, Invoice.number))
    return [f"{tenant_id} {number}" for tenant_id, number in rows]


def watched_app(database: Path) -> ASGIApp:
    app: Starlette = create_app(database)
    witness = Witness(app)
    app.router.routes += [Route("/hold", witness.hold), Route("/stall", witness.stall)]
    return witness


def main() -> None:
    descriptor, database = sys.argv[1:]
    # What the example logs of refusals is not of interest; all that is left on standard
    # error is what should not be there.
    logging.getLogger("tenantshield_mw").addHandler(logging.NullHandler())
    # A connection that idles is closed by the client alone: were it the server too, a request
    # that is on its way at that moment would be lost.
    config = uvicorn.Config(
        watched_app(Path(database)), log_level="warning", timeout_keep_alive=3600
    )
    server = uvicorn.Server(config)
    with socket.socket(fileno=int(descriptor)) as listening:
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
