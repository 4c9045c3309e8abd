"""The hook for refusals and cross-tenant errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tenantshield_mw import (
    CrossTenantAccessError,
    Incident,
    TenantNotFoundError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantUnavailableError,
    on_incident,
    resolvers,
    tenant_scope,
    try_current_tenant,
)

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

ERROR = Incident("cross_tenant_error", "cross_tenant")


@pytest.fixture
def told() -> Iterator[list[Incident]]:
    incidents: list[Incident] = []
    stop = on_incident(incidents.append)
    yield incidents
    stop()


def unknown(request: Any) -> str:
    raise TenantNotFoundError("there is no such tenant")


def unavailable(request: Any) -> str:
    raise TenantUnavailableError("not in time")


RESOLVERS = [
    (resolvers.header("X-Tenant-ID"), "tenant_missing"),
    (unknown, "tenant_unknown"),
    (unavailable, "tenant_unavailable"),
]


@pytest.mark.parametrize(("resolve", "code"), RESOLVERS)
async def test_each_refusal_is_told_once(resolve: Any, code: str, told: list[Incident]) -> None:
    seen = Seen()
    await call_asgi(TenantSessionMiddleware(seen.asgi, resolve_tenant=resolve), http_scope())
    assert told == [Incident("refusal", code)]
    call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolve), as_environ())
    assert told == [Incident("refusal", code)] * 2
    assert seen.ids == []


async def test_what_is_not_refused_is_not_told(told: list[Incident]) -> None:
    app = TenantSessionMiddleware(Seen().asgi, resolve_tenant=lambda _: "acme")
    await call_asgi(app, http_scope())
    assert told == []


def test_a_cross_tenant_error_is_told_in_its_scope() -> None:
    tenants = []
    stop = on_incident(lambda incident: tenants.append((incident, try_current_tenant())))
    with tenant_scope("acme") as acme, pytest.raises(CrossTenantAccessError, match="why"):
        raise CrossTenantAccessError("why")
    stop()
    assert tenants == [(ERROR, acme)]


def test_a_listener_that_fails_changes_nothing(
    told: list[Incident], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(incident: Incident) -> None:
        raise CrossTenantAccessError("in the listener")

    stops = [on_incident(fail), on_incident(told.append)]
    assert str(CrossTenantAccessError("why")) == "why"
    assert told == [ERROR, ERROR]
    assert [each.message for each in caplog.records] == ["a listener of on_incident() failed"]
    for stop in stops:
        stop()


def test_listeners_can_be_removed(told: list[Incident]) -> None:
    twice = [on_incident(told.append) for _ in range(2)]
    twice[0]()
    twice[0]()
    CrossTenantAccessError("why")
    assert told == [ERROR, ERROR]
    twice[1]()
    CrossTenantAccessError("why")
    assert told == [ERROR] * 3
