"""The WSGI middleware under a server that runs each request in a greenlet, like gevent's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenlet import getcurrent, greenlet
from werkzeug.test import create_environ

from tenantshield_mw import TenantSessionMiddlewareWSGI, resolvers, try_current_tenant

TENANTS = ("acme", "globex", None)


def tenant_id() -> Any:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def wait() -> None:
    """Let the other greenlets run, as a socket of such a server does."""
    hub: Any = getcurrent().parent
    hub.switch()


def app(environ: Any, start_response: Any) -> Iterator[bytes]:
    environ["seen"].append(tenant_id())
    wait()
    environ["seen"].append(tenant_id())
    start_response("200 OK", [])

    def body() -> Iterator[bytes]:
        try:
            for _ in range(2):
                environ["seen"].append(tenant_id())
                wait()
                environ["seen"].append(tenant_id())
                yield b"a"
        finally:
            wait()
            environ["seen"].append(tenant_id())

    return body()


def serve(middleware: Any, seen: dict[Any, list[Any]], outside: list[Any]) -> None:
    """Serve a request of each tenant, as over one connection that is kept alive."""
    for tenant in (*TENANTS, *TENANTS):
        headers = {} if tenant is None else {"X-Tenant-ID": tenant}
        environ = {**create_environ(headers=headers), "seen": seen[tenant]}
        body = middleware(environ, lambda *_: None)
        outside.append(tenant_id())
        wait()
        for _ in body:
            outside.append(tenant_id())
            wait()
        body.close()
        outside.append(tenant_id())


def test_greenlets_that_take_turns_keep_their_tenants() -> None:
    middleware = TenantSessionMiddlewareWSGI(
        app,
        resolve_tenant=resolvers.header("X-Tenant-ID"),
        on_missing_tenant="allow_unbound",
    )
    seen: dict[Any, list[Any]] = {tenant: [] for tenant in TENANTS}
    outside: list[Any] = []
    running = [greenlet(serve) for _ in range(5)]
    turn = 0
    while running := [each for each in running if not each.dead]:
        for number, each in enumerate(running):
            # Each starts at another time, so that they are at different tenants.
            if turn >= 3 * number:
                each.switch(*(() if each else (middleware, seen, outside)))
            assert tenant_id() is None
        turn += 1
    assert {tenant: {*noted} for tenant, noted in seen.items()} == {each: {each} for each in seen}
    assert {*outside} == {None}
