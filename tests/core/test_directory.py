"""The answers of a directory: for how long they are cached, and after an invalidation."""

from __future__ import annotations

import asyncio
import gc
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantDirectory,
    TenantNotFoundError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantState,
    TenantSuspendedError,
    resolvers,
)
from tests.resolvers.sending import Outcome, malformed, outcome, ran, refused
from tests.resolvers.states import STATES, at

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Tenants:
    """A table of tenants that counts its reads."""

    def __init__(self, **listed: Any) -> None:
        self.listed = listed
        self.read: list[Any] = []

    def lookup(self, tenant_id: Any) -> Any:
        self.read.append(tenant_id)
        return self.listed.get(tenant_id)

    async def later(self, tenant_id: Any) -> Any:
        await asyncio.sleep(0)
        return self.lookup(tenant_id)


def find(directory: TenantDirectory, tenant_id: Any) -> Any:
    try:
        return directory.find(tenant_id, blocking=True)
    except (TenantNotFoundError, TenantSuspendedError) as error:
        return type(error)


def test_only_an_active_tenant_is_found() -> None:
    gold = TenantContext("acme", {"plan": "gold"})
    tenants = Tenants(
        acme=gold,
        active=TenantState.ACTIVE,
        suspended=TenantState.SUSPENDED,
        unknown=TenantState.UNKNOWN,
    )
    directory = TenantDirectory(tenants.lookup)
    assert find(directory, "acme") is gold
    assert find(directory, "active") == TenantContext("active")
    assert find(directory, "suspended") is TenantSuspendedError
    assert find(directory, "unknown") is TenantNotFoundError
    assert find(directory, "unlisted") is TenantNotFoundError


@pytest.mark.parametrize("tenant_id", ["acme", 7, SOME_UUID])
def test_an_id_of_each_type_is_looked_up_as_it_is(tenant_id: Any) -> None:
    tenants = Tenants()
    tenants.listed = {tenant_id: TenantState.ACTIVE}
    found = find(TenantDirectory(tenants.lookup), tenant_id)
    assert found == TenantContext(tenant_id)
    assert type(tenants.read[0]) is type(tenant_id)


@pytest.mark.parametrize(("name", "seconds"), [("acme", 60), ("suspended", 10), ("unknown", 10)])
def test_the_answer_of_a_lookup_is_remembered_until_it_expires(name: str, seconds: float) -> None:
    clock = Clock()
    tenants = Tenants(acme=TenantContext("acme"), suspended=TenantState.SUSPENDED)
    directory = TenantDirectory(tenants.lookup, ttl=60, negative_ttl=10, clock=clock)
    for now, reads in ((0, 1), (seconds - 0.1, 1), (seconds, 2)):
        clock.now = now
        find(directory, name)
        assert len(tenants.read) == reads


def test_no_more_than_maxsize_tenants_are_remembered() -> None:
    tenants = Tenants(a=TenantState.ACTIVE, b=TenantState.ACTIVE, c=TenantState.ACTIVE)
    directory = TenantDirectory(tenants.lookup, maxsize=2)
    for name in ("a", "b", "c", "b", "a"):
        find(directory, name)
    assert tenants.read == ["a", "b", "c", "a"]


def test_a_tenant_that_is_invalidated_is_looked_up_again() -> None:
    tenants = Tenants(acme=TenantContext("acme"), globex=TenantContext(7))
    directory = TenantDirectory(tenants.lookup)
    for name in ("acme", "globex", "new"):
        find(directory, name)
    tenants.listed = {
        "acme": TenantState.SUSPENDED,
        "globex": TenantState.SUSPENDED,
        "new": TenantState.ACTIVE,
    }
    directory.invalidate("acme")
    assert find(directory, "acme") is TenantSuspendedError
    assert find(directory, "globex") == TenantContext(7)
    # By the id that the lookup returned.
    directory.invalidate(7)
    assert find(directory, "globex") is TenantSuspendedError
    directory.invalidate("new")
    assert find(directory, "new") == TenantContext("new")


async def test_an_async_lookup_serves_many_requests_at_once_with_one_call() -> None:
    tenants = Tenants(acme=TenantContext("acme", {"plan": "gold"}))
    seen = Seen()
    app = TenantSessionMiddleware(
        seen.asgi,
        resolve_tenant=resolvers.header("X-Tenant-ID"),
        directory=TenantDirectory(tenants.later),
    )
    scope = http_scope(headers=[(b"x-tenant-id", b"acme")])
    await asyncio.gather(*(call_asgi(app, scope) for _ in range(20)))
    assert seen.ids == ["acme"] * 20
    assert {tenant.attributes["plan"] for tenant in seen.tenants if tenant} == {"gold"}
    assert tenants.read == ["acme"]
    unknown = http_scope(headers=[(b"x-tenant-id", b"globex")])
    responses = await asyncio.gather(*(call_asgi(app, unknown) for _ in range(5)))
    assert [response.status for response in responses] == [404] * 5
    assert tenants.read == ["acme", "globex"]


async def test_an_error_of_the_lookup_goes_to_the_server_and_is_not_remembered() -> None:
    calls: list[Any] = []

    def lookup(tenant_id: Any) -> Any:
        calls.append(tenant_id)
        raise ConnectionError

    seen = Seen()
    options: Any = {
        "resolve_tenant": lambda request: "acme",
        "directory": TenantDirectory(lookup),
    }
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
        with pytest.raises(ConnectionError):
            call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert len(calls) == 4
    assert seen.tenants == []


async def test_an_async_lookup_is_refused_in_wsgi_each_time() -> None:
    tenants = Tenants(acme=TenantContext("acme"))
    app = TenantSessionMiddlewareWSGI(
        Seen().wsgi, resolve_tenant=lambda environ: "acme", directory=tenants.later
    )
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="sync lookup"):
            await asyncio.to_thread(call_wsgi, app, as_environ())
    gc.collect()


async def test_a_lookup_that_returns_something_else_is_refused() -> None:
    options: Any = {"resolve_tenant": lambda request: "acme", "directory": lambda _: "acme"}
    with pytest.raises(ConfigurationError, match="returned a str"):
        await call_asgi(TenantSessionMiddleware(Seen().asgi, **options), http_scope())
    with pytest.raises(ConfigurationError, match="returned a str"):
        call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, **options), as_environ())


async def test_a_request_without_a_tenant_is_not_looked_up() -> None:
    tenants = Tenants()
    options: Any = {
        "resolve_tenant": lambda request: None,
        "directory": tenants.lookup,
        "on_missing_tenant": "allow_unbound",
    }
    seen = Seen()
    await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
    call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert seen.ids == [None, None]
    assert tenants.read == []


@pytest.mark.parametrize(
    "options",
    [
        {"lookup": None},
        {"lookup": {}},
        {"ttl": 0},
        {"ttl": 10, "negative_ttl": 11},
        {"maxsize": 0},
        {"clock": None},
    ],
)
def test_other_arguments_are_refused(options: dict[str, Any]) -> None:
    arguments: Any = {"lookup": lambda tenant_id: None, **options}
    with pytest.raises(ConfigurationError):
        TenantDirectory(**arguments)


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_a_directory_that_is_not_callable_is_refused(middleware: Any) -> None:
    with pytest.raises(ConfigurationError, match="lookup"):
        middleware(Seen().asgi, resolve_tenant=lambda request: "acme", directory={})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme", ran("acme")),
        ("number", ran(7)),
        ("active", ran("active")),
        ("suspended", refused(403, "tenant_suspended")),
        ("unknown", refused(404, "tenant_unknown")),
        ("unlisted", refused(404, "tenant_unknown")),
        ("", malformed),
    ],
)
@pytest.mark.parametrize("timeout", [None, 60])
def test_a_directory_decides_which_tenants_may_run(
    name: str, expected: Outcome, timeout: float | None
) -> None:
    options = {
        "resolve_tenant": resolvers.path_prefix(),
        "directory": STATES.get,
        "timeout": timeout,
    }
    mounted_at = f"/t/{name}" if expected.status == 200 else ""
    told = outcome(options, at(f"/t/{name}/x"))
    assert (told.tenant, told.status, told.code) == (
        expected.tenant,
        expected.status,
        expected.code,
    )
    assert told.mounted_at == mounted_at
