"""Authorization, and the time limit for finding the tenant."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
    tenant_scope,
)
from tests.resolvers.sending import outcome, ran, refused
from tests.resolvers.states import STATES, at

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

ACME = [(b"x-tenant-id", b"acme")]
RESOLVER = resolvers.header("X-Tenant-ID")

# Short, since the awaited event never happens.
SOON = 0.02


class Forever:
    """Something that does not answer until it is released."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        assert self.let_go.wait(60)
        return True if len(arguments) == 2 else "acme"

    async def later(self, *arguments: Any) -> Any:
        await asyncio.Event().wait()


async def test_authorize_takes_the_request_and_the_tenant() -> None:
    taken: list[Any] = []

    def authorize(request: Any, tenant: TenantContext) -> bool:
        taken.append((request, tenant))
        return True

    scope, environ = http_scope(headers=ACME), as_environ(headers=ACME)
    options: Any = {"resolve_tenant": RESOLVER, "authorize": authorize}
    seen = Seen()
    await call_asgi(TenantSessionMiddleware(seen.asgi, **options), scope)
    call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), environ)
    assert seen.ids == ["acme", "acme"]
    assert taken[0][0] is scope
    assert taken[1][0] is environ
    assert [tenant for _, tenant in taken] == [TenantContext("acme")] * 2


@pytest.mark.parametrize("allowed", [True, False])
async def test_authorize_may_be_async_in_asgi(allowed: bool) -> None:
    async def authorize(request: Any, tenant: TenantContext) -> bool:
        await asyncio.sleep(0)
        return allowed

    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=RESOLVER, authorize=authorize)
    response = await call_asgi(app, http_scope(headers=ACME))
    assert response.status == (200 if allowed else 403)
    assert seen.ids == (["acme"] if allowed else [])


async def test_an_async_authorize_is_refused_in_wsgi() -> None:
    async def authorize(request: Any, tenant: TenantContext) -> bool:
        return True

    app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=RESOLVER, authorize=authorize)
    with pytest.raises(ConfigurationError, match="authorize returned a coroutine"):
        call_wsgi(app, as_environ(headers=ACME))
    gc.collect()


@pytest.mark.parametrize("answer", [None, 1, 0, "yes", "", TenantContext("acme")])
async def test_only_true_lets_a_request_through(answer: Any) -> None:
    async def later(request: Any, tenant: Any) -> Any:
        return answer

    seen = Seen()
    plain: Any = {"resolve_tenant": RESOLVER, "authorize": lambda request, tenant: answer}
    for app in (
        TenantSessionMiddleware(seen.asgi, **plain),
        TenantSessionMiddleware(seen.asgi, resolve_tenant=RESOLVER, authorize=later),
    ):
        with pytest.raises(ConfigurationError, match="True or False"):
            await call_asgi(app, http_scope(headers=ACME))
    with pytest.raises(ConfigurationError, match="True or False"):
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **plain), as_environ(headers=ACME))
    assert seen.tenants == []


async def test_authorize_is_not_called_for_a_request_without_a_tenant() -> None:
    asked: list[Any] = []
    options: Any = {
        "resolve_tenant": RESOLVER,
        "authorize": lambda request, tenant: asked.append(tenant),
    }
    assert (
        await call_asgi(TenantSessionMiddleware(Seen().asgi, **options), http_scope())
    ).status == 400
    assert (
        call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, **options), as_environ()).status == 400
    )
    assert asked == []


@pytest.mark.parametrize("slow", ["resolve_tenant", "directory", "authorize"])
async def test_asgi_refuses_a_request_whose_tenant_is_not_found_in_time(slow: str) -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": RESOLVER, slow: Forever().later, "timeout": SOON}
    app = TenantSessionMiddleware(seen.asgi, **options)
    response = await call_asgi(app, http_scope(headers=ACME))
    assert (response.status, response.problem["code"]) == (503, "tenant_unavailable")
    assert seen.tenants == []


async def test_asgi_does_not_wait_for_a_thread() -> None:
    forever, seen = Forever(), Seen()
    app = TenantSessionMiddleware(
        seen.asgi, resolve_tenant=resolvers.in_thread(forever), timeout=SOON
    )
    with ExitStack() as stack:
        stack.callback(forever.let_go.set)
        response = await call_asgi(app, http_scope(headers=ACME))
        assert not forever.let_go.is_set()
    assert response.status == 503
    assert seen.tenants == []


@pytest.mark.parametrize("slow", ["resolve_tenant", "directory", "authorize"])
def test_wsgi_refuses_a_request_whose_tenant_is_not_found_in_time(slow: str) -> None:
    forever, seen = Forever(), Seen()
    options: Any = {"resolve_tenant": RESOLVER, slow: forever, "timeout": SOON}
    app = TenantSessionMiddlewareWSGI(seen.wsgi, **options)
    with ExitStack() as stack:
        stack.callback(forever.let_go.set)
        response = call_wsgi(app, as_environ(headers=ACME))
        assert not forever.let_go.is_set()
    assert (response.status, response.problem["code"]) == (503, "tenant_unavailable")
    assert seen.tenants == []


def test_wsgi_has_a_bounded_number_of_threads_that_wait() -> None:
    forever, seen = Forever(), Seen()
    before = threading.active_count()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=forever, timeout=0.001)
    with ExitStack() as stack:
        stack.callback(forever.let_go.set)
        for _ in range(80):
            assert call_wsgi(app, as_environ()).status == 503
        waiting = [
            thread for thread in threading.enumerate() if thread.name == "tenantshield_mw resolver"
        ]
        assert 0 < len(waiting) <= 64
        assert threading.active_count() <= before + 64
    for thread in waiting:
        thread.join(60)
        assert not thread.is_alive()
    # When they have returned, requests are served again.
    patient = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=forever, timeout=60)
    assert call_wsgi(patient, as_environ()).status == 200
    assert seen.ids == ["acme"]


async def test_a_request_whose_tenant_is_found_in_time_runs() -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": RESOLVER, "timeout": 60}
    await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope(headers=ACME))
    call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ(headers=ACME))
    assert seen.ids == ["acme", "acme"]


async def test_the_limit_does_not_apply_to_the_app() -> None:
    slept: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * SOON):
                await asyncio.Event().wait()
        slept.append(True)
        await Seen().asgi(scope, receive, send)

    middleware = TenantSessionMiddleware(app, resolve_tenant=RESOLVER, timeout=SOON)
    assert (await call_asgi(middleware, http_scope(headers=ACME))).status == 200
    assert slept == [True]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_wsgi_thread_goes_to_the_server(error: type[BaseException]) -> None:
    def broken(environ: Any) -> str:
        raise error

    app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=broken, timeout=60)
    with pytest.raises(error):
        call_wsgi(app, as_environ())


def test_what_the_resolver_binds_in_its_thread_does_not_reach_the_app() -> None:
    def resolver(environ: Any) -> str:
        tenant_scope("globex").__enter__()
        return "acme"

    seen = Seen()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver, timeout=60)
    call_wsgi(app, as_environ())
    assert seen.ids == ["acme"]


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("inf"), float("nan")])
def test_another_timeout_is_refused(middleware: Any, timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        middleware(Seen().asgi, resolve_tenant=RESOLVER, timeout=timeout)


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_an_authorize_that_is_not_callable_is_refused(middleware: Any) -> None:
    with pytest.raises(ConfigurationError, match="authorize"):
        middleware(Seen().asgi, resolve_tenant=RESOLVER, authorize=True)


def test_a_thread_that_cannot_be_started_does_not_count_as_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    seen = Seen()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=RESOLVER, timeout=60)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(80):
            with pytest.raises(RuntimeError):
                call_wsgi(app, as_environ(headers=ACME))
    assert call_wsgi(app, as_environ(headers=ACME)).status == 200


@pytest.mark.parametrize("allowed", [True, False])
def test_authorize_decides_whether_the_caller_may_act_for_the_tenant(allowed: bool) -> None:
    asked: list[Any] = []

    def authorize(request: Any, tenant: TenantContext) -> bool:
        asked.append((tenant.tenant_id, tenant.attributes["plan"]))
        return allowed

    options = {
        "resolve_tenant": resolvers.query("tenant"),
        "directory": STATES.get,
        "authorize": authorize,
    }
    told = outcome(options, at("/?tenant=acme"))
    assert told == (ran("acme") if allowed else refused(403, "tenant_not_authorized"))
    assert asked == [("acme", "gold")] * 2
