"""The rules about scopes, one test for each rule that needs no database."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from tenantshield_mw import (
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    atenant_scope,
    current_tenant,
    tenant_scope,
    try_current_tenant,
)

from .calling import Seen, call_asgi, http_scope


def tenant_id() -> object:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


async def test_a_tenant_bound_by_the_sync_scope_is_visible_across_await() -> None:
    async def callee() -> object:
        await asyncio.sleep(0)
        return tenant_id()

    with tenant_scope("acme"):
        await asyncio.sleep(0)
        assert await callee() == "acme"


async def test_a_tenant_bound_by_the_async_scope_is_visible_in_sync_code() -> None:
    async with atenant_scope("acme"):
        assert tenant_id() == "acme"


async def test_tasks_under_gather_are_isolated_from_each_other() -> None:
    turns = asyncio.Barrier(3)

    async def work(name: str) -> list[object]:
        seen = []
        async with atenant_scope(name):
            for _ in range(3):
                await turns.wait()
                seen.append(tenant_id())
        seen.append(tenant_id())
        return seen

    results = await asyncio.gather(work("acme"), work("globex"), work("initech"))
    assert list(results) == [[name] * 3 + [None] for name in ("acme", "globex", "initech")]
    assert tenant_id() is None


async def test_a_task_under_gather_inherits_the_tenant_and_cannot_change_it_outside() -> None:
    async def work() -> object:
        inherited = tenant_id()
        tenant_scope("globex").__enter__()
        return inherited

    async with atenant_scope("acme"):
        assert list(await asyncio.gather(work(), work())) == ["acme", "acme"]
        assert tenant_id() == "acme"


async def test_to_thread_carries_the_tenant_into_the_worker_thread() -> None:
    async with atenant_scope("acme"):
        assert await asyncio.to_thread(tenant_id) == "acme"
    assert await asyncio.to_thread(tenant_id) is None


async def test_a_worker_thread_cannot_change_the_tenant_of_its_task() -> None:
    async with atenant_scope("acme"):
        await asyncio.to_thread(tenant_scope("globex").__enter__)
        assert tenant_id() == "acme"


def test_asyncio_run_from_sync_code_carries_the_tenant() -> None:
    async def callee() -> object:
        return tenant_id()

    with tenant_scope("acme"):
        assert asyncio.run(callee()) == "acme"
    assert asyncio.run(callee()) is None


async def test_sync_and_async_scopes_nest_and_restore() -> None:
    with tenant_scope("outer"):
        async with atenant_scope("middle"):
            with tenant_scope("inner"):
                assert tenant_id() == "inner"
            assert tenant_id() == "middle"
        assert tenant_id() == "outer"
        async with atenant_scope("other"):
            assert tenant_id() == "other"
        assert tenant_id() == "outer"
    assert tenant_id() is None


async def test_sync_and_async_resolvers_go_through_the_same_middleware() -> None:
    def sync(scope: Any) -> str:
        return "from-sync"

    async def asynchronous(scope: Any) -> str:
        await asyncio.sleep(0)
        return "from-async"

    def either(scope: Any) -> Any:
        return sync(scope) if scope["path"] == "/sync" else asynchronous(scope)

    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=either)
    await call_asgi(app, http_scope("/sync"))
    await call_asgi(app, http_scope("/async"))
    assert seen.ids == ["from-sync", "from-async"]


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters]


def test_the_two_middlewares_take_the_same_parameters() -> None:
    assert shape(TenantSessionMiddleware) == shape(TenantSessionMiddlewareWSGI)


def test_the_two_scopes_take_the_same_parameters() -> None:
    assert inspect.signature(tenant_scope).parameters == inspect.signature(atenant_scope).parameters


async def test_both_scopes_give_the_same_context() -> None:
    with tenant_scope("acme") as first:
        assert current_tenant() is first
    async with atenant_scope("acme") as second:
        assert current_tenant() is second
    assert first == second
