"""Requests that are exempt from having a tenant run without one."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
    tenant_scope,
)
from tenantshield_mw.request import path

from .calling import (
    Outcome,
    Seen,
    as_environ,
    call_asgi,
    call_wsgi,
    http_scope,
    through_asgi,
    through_wsgi,
)

ACME = [(b"x-tenant-id", b"acme")]
UNBOUND = Outcome(None, ran=True)
BOUND = Outcome("acme", ran=True)


@pytest.mark.parametrize(
    ("exempt", "requested", "outcome"),
    [
        ((), "/health", BOUND),
        ([], "/health", BOUND),
        (["/health"], "/health", UNBOUND),
        (["/health"], "/health/", UNBOUND),
        (["/health"], "/health/db", UNBOUND),
        (["/health"], "/healthy", BOUND),
        (["/health"], "/", BOUND),
        (["/health"], "/api/health", BOUND),
        (["/health"], "/HEALTH", BOUND),
        (["/health/"], "/health", UNBOUND),
        (["/static/css", "/health"], "/static/css/main.css", UNBOUND),
        (["/static/css", "/health"], "/static", BOUND),
        (("/öffentlich",), "/öffentlich/x", UNBOUND),
        ({"/health"}, "/health", UNBOUND),
        (iter(["/health"]), "/health", UNBOUND),
        (lambda request: path(request) == "/", "/", UNBOUND),
        (lambda request: path(request) == "/", "/invoices", BOUND),
    ],
)
def test_both_middlewares_exempt_the_same(exempt: Any, requested: str, outcome: Outcome) -> None:
    for through in (through_asgi, through_wsgi):
        if not callable(exempt):
            exempt = list(exempt)
        options = {"resolve_tenant": resolvers.header("X-Tenant-ID"), "exempt": exempt}
        assert through(options, requested, ACME) == outcome


async def test_an_exempt_path_is_the_one_within_a_mounted_application() -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": resolvers.header("X-Tenant-ID"), "exempt": ["/health"]}
    await call_asgi(
        TenantSessionMiddleware(seen.asgi, **options),
        http_scope("/api/health", root_path="/api", headers=ACME),
    )
    call_wsgi(
        TenantSessionMiddlewareWSGI(seen.wsgi, **options),
        as_environ("/health", SCRIPT_NAME="/api", headers=ACME),
    )
    assert seen.ids == [None, None]


async def test_the_resolver_is_not_called_for_an_exempt_request() -> None:
    def never(request: Any) -> str:
        raise AssertionError

    options: Any = {"resolve_tenant": never, "exempt": ["/health"]}
    assert through_wsgi(options, "/health") == UNBOUND
    seen = Seen()
    await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope("/health"))
    assert seen.ids == [None]


async def test_an_exempt_request_does_not_inherit_the_servers_tenant() -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": resolvers.header("X-Tenant-ID"), "exempt": ["/health"]}
    with tenant_scope("server"):
        await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope("/health"))
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ("/health"))
    assert seen.ids == [None, None]


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize(
    "exempt",
    ["/health", b"/health", None, 7, ["health"], [b"/health"], [""], ["/health?x=1"], [None]],
    ids=repr,
)
def test_an_invalid_path_is_refused_at_construction(middleware: Any, exempt: Any) -> None:
    with pytest.raises(ConfigurationError, match="exempt"):
        middleware(Seen().asgi, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=exempt)


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize("pattern", ["/docs*", "/docs/*", "/docs/{page}", "/docs/<page>"])
def test_a_pattern_which_would_match_nothing_is_refused_with_the_fix(
    middleware: Any, pattern: str
) -> None:
    with pytest.raises(ConfigurationError, match=r'no patterns: .* exempt=\["/docs"\]'):
        middleware(Seen().asgi, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=[pattern])


@pytest.mark.parametrize("root", ["/", "//"])
def test_the_root_which_would_exempt_everything_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match="every path"):
        TenantSessionMiddleware(
            Seen().asgi, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/health", root]
        )


async def test_an_async_predicate_is_refused_and_exempts_nothing() -> None:
    async def predicate(request: Any) -> bool:
        return True

    seen = Seen()
    options: Any = {"resolve_tenant": resolvers.header("X-Tenant-ID"), "exempt": predicate}
    with pytest.raises(ConfigurationError, match="True or False"):
        await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
    with pytest.raises(ConfigurationError, match="True or False"):
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    gc.collect()
    assert seen.ids == []


@pytest.mark.parametrize("answer", [None, 1, "yes"])
def test_a_predicate_that_answers_neither_true_nor_false_is_refused(answer: Any) -> None:
    options: Any = {
        "resolve_tenant": resolvers.header("X-Tenant-ID"),
        "exempt": lambda request: answer,
    }
    with pytest.raises(ConfigurationError, match=type(answer).__name__):
        call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, **options), as_environ())
