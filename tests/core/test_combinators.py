"""Resolvers that combine others, sync and async."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantNotFoundError,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope


def says(answer: Any) -> Any:
    def resolver(request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolver


def says_later(answer: Any) -> Any:
    async def resolver(request: Any) -> Any:
        await asyncio.sleep(0)
        return says(answer)(request)

    return resolver


async def asked(resolver: Any) -> Any:
    """Return the ASGI middleware's result for a resolver: a tenant id, or the status."""
    seen = Seen()
    response = await call_asgi(
        TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver), http_scope()
    )
    return seen.ids[0] if seen.tenants else response.problem["code"]


NOTHING, ACME, GLOBEX = None, "acme", TenantContext("globex")
UNKNOWN = TenantNotFoundError("unknown")


@pytest.mark.parametrize(
    ("answers", "first", "agreed"),
    [
        ([NOTHING], "tenant_missing", "tenant_missing"),
        ([NOTHING, NOTHING, NOTHING], "tenant_missing", "tenant_missing"),
        ([ACME], "acme", "acme"),
        ([NOTHING, ACME, NOTHING], "acme", "acme"),
        ([ACME, ACME, TenantContext("acme")], "acme", "acme"),
        ([ACME, GLOBEX], "acme", "tenant_malformed"),
        ([GLOBEX, NOTHING, ACME], "globex", "tenant_malformed"),
        ([7, "7"], 7, "tenant_malformed"),
        ([UNKNOWN, ACME], "tenant_unknown", "tenant_unknown"),
        ([NOTHING, UNKNOWN], "tenant_unknown", "tenant_unknown"),
        ([ACME, UNKNOWN], "acme", "tenant_unknown"),
        (["", ACME], "tenant_malformed", "tenant_malformed"),
        ([ACME, ""], "acme", "tenant_malformed"),
    ],
)
async def test_sync_and_async_resolvers_mix(answers: list[Any], first: Any, agreed: Any) -> None:
    for number in range(2 ** len(answers)):
        combined = [
            (says_later if number >> place & 1 else says)(answer)
            for place, answer in enumerate(answers)
        ]
        assert await asked(resolvers.first_of(*combined)) == first
        assert await asked(resolvers.agree(*combined)) == agreed


@pytest.mark.parametrize(
    ("answers", "agreed"),
    [
        ([NOTHING], "tenant_missing"),
        ([NOTHING, ACME], "tenant_missing"),
        ([ACME, NOTHING], "tenant_missing"),
        ([ACME, NOTHING, ACME], "tenant_missing"),
        ([NOTHING, ACME, ACME], "tenant_missing"),
        ([ACME, TenantContext("acme"), ACME], "acme"),
        ([ACME, GLOBEX], "tenant_malformed"),
        ([NOTHING, ACME, GLOBEX], "tenant_malformed"),
        ([NOTHING, UNKNOWN], "tenant_unknown"),
    ],
)
async def test_every_resolver_must_name_the_tenant_if_asked_for(
    answers: list[Any], agreed: Any
) -> None:
    for number in range(2 ** len(answers)):
        combined = [
            (says_later if number >> place & 1 else says)(answer)
            for place, answer in enumerate(answers)
        ]
        assert await asked(resolvers.agree(*combined, every=True)) == agreed


def test_every_resolver_must_name_the_tenant_in_wsgi() -> None:
    app = Seen()
    for answers in (("acme", None), (None, "acme")):
        combined = resolvers.agree(*map(says, answers), every=True)
        response = call_wsgi(
            TenantSessionMiddlewareWSGI(app.wsgi, resolve_tenant=combined), as_environ()
        )
        assert response.status == 400
    assert app.tenants == []


def test_every_is_a_bool() -> None:
    every: Any = says(None)
    with pytest.raises(ConfigurationError, match="every"):
        resolvers.agree(says(None), every=every)


async def test_first_of_calls_no_resolver_after_the_first_answer() -> None:
    broken = says(ZeroDivisionError())
    assert await asked(resolvers.first_of(says(ACME), broken)) == "acme"
    assert await asked(resolvers.first_of(says_later(ACME), broken)) == "acme"


async def test_agree_returns_the_context_of_the_first_resolver() -> None:
    gold = TenantContext("acme", {"plan": "gold"})
    assert resolvers.agree(says(gold), says("acme"))(as_environ()) is gold


@pytest.mark.parametrize("combine", [resolvers.first_of, resolvers.agree])
def test_an_async_resolver_among_others_is_refused_in_wsgi(combine: Any) -> None:
    app = TenantSessionMiddlewareWSGI(
        Seen().wsgi, resolve_tenant=combine(says(None), says_later("acme"))
    )
    with pytest.raises(ConfigurationError, match="sync resolver"):
        call_wsgi(app, as_environ())
    gc.collect()


@pytest.mark.parametrize("combine", [resolvers.first_of, resolvers.agree])
def test_a_combination_without_resolvers_is_refused(combine: Any) -> None:
    for combined in ((), (None,), (says(None), "X-Tenant-ID")):
        with pytest.raises(ConfigurationError):
            combine(*combined)


async def test_in_thread_runs_off_the_event_loop() -> None:
    threads: list[int] = []

    def resolver(request: Any) -> str:
        threads.append(threading.get_ident())
        return "acme"

    assert await asked(resolvers.in_thread(resolver)) == "acme"
    assert threads != [threading.get_ident()]


async def test_threads_do_not_wait_for_each_other() -> None:
    both = threading.Barrier(2)

    def resolver(request: Any) -> str:
        both.wait(30)
        return "acme"

    waiting = resolvers.in_thread(resolver)
    assert list(await asyncio.gather(asked(waiting), asked(waiting))) == ["acme", "acme"]


def test_in_thread_calls_the_resolver_as_it_is_in_wsgi() -> None:
    threads: list[int] = []

    def resolver(request: Any) -> str:
        threads.append(threading.get_ident())
        return "acme"

    seen = Seen()
    call_wsgi(
        TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolvers.in_thread(resolver)),
        as_environ(),
    )
    assert threads == [threading.get_ident()]
    assert seen.ids == ["acme"]


def test_in_thread_refuses_an_async_resolver_or_one_that_is_not_callable() -> None:
    resolver: Any
    for resolver in (None, says_later("acme")):
        with pytest.raises(ConfigurationError):
            resolvers.in_thread(resolver)


@pytest.mark.parametrize("later", [False, True])
async def test_lookups_may_be_async_in_asgi(later: bool) -> None:
    def lookup_in(found: dict[str, str]) -> Any:
        async def lookup(name: str) -> Any:
            await asyncio.sleep(0)
            return found.get(name)

        return lookup if later else found.get

    scope = http_scope(headers=[(b"host", b"shop.acme.test"), (b"x-api-key", b"key")])
    digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
    for resolver, status in (
        (resolvers.domain(lookup_in({"shop.acme.test": "acme"})), 200),
        (resolvers.domain(lookup_in({})), 400),
        (resolvers.api_key("X-API-Key", lookup_in({digest: "acme"})), 200),
        (resolvers.api_key("X-API-Key", lookup_in({})), 401),
    ):
        seen = Seen()
        app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
        assert (await call_asgi(app, scope)).status == status
        assert seen.ids == (["acme"] if status == 200 else [])


async def test_the_lookup_of_an_api_key_sees_nothing_but_its_hash() -> None:
    taken: list[Any] = []

    def lookup(*arguments: Any) -> str:
        taken.append(arguments)
        return "acme"

    resolvers.api_key("X-API-Key", lookup)(http_scope(headers=[(b"x-api-key", b"key")]))
    assert taken == [("2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",)]


def test_an_async_lookup_is_refused_in_wsgi() -> None:
    for resolver in (
        resolvers.domain(says_later("acme")),
        resolvers.api_key("X-API-Key", says_later("acme")),
    ):
        app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver)
        with pytest.raises(ConfigurationError, match="sync resolver"):
            call_wsgi(app, as_environ(HTTP_HOST="acme.test", HTTP_X_API_KEY="key"))
    gc.collect()


async def test_a_resolver_error_is_one_of_resolution() -> None:
    with pytest.raises(TenantResolutionError, match="different tenants"):
        resolvers.agree(says("acme"), says("globex"))(as_environ())


async def test_the_prefix_is_moved_if_any_of_several_prefixes_names_the_tenant() -> None:
    mounted: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        mounted.append(scope["root_path"])
        await Seen().asgi(scope, receive, send)

    resolver = resolvers.first_of(
        resolvers.header("X-Tenant-ID"),
        resolvers.path_prefix("/t/{tenant}"),
        resolvers.path_prefix("/{tenant}"),
    )
    middleware = TenantSessionMiddleware(app, resolve_tenant=resolver)
    for path in ("/t/acme/x", "/acme/x", "/globex/x", "/ü/x"):
        await call_asgi(middleware, http_scope(path, headers=[(b"x-tenant-id", b"acme")]))
    assert mounted == ["/t/acme", "/acme", "", ""]


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_a_mount_that_is_not_callable_is_refused(middleware: Any) -> None:
    resolver = says("acme")
    resolver.mount = "/t/acme"
    with pytest.raises(ConfigurationError, match="mount"):
        middleware(Seen().asgi, resolve_tenant=resolver)
