"""Calling ASGI applications without a server."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw.adapters.testing import Caller, Operation, sweep

from .plain import BOTH, INTRUDER, READ
from .shops import kinds


def test_an_answer_that_does_not_end_is_a_finding() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        is_owner = (b"x", b"owner") in scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = b"ownersmark" if is_owner or scope["path"] == "/notes/1" else b""
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if not is_owner:
            while True:
                await receive()

    both: Any = {**BOTH, "intruder": Caller(INTRUDER.headers)}
    found = sweep(app, operations=[READ], **both, timeout=0.01)
    assert kinds(found) == {("read", str(READ))}
    other = Operation("GET", "/notes")
    found = sweep(app, operations=[READ, other], **both, timeout=0.01)
    assert ("failed", str(other)) in kinds(found)


def test_an_application_that_does_not_start_is_an_error() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="failed to start: no database"):
        sweep(app, operations=[READ], **BOTH)
