"""The path prefix that names the tenant is moved to where the application is mounted."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tests.resolvers.asking import says
from tests.resolvers.sending import Sent, outcome

from .calling import Seen, call_asgi, http_scope


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


def test_a_cached_path_prefix_is_mounted_only_on_a_path_that_has_it() -> None:
    options = {"resolve_tenant": resolvers.cached(resolvers.path_prefix(), key="X-Key", ttl=60)}
    for target, mounted_at in ((b"/t/acme/x", "/t/acme"), (b"/x", "")):
        told = outcome(options, Sent(target, ((b"x-key", b"1"),)))
        assert (told.tenant, told.mounted_at) == ("acme", mounted_at)
