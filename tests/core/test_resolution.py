"""The supported kinds of resolvers, and the handling of their answers."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


class Resolvers:
    """Every form of a resolver that answers ``acme``."""

    def method(self, request: Any) -> str:
        return "acme"

    async def async_method(self, request: Any) -> str:
        await asyncio.sleep(0)
        return "acme"

    @staticmethod
    def static(request: Any) -> str:
        return "acme"


class CallableObject:
    def __call__(self, request: Any) -> str:
        return "acme"


class AsyncCallableObject:
    async def __call__(self, request: Any) -> str:
        await asyncio.sleep(0)
        return "acme"


class OwnAwaitable:
    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(0).__await__()
        return "acme"


async def coroutine_function(request: Any) -> str:
    await asyncio.sleep(0)
    return "acme"


async def with_an_argument(answer: str, request: Any) -> str:
    await asyncio.sleep(0)
    return answer


def future(request: Any) -> asyncio.Future[str]:
    made: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(made.set_result, "acme")
    return made


def task(request: Any) -> asyncio.Task[str]:
    return asyncio.get_running_loop().create_task(coroutine_function(request))


SYNC: dict[str, Callable[[Any], Any]] = {
    "function": lambda request: "acme",
    "tenant context": lambda request: TenantContext("acme"),
    "bound method": Resolvers().method,
    "static method": Resolvers.static,
    "callable object": CallableObject(),
    "partial": functools.partial(lambda answer, request: answer, "acme"),
}
ASYNC: dict[str, Callable[[Any], Any]] = {
    "coroutine function": coroutine_function,
    "async bound method": Resolvers().async_method,
    "async callable object": AsyncCallableObject(),
    "partial of a coroutine function": functools.partial(with_an_argument, "acme"),
    "lambda that returns a coroutine": lambda request: coroutine_function(request),
    "future": future,
    "task": task,
    "object with __await__": lambda request: OwnAwaitable(),
}


@pytest.mark.parametrize("resolver", [*SYNC.values(), *ASYNC.values()], ids=[*SYNC, *ASYNC])
async def test_asgi_takes_sync_and_async_resolvers(resolver: Any) -> None:
    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
    assert (await call_asgi(app, http_scope())).status == 200
    assert seen.tenants == [TenantContext("acme")]


@pytest.mark.parametrize("resolver", SYNC.values(), ids=SYNC)
def test_wsgi_takes_sync_resolvers(resolver: Any) -> None:
    seen = Seen()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver)
    assert call_wsgi(app, as_environ()).status == 200
    assert seen.tenants == [TenantContext("acme")]


@pytest.mark.parametrize("resolver", ASYNC.values(), ids=ASYNC)
async def test_wsgi_refuses_an_awaitable_and_leaves_no_coroutine_behind(resolver: Any) -> None:
    seen = Seen()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver)
    # Warnings are errors: a coroutine that was never awaited would fail this test.
    with pytest.raises(ConfigurationError, match="sync resolver"):
        call_wsgi(app, as_environ())
    gc.collect()
    assert seen.tenants == []
    # A task or a future that is already running is left to finish.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    await asyncio.sleep(0)


def test_wsgi_refuses_an_awaitable_for_every_on_missing_tenant() -> None:
    for on_missing_tenant in ("reject", "raise", "allow_unbound"):
        app = TenantSessionMiddlewareWSGI(
            Seen().wsgi,
            resolve_tenant=coroutine_function,  # type: ignore[arg-type]
            on_missing_tenant=on_missing_tenant,
        )
        with pytest.raises(ConfigurationError):
            call_wsgi(app, as_environ())


async def test_asgi_refuses_an_awaitable_inside_an_awaitable() -> None:
    async def nested(request: Any) -> Awaitable[str]:
        return coroutine_function(request)

    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=nested)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="another awaitable"):
        await call_asgi(app, http_scope())
    gc.collect()
    assert seen.tenants == []


@pytest.mark.parametrize("answer", ["acme", 7, SOME_UUID, TenantContext("acme", {"plan": "gold"})])
async def test_every_type_of_answer_binds_its_tenant(answer: Any) -> None:
    expected = answer if isinstance(answer, TenantContext) else TenantContext(answer)
    seen = Seen()
    await call_asgi(
        TenantSessionMiddleware(seen.asgi, resolve_tenant=lambda _: answer), http_scope()
    )
    call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=lambda _: answer), as_environ())
    assert seen.tenants == [expected, expected]


class StrangeContext(TenantContext):
    """A subclass is a tenant context too."""


async def test_a_subclass_of_the_context_is_bound_unchanged() -> None:
    answer = StrangeContext("acme")
    seen = Seen()
    await call_asgi(
        TenantSessionMiddleware(seen.asgi, resolve_tenant=lambda _: answer), http_scope()
    )
    assert seen.tenants[0] is answer


@pytest.mark.parametrize("answer", ["", b"acme", True, False, 1.5, object(), ["acme"], {}, 0.0])
async def test_an_invalid_answer_is_never_converted(answer: Any) -> None:
    async def asynchronous(request: Any) -> Any:
        return answer

    seen = Seen()
    for resolver in (lambda _: answer, asynchronous):
        app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver, on_missing_tenant="raise")
        with pytest.raises(TenantResolutionError):
            await call_asgi(app, http_scope())
    wsgi_app = TenantSessionMiddlewareWSGI(
        seen.wsgi, resolve_tenant=lambda _: answer, on_missing_tenant="raise"
    )
    with pytest.raises(TenantResolutionError):
        call_wsgi(wsgi_app, as_environ())
    assert seen.tenants == []


async def test_the_resolver_takes_the_raw_scope_or_environ() -> None:
    taken: list[Any] = []

    def resolver(request: Any) -> str:
        taken.append(request)
        return "acme"

    scope, environ = http_scope(), as_environ()
    await call_asgi(TenantSessionMiddleware(Seen().asgi, resolve_tenant=resolver), scope)
    call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver), environ)
    assert taken[0] is scope
    assert taken[1] is environ


async def test_other_errors_of_a_resolver_go_to_the_servers_error_handling() -> None:
    def broken(request: Any) -> str:
        raise ZeroDivisionError

    seen = Seen()
    with pytest.raises(ZeroDivisionError):
        await call_asgi(TenantSessionMiddleware(seen.asgi, resolve_tenant=broken), http_scope())
    with pytest.raises(ZeroDivisionError):
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=broken), as_environ())
    assert seen.tenants == []


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize("resolver", [None, "X-Tenant-ID", 7])
def test_a_resolver_that_is_not_callable_is_refused_at_construction(
    middleware: Any, resolver: Any
) -> None:
    with pytest.raises(ConfigurationError, match="resolve_tenant"):
        middleware(Seen().asgi, resolve_tenant=resolver)


def test_one_resolver_serves_threads_at_the_same_time() -> None:
    resolver = resolvers.header("X-Tenant-ID")
    wrong: list[object] = []
    begin = threading.Barrier(4)

    def requests(number: int) -> None:
        seen = Seen()
        app = TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver)
        names = [f"tenant-{number}-{each}" for each in range(600)]
        begin.wait()
        for name in names:
            call_wsgi(app, as_environ(headers=[(b"x-tenant-id", name.encode())]))
        if seen.ids != names:
            wrong.append(seen.ids)

    threads = [threading.Thread(target=requests, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
