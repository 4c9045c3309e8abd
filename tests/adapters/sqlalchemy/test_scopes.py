"""``SessionScope`` and its variants: what they bind, and what they refuse."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    TenantContext,
    TenantDirectory,
    TenantNotFoundError,
    TenantResolutionError,
    TenantState,
    TenantSuspendedError,
    current_tenant,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.sqlalchemy import (
    AsyncSessionScope,
    SessionScope,
    bind_async_session_to_tenant,
    bind_session_to_tenant,
)

from .letters import LETTER, STAMP


def seen(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(LETTER.c.id)).scalars())


async def entered(scope: Any) -> Any:
    """Enter either kind of scope; return its result and what is bound inside."""
    if isinstance(scope, SessionScope):
        with scope as given:
            return given, try_current_tenant()
    async with scope as given:
        return given, try_current_tenant()


BOTH: list[Any] = [SessionScope, AsyncSessionScope]
BINDERS: list[Any] = [bind_session_to_tenant, bind_async_session_to_tenant]
both = pytest.mark.parametrize("kind", BOTH)
binders = pytest.mark.parametrize("binder", BINDERS)


# -- the two flavours are parallel -----------------------------------------------


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


def test_the_two_scopes_take_the_same_parameters() -> None:
    assert shape(SessionScope) == shape(AsyncSessionScope)
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert shape(SessionScope) == [
        ("tenant", positional, None),
        ("resolve_tenant", inspect.Parameter.KEYWORD_ONLY, None),
        ("directory", inspect.Parameter.KEYWORD_ONLY, None),
    ]


def test_the_two_binders_take_one_positional_tenant() -> None:
    assert shape(bind_session_to_tenant) == shape(bind_async_session_to_tenant)
    (only,) = shape(bind_session_to_tenant)
    assert only[1:] == (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.empty)


# -- a tenant --------------------------------------------------------------------


@both
@pytest.mark.parametrize("tenant", ["acme", 7, uuid.UUID(int=3)])
async def test_a_tenant_is_bound_and_given(kind: Any, tenant: Any) -> None:
    given, bound = await entered(kind(tenant))
    assert given is bound
    assert bound == TenantContext(tenant)
    assert try_current_tenant() is None


@both
async def test_a_context_is_bound_with_its_attributes(kind: Any) -> None:
    context = TenantContext("acme", {"plan": "gold"})
    given, bound = await entered(kind(context))
    assert given is bound is context


@both
async def test_a_keyword_does_as_well(kind: Any) -> None:
    _, bound = await entered(kind(tenant="acme"))
    assert bound == TenantContext("acme")


def test_queries_inside_are_confined(engine: Engine) -> None:
    with SessionScope("acme"):
        assert seen(engine) == [1]
        with SessionScope("globex"):
            assert seen(engine) == [2]
        assert seen(engine) == [1]
    with pytest.raises(MissingTenantContextError):
        seen(engine)


async def test_queries_inside_the_async_scope_are_confined(engine: Engine) -> None:
    async with AsyncSessionScope("acme"):
        assert seen(engine) == [1]
        async with AsyncSessionScope("globex"):
            assert seen(engine) == [2]
        assert seen(engine) == [1]


@both
async def test_the_scope_ends_with_an_error_inside(kind: Any) -> None:
    scope = kind("acme")

    async def fail() -> None:
        if kind is SessionScope:
            with scope:
                raise LookupError
        async with scope:
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert try_current_tenant() is None


@both
@pytest.mark.parametrize("tenant", ["", " acme", b"acme", True, 1.5, object(), ["acme"]])
async def test_an_invalid_tenant_is_refused(kind: Any, tenant: Any) -> None:
    with pytest.raises(TenantResolutionError):
        await entered(kind(tenant))
    with pytest.raises(TenantResolutionError):
        await entered(kind(resolve_tenant=lambda: tenant))
    assert try_current_tenant() is None


@both
async def test_a_scope_that_is_entered_cannot_be_entered_again(kind: Any) -> None:
    scope = kind("acme")

    async def twice() -> None:
        if kind is SessionScope:
            with scope:
                scope.__enter__()
        else:
            async with scope:
                await scope.__aenter__()

    with pytest.raises(ConfigurationError, match=r"make a new one|again"):
        await twice()
    assert try_current_tenant() is None


# -- a resolver ------------------------------------------------------------------


@both
def test_a_tenant_and_a_resolver_exclude_each_other(kind: Any) -> None:
    with pytest.raises(ValueError, match="not both"):
        kind("acme", resolve_tenant=lambda: "acme")
    # Also if the resolver would return none.
    with pytest.raises(ValueError, match="not both"):
        kind("acme", resolve_tenant=lambda: None)


@both
async def test_a_resolver_is_asked_when_the_scope_is_entered(kind: Any) -> None:
    asked: list[str] = []

    def resolve() -> str:
        asked.append("now")
        return "acme"

    scope = kind(resolve_tenant=resolve)
    assert asked == []
    given, bound = await entered(scope)
    assert asked == ["now"]
    assert given == bound == TenantContext("acme")


@both
async def test_a_resolver_may_return_a_context(kind: Any) -> None:
    context = TenantContext("acme", {"plan": "gold"})
    _, bound = await entered(kind(resolve_tenant=lambda: context))
    assert bound is context


@both
@pytest.mark.parametrize("options", [{}, {"resolve_tenant": lambda: None}], ids=["none", "None"])
async def test_no_tenant_and_a_resolver_that_has_none_run_unbound(kind: Any, options: Any) -> None:
    given, bound = await entered(kind(**options))
    assert given is None
    assert bound is None


@both
@pytest.mark.parametrize("options", [{}, {"resolve_tenant": lambda: None}], ids=["none", "None"])
async def test_unbound_means_unbound_also_inside_another_scope(
    engine: Engine, kind: Any, options: Any
) -> None:
    def unbound() -> None:
        assert try_current_tenant() is None
        with pytest.raises(MissingTenantContextError):
            seen(engine)
        with engine.connect() as connection:
            assert connection.execute(select(STAMP)).all() == [(1,)]

    with tenant_scope("acme"):
        if kind is SessionScope:
            with kind(**options):
                unbound()
        else:
            async with kind(**options):
                unbound()
        assert seen(engine) == [1]


@both
async def test_the_resolvers_own_errors_come_through_and_bind_nothing(kind: Any) -> None:
    def resolve() -> str:
        raise LookupError("no such customer")

    with pytest.raises(LookupError, match="no such customer"):
        await entered(kind(resolve_tenant=resolve))
    assert try_current_tenant() is None


class Awaitable:
    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return "acme"


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "acme"


async def no_tenant() -> None:
    return None


@pytest.mark.parametrize("resolve", [coroutine, Awaitable], ids=["coroutine", "awaitable"])
async def test_the_async_scope_awaits_what_its_resolver_returns(resolve: Any) -> None:
    _, bound = await entered(AsyncSessionScope(resolve_tenant=resolve))
    assert bound == TenantContext("acme")
    task = asyncio.ensure_future(coroutine())
    _, bound = await entered(AsyncSessionScope(resolve_tenant=lambda: task))
    assert bound == TenantContext("acme")


async def test_the_async_scope_runs_unbound_where_the_awaited_result_is_none() -> None:
    with tenant_scope("globex"):
        assert await entered(AsyncSessionScope(resolve_tenant=no_tenant)) == (None, None)


@pytest.mark.parametrize(
    "resolve", [coroutine, no_tenant, Awaitable], ids=["coroutine", "of None", "awaitable"]
)
def test_an_awaitable_in_the_sync_scope_is_an_error_that_names_the_other(resolve: Any) -> None:
    # Warnings are errors: a coroutine that is neither awaited nor closed would fail the run.
    with pytest.raises(ConfigurationError, match="use AsyncSessionScope"):
        SessionScope(resolve_tenant=resolve).__enter__()
    assert try_current_tenant() is None


# -- a directory -----------------------------------------------------------------

LISTED: dict[object, TenantState | TenantContext] = {
    "acme": TenantContext("acme", attributes={"plan": "large"}),
    "globex": TenantState.SUSPENDED,
}


def look_up(tenant_id: object) -> TenantState | TenantContext | None:
    return LISTED.get(tenant_id)


async def look_up_later(tenant_id: object) -> TenantState | TenantContext | None:
    await asyncio.sleep(0)
    return LISTED.get(tenant_id)


SCOPES_WITH_A_DIRECTORY = pytest.mark.parametrize(
    "scope",
    [
        partial(SessionScope, directory=look_up),
        partial(SessionScope, directory=TenantDirectory(look_up)),
        partial(AsyncSessionScope, directory=look_up),
        partial(AsyncSessionScope, directory=look_up_later),
    ],
    ids=["sync", "directory", "async, sync lookup", "async"],
)


@SCOPES_WITH_A_DIRECTORY
async def test_the_tenant_is_the_directorys(scope: Any) -> None:
    given, bound = await entered(scope("acme"))
    assert given is bound
    assert bound == LISTED["acme"]


@SCOPES_WITH_A_DIRECTORY
async def test_a_tenant_that_is_unknown_or_suspended_is_refused(scope: Any) -> None:
    with pytest.raises(TenantSuspendedError):
        await entered(scope("globex"))
    with pytest.raises(TenantNotFoundError):
        await entered(scope("acne"))
    with pytest.raises(TenantNotFoundError):
        await entered(scope(resolve_tenant=lambda: "acne"))
    assert try_current_tenant() is None


@SCOPES_WITH_A_DIRECTORY
async def test_no_tenant_is_not_looked_up(scope: Any) -> None:
    assert await entered(scope()) == (None, None)


def test_an_async_lookup_in_the_sync_scope_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="SessionScope a directory with a sync lookup"):
        SessionScope("acme", directory=look_up_later).__enter__()


# -- bind_* ----------------------------------------------------------------------


@binders
async def test_a_binder_returns_a_scope_for_the_tenant(binder: Any) -> None:
    given, bound = await entered(binder("acme"))
    assert given is bound
    assert bound == TenantContext("acme")


@binders
async def test_a_binder_keeps_the_context(binder: Any) -> None:
    context = TenantContext(7, {"plan": "gold"})
    given, _ = await entered(binder(context))
    assert given is context


@binders
@pytest.mark.parametrize("tenant", [None, "", " ", b"acme", object(), False])
def test_a_binder_raises_at_once_on_no_tenant(binder: Any, tenant: Any) -> None:
    with pytest.raises(TenantResolutionError):
        binder(tenant)


@binders
def test_a_binder_takes_nothing_else(binder: Any) -> None:
    with pytest.raises(TypeError):
        binder()
    with pytest.raises(TypeError):
        binder("acme", "globex")
    with pytest.raises(TypeError):
        binder(tenant="acme")


def test_a_bound_scope_confines(engine: Engine) -> None:
    with bind_session_to_tenant("globex"):
        assert seen(engine) == [2]
        assert current_tenant().tenant_id == "globex"
