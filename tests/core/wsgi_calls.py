"""What the tests of the WSGI middleware call it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tenantshield_mw import TenantSessionMiddlewareWSGI, resolvers, try_current_tenant

ACME = [(b"x-tenant-id", b"acme")]


def tenant_id() -> Any:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def tenant_bytes() -> bytes:
    return str(tenant_id()).encode()


def around(app: Any, **options: Any) -> TenantSessionMiddlewareWSGI:
    return TenantSessionMiddlewareWSGI(
        app, resolve_tenant=resolvers.header("X-Tenant-ID"), **options
    )


def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return lambda data: None


class Body:
    """A body that records the tenant of each access to it."""

    def __init__(self, *, fails: bool = False, close_fails: bool = False) -> None:
        self.noted: list[tuple[str, Any]] = []
        self.fails = fails
        self.close_fails = close_fails
        self.chunks = iter([b"a", b"b"])

    def __iter__(self) -> Iterator[bytes]:
        self.noted.append(("iter", tenant_id()))
        return self

    def __next__(self) -> bytes:
        self.noted.append(("next", tenant_id()))
        if self.fails:
            raise LookupError
        return next(self.chunks)

    def close(self) -> None:
        self.noted.append(("close", tenant_id()))
        if self.close_fails:
            raise LookupError

    def app(self, environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [])
        return self
