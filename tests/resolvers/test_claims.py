"""The verified claims of a token reach ``authorize`` and the app; the token may be in a cookie."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantUnauthenticatedError,
    current_tenant,
    resolvers,
)
from tenantshield_mw.vary import declared_by

from ..core.calling import as_environ, call_asgi, call_wsgi, http_scope, websocket_scope
from .tokens import SECRET, token

BY_TOKEN = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"])
OR_COOKIE = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], cookie="token")


def bearer(**claims: Any) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + token(**claims)), (b"x-tenant-id", b"acme")]


async def awaited(request: Any) -> Any:
    return BY_TOKEN(request)


def find(tenant_id: Any) -> TenantContext:
    return TenantContext(tenant_id, {"plan": "gold"})


async def claims_seen(headers: Any, resolver: Any, **options: Any) -> list[Any]:
    """Return what the app sees of the claims over ASGI, and if the resolver is sync, WSGI."""
    seen: list[Any] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        wsgi({}, lambda *_: None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        seen.append(current_tenant().claims.get("sub"))
        return []

    options = {"resolve_tenant": resolver, **options}
    statuses = [
        (await call_asgi(TenantSessionMiddleware(asgi, **options), http_scope(headers=headers)))
    ]
    if resolver is not AWAITED:
        environ = as_environ(headers=headers)
        statuses.append(call_wsgi(TenantSessionMiddlewareWSGI(wsgi, **options), environ))
    assert len(seen) in (0, len(statuses))
    return seen or [each.status for each in statuses]


AWAITED = resolvers.agree(resolvers.header("X-Tenant-ID"), awaited)


@pytest.mark.parametrize(
    "resolver",
    [
        BY_TOKEN,
        resolvers.first_of(BY_TOKEN, resolvers.header("X-Tenant-ID")),
        resolvers.agree(BY_TOKEN, resolvers.header("X-Tenant-ID")),
        resolvers.agree(resolvers.header("X-Tenant-ID"), BY_TOKEN),
        AWAITED,
        resolvers.cached(BY_TOKEN, key="Authorization", ttl=60),
        resolvers.in_thread(BY_TOKEN),
    ],
)
@pytest.mark.parametrize("options", [{}, {"directory": find}, {"timeout": 60}])
async def test_the_app_sees_the_claims_of_the_token(resolver: Any, options: Any) -> None:
    for subject in ("ann", "bob", "ann"):
        seen = await claims_seen(bearer(sub=subject), resolver, **options)
        assert {*seen} == {subject}


@pytest.mark.parametrize("options", [{}, {"directory": find}])
async def test_authorize_sees_them(options: Any) -> None:
    def may_act(request: Any, tenant: TenantContext) -> bool:
        return bool(tenant.claims["role"] == "admin")

    admin, guest = bearer(sub="ann", role="admin"), bearer(sub="bob", role="guest")
    assert await claims_seen(admin, BY_TOKEN, authorize=may_act, **options) == ["ann"] * 2
    assert await claims_seen(guest, BY_TOKEN, authorize=may_act, **options) == [403] * 2


def test_the_directorys_tenant_keeps_its_attributes() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((dict(current_tenant().attributes), current_tenant().claims["sub"]))
        start_response("200 OK", [])
        return []

    middleware = TenantSessionMiddlewareWSGI(app, resolve_tenant=BY_TOKEN, directory=find)
    call_wsgi(middleware, as_environ(headers=bearer(sub="ann")))
    assert seen == [({"plan": "gold"}, "ann")]


def test_claims_are_read_only_and_no_part_of_the_tenants_identity() -> None:
    given = {"sub": "ann"}
    tenant = TenantContext("acme", {"plan": "gold"}, given)
    given["sub"] = "bob"
    assert tenant.claims == {"sub": "ann"}
    with pytest.raises(TypeError):
        tenant.claims["sub"] = "bob"  # type: ignore[index]
    with pytest.raises(AttributeError):
        tenant.claims = {}
    assert tenant == TenantContext("acme")
    assert hash(tenant) == hash(TenantContext("acme"))
    assert "ann" not in repr(tenant)
    for copied in (copy.copy(tenant), pickle.loads(pickle.dumps(tenant))):
        assert (copied.claims, copied.attributes) == (tenant.claims, tenant.attributes)
    assert TenantContext("acme").claims == {}


def with_cookie(value: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", b"theme=dark; token=" + value), *more]


@pytest.mark.parametrize(
    "request_with",
    [
        lambda headers: websocket_scope(headers=headers),
        lambda headers: http_scope(headers=headers),
        lambda headers: as_environ(headers=headers),
    ],
)
def test_a_token_may_come_in_a_cookie(request_with: Any) -> None:
    value = token(sub="ann")
    header = (b"authorization", b"Bearer " + value)
    for headers in (with_cookie(value), with_cookie(value, header), [header]):
        named = OR_COOKIE(request_with(headers))
        assert named is not None
        assert (named.tenant_id, named.claims["sub"]) == ("acme", "ann")
    assert OR_COOKIE(request_with([(b"cookie", b"theme=dark")])) is None
    assert BY_TOKEN(request_with(with_cookie(value))) is None
    other = (b"authorization", b"Bearer " + token(tenant="globex"))
    with pytest.raises(TenantResolutionError, match="different tokens"):
        OR_COOKIE(request_with(with_cookie(value, other)))
    for invalid in (token(exp=1), value[:-4], b"", b"a.b.c"):
        with pytest.raises(TenantUnauthenticatedError):
            OR_COOKIE(request_with(with_cookie(invalid)))
    for malformed in (b"a\\b", "ü".encode("latin-1"), value + b"; token=" + token(tenant="globex")):
        with pytest.raises(TenantResolutionError):
            OR_COOKIE(request_with(with_cookie(malformed)))


def test_responses_then_vary_on_the_cookie_too() -> None:
    assert declared_by(OR_COOKIE) == ("Authorization", "Cookie")
    assert declared_by(BY_TOKEN) == ("Authorization",)


@pytest.mark.parametrize("cookie", ["", "a b", "token=", 7])
def test_the_cookies_name_is_checked(cookie: Any) -> None:
    with pytest.raises(ConfigurationError, match="cookie="):
        resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], cookie=cookie)
