"""The application behind the caches: a page for each tenant, cacheable for a minute."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from tenantshield_mw import (
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    current_tenant,
    resolvers,
)
from tests.resolvers.tokens import SECRET, token

__all__ = ["KINDS", "Site", "origin"]


@cache
def _bearer(tenant: str) -> str:
    """Return the token that a tenant's client always sends."""
    return f"Bearer {token(tenant=tenant).decode()}"


@dataclass(frozen=True)
class Kind:
    """A way in which requests name their tenant."""

    resolver: Callable[[], Any]
    headers: Callable[[str], dict[str, str]]


def _by_either(tenant: str) -> dict[str, str]:
    return (KINDS["header"] if tenant < "b" else KINDS["cookie"]).headers(tenant)


KINDS: Final[Mapping[str, Kind]] = {
    "header": Kind(lambda: resolvers.header("X-Tenant-ID"), lambda tenant: {"X-Tenant-ID": tenant}),
    "cookie": Kind(
        lambda: resolvers.cookie("tenant"), lambda tenant: {"Cookie": f"tenant={tenant}"}
    ),
    "token": Kind(
        lambda: resolvers.jwt_claim("tenant", key=SECRET, algorithms=["HS256"]),
        lambda tenant: {"Authorization": _bearer(tenant)},
    ),
    "either": Kind(
        lambda: resolvers.first_of(resolvers.header("X-Tenant-ID"), resolvers.cookie("tenant")),
        _by_either,
    ),
    "host": Kind(
        lambda: resolvers.subdomain(of="example.com"),
        lambda tenant: {"Host": f"{tenant}.example.com"},
    ),
    # The cache passes on the requested host.
    "forwarded-host": Kind(
        lambda: resolvers.subdomain(of="example.com", trusted_proxies=["127.0.0.1"]),
        lambda tenant: {"Host": f"{tenant}.example.com"},
    ),
}


@dataclass(frozen=True)
class Site:
    """An application with the middleware, and one way to name the tenant.

    Args:
        kind: the name of one of :data:`KINDS`.
        fields: what the application adds to the header of its responses.
        arguments: more of the middleware's.
    """

    kind: str
    fields: tuple[tuple[str, str], ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        return {"resolve_tenant": KINDS[self.kind].resolver(), **self.arguments}


def origin(sites: Mapping[str, Site]) -> tuple[Any, Any]:
    """Return an ASGI and a WSGI application that hold several sites.

    No two pages are the same, so that a page that comes twice came from a cache.

    Args:
        sites: by the first segment of their paths.
    """
    numbers = itertools.count(1)
    over_asgi, over_wsgi = {}, {}
    for name, site in sites.items():
        asgi, wsgi = _answering(site.fields, numbers)
        over_asgi[name] = TenantSessionMiddleware(asgi, **site.options)
        over_wsgi[name] = TenantSessionMiddlewareWSGI(wsgi, **site.options)

    async def all_over_asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await over_asgi[scope["path"].split("/")[1]](scope, receive, send)

    def all_over_wsgi(environ: Any, start_response: Any) -> Any:
        return over_wsgi[environ["PATH_INFO"].split("/")[1]](environ, start_response)

    return all_over_asgi, all_over_wsgi


def _answering(more: tuple[tuple[str, str], ...], numbers: Iterator[int]) -> tuple[Any, Any]:
    fields = [("Content-Type", "text/plain"), ("Cache-Control", "public, max-age=60"), *more]

    def page() -> bytes:
        return f"{current_tenant().tenant_id} page {next(numbers)}".encode()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in fields]
        # Lets other requests run, as a query would.
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page()})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(fields))
        return [page()]

    return asgi, wsgi
