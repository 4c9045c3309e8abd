"""A lookup that does not answer refuses the requests for its tenant, and no others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tenantshield_mw import (
    TenantContext,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tenantshield_mw.deadline import waits_until

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

REQUESTS = 80
"""More than there may be threads that wait for resolvers that do not answer."""


@contextmanager
def stuck_for(tenant: str) -> Generator[Any]:
    """Yield a lookup that does not answer for ``tenant`` while the block runs."""
    go_on = threading.Event()

    def lookup(tenant_id: Any) -> TenantContext:
        if tenant_id == tenant:
            assert go_on.wait(60)
        return TenantContext(tenant_id)

    try:
        yield lookup
    finally:
        go_on.set()


def named(tenant: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-tenant-id", tenant.encode())]


def test_under_wsgi_the_other_tenants_are_served() -> None:
    with stuck_for("acme") as lookup:
        app = TenantSessionMiddlewareWSGI(
            Seen().wsgi,
            resolve_tenant=resolvers.header("X-Tenant-ID"),
            directory=lookup,
            timeout=0.02,
        )
        statuses = {
            call_wsgi(app, as_environ(headers=named("acme"))).status for _ in range(REQUESTS)
        }
        assert statuses == {503}
        assert any(
            call_wsgi(app, as_environ(headers=named("globex"))).status == 200
            for _ in range(REQUESTS)
        )


async def test_under_asgi_the_other_tenants_are_served() -> None:
    with stuck_for("acme") as lookup:
        read = resolvers.header("X-Tenant-ID")

        def resolver(request: Any) -> Any:
            tenant = read(request)
            return None if tenant is None else lookup(tenant.tenant_id)

        seen = Seen()
        app = TenantSessionMiddleware(
            seen.asgi,
            resolve_tenant=resolvers.in_thread(
                resolvers.cached(resolver, key="X-Tenant-ID", ttl=60)
            ),
            timeout=0.1,
        )
        refused = await asyncio.gather(
            *(call_asgi(app, http_scope(headers=named("acme"))) for _ in range(REQUESTS))
        )
        assert {response.status for response in refused} == {503}
        for _ in range(REQUESTS):
            if (await call_asgi(app, http_scope(headers=named("globex")))).status == 200:
                break
        assert seen.ids == ["globex"]


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
async def test_the_limit_ends_when_the_tenant_is_found(kind: str) -> None:
    limits: list[Any] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        limits.append(waits_until.get())
        await Seen().asgi(scope, receive, send)

    def wsgi(environ: Any, start_response: Any) -> Any:
        limits.append(waits_until.get())
        return Seen().wsgi(environ, start_response)

    options: Any = {"resolve_tenant": resolvers.header("X-Tenant-ID"), "timeout": 60}
    if kind == "asgi":
        await call_asgi(TenantSessionMiddleware(asgi, **options), http_scope(headers=named("acme")))
    else:
        call_wsgi(TenantSessionMiddlewareWSGI(wsgi, **options), as_environ(headers=named("acme")))
    assert limits == [None]
    assert waits_until.get() is None
