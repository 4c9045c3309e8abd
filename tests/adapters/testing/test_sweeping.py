"""Sweeping an application object, sync and async."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, tenant_scope, try_current_tenant
from tenantshield_mw.adapters.testing import Caller, asweep, sweep

from .plain import BOTH, INTRUDER, OWNER, READ, answering, found_in
from .shops import PAGES, POST, SHOPS, Shop, kinds

DELETE_PLANTED = "DELETE /inner/notes/{note_id}/planted"


@pytest.mark.parametrize("name", SHOPS)
async def test_it_can_be_awaited(name: str) -> None:
    shop = Shop()

    async def watch() -> Any:
        return shop.acmes()

    app = SHOPS[name](shop, shop.delete_past_the_guard)
    both: Any = {"owner": shop.caller("acme"), "intruder": shop.caller("globex")}
    found = await asweep(app, **both, watch=watch, operations=[POST], skip=PAGES[name])
    assert kinds(found) == {("changed", DELETE_PLANTED)}


def test_the_scope_of_the_test_is_not_the_applications() -> None:
    tenants = []

    def app(environ: Any, start_response: Any) -> Any:
        tenants.append(try_current_tenant())
        return answering((404, b"", ()))(environ, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            tenants.append(try_current_tenant())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ownersmark"})

    with tenant_scope("acme"):
        found_in(app)
        found_in(asgi)
    assert len(tenants) == 7
    assert {*tenants} == {None}


def test_an_application_without_operations_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no operations"):
        sweep(answering((404, b"", ())), **BOTH)
    with pytest.raises(ConfigurationError, match="takes an ASGI or a WSGI application"):
        sweep("app", **BOTH)


async def test_a_loop_that_runs_is_told() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="await asweep"):
        sweep(app, operations=[READ], **BOTH)


async def test_the_two_sides_may_be_made_by_async_functions() -> None:
    async def owner() -> Caller:
        return OWNER

    async def intruder() -> Caller:
        return INTRUDER

    found = await asweep(
        answering((200, b"ownersmark", ())), owner=owner, intruder=intruder, operations=[READ]
    )
    assert [each.kind for each in found] == ["read"]


@pytest.mark.parametrize("name", ["owner", "intruder"])
def test_one_that_is_to_be_awaited_is_refused_by_the_sync_sweep(name: str) -> None:
    async def made() -> Caller:
        return OWNER

    sides: Any = {**BOTH, name: made}
    with pytest.raises(TypeError, match=f"{name}= must return a Caller: await it before"):
        sweep(answering((404, b"", ())), **sides, operations=[READ])


def test_something_else_than_a_caller_is_refused() -> None:
    sides: Any = {**BOTH, "owner": lambda: None}
    with pytest.raises(TypeError, match=r"owner= must return a Caller$"):
        sweep(answering((404, b"", ())), **sides, operations=[READ])
