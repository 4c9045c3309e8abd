"""The decorator that binds the tenant which an argument names."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    ScopeMismatchError,
    TenantResolutionError,
    current_tenant,
    system_scope,
    tenant_from,
    tenant_scope,
    try_current_tenant,
)


@dataclass
class Actor:
    organization_id: str | None


ACTOR = Actor("acme")
by_actor = tenant_from("actor", lambda actor: actor.organization_id)


@by_actor
def bound(first: int, actor: Actor | None = None) -> Any:
    return first, current_tenant().tenant_id


@by_actor
async def bound_async(first: int, actor: Actor) -> Any:
    return first, current_tenant().tenant_id


async def test_the_argument_may_be_given_by_position_or_by_name() -> None:
    assert bound(1, ACTOR) == (1, "acme")
    assert bound(actor=ACTOR, first=1) == (1, "acme")
    assert await bound_async(1, ACTOR) == (1, "acme")
    assert await bound_async(actor=ACTOR, first=1) == (1, "acme")
    assert try_current_tenant() is None


def test_without_a_function_the_argument_is_the_tenant() -> None:
    @tenant_from("organization")
    def named(*, organization: str) -> Any:
        return current_tenant().tenant_id

    assert named(organization="acme") == "acme"


def test_a_method_is_bound_for_its_instance() -> None:
    class Service:
        @tenant_from("self", lambda service: service.tenant)
        def named(self) -> Any:
            return current_tenant().tenant_id

        @staticmethod
        @tenant_from("tenant")
        def static(tenant: str) -> Any:
            return current_tenant().tenant_id

        tenant = "acme"

    assert (Service().named(), Service.static("globex")) == ("acme", "globex")


@pytest.mark.parametrize("arguments", [(1, Actor(None)), (1, None), (1,)])
def test_a_missing_tenant_is_refused(arguments: Any) -> None:
    with pytest.raises(TenantResolutionError, match="'actor' names no tenant"):
        bound(*arguments)
    with system_scope("a job"), pytest.raises(TenantResolutionError):
        bound(*arguments)


def test_a_call_without_the_argument_fails_as_python_does() -> None:
    call: Any = bound
    with pytest.raises(TypeError, match="first"):
        call()


async def test_another_tenants_scope_is_refused() -> None:
    with tenant_scope("acme"):
        assert bound(1, ACTOR) == (1, "acme")
        with pytest.raises(ScopeMismatchError, match="another tenant"):
            bound(1, Actor("globex"))
        with pytest.raises(ScopeMismatchError):
            await bound_async(1, Actor("globex"))
    with system_scope("a job"):
        assert bound(1, Actor("globex")) == (1, "globex")


def test_the_scope_ends_with_an_error() -> None:
    @by_actor
    def fails(actor: Actor) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        fails(ACTOR)
    assert try_current_tenant() is None


def rows(actor: Actor) -> Generator[int]:
    yield 1


async def async_rows(actor: Actor) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [rows, async_rows, contextmanager(rows)])
def test_a_generator_is_refused_when_it_is_decorated(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot decorate a generator"):
        by_actor(function)


@pytest.mark.parametrize("thing", [Actor, classmethod(lambda _: None), len])
def test_what_is_not_a_function_is_refused(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match="decorates functions"):
        by_actor(thing)


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    def other(user: Actor, **actor: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="has no parameter"):
        by_actor(other)


@pytest.mark.parametrize("make", [lambda: rows(ACTOR), lambda: async_rows(ACTOR), lambda: later()])
def test_what_would_run_after_the_scope_is_refused(make: Callable[[], Any]) -> None:
    @by_actor
    def returns(actor: Actor) -> Any:
        return make()

    with pytest.raises(ConfigurationError, match="outside of the scope"):
        returns(ACTOR)


async def later() -> None:
    raise AssertionError("this never runs")


def with_a_database(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return function("database", *args, **kwargs)

    return wrapper


def report(database: str, tenant: str, partner: str = "nobody") -> str:
    return f"{database} {tenant} {partner} {current_tenant().tenant_id}"


def test_what_a_wrapper_passes_on_is_not_guessed() -> None:
    # Read as the arguments of report(), these would name "globex".
    with pytest.raises(ConfigurationError, match="another decorator wraps it"):
        tenant_from("tenant")(with_a_database(report))
    reported = with_a_database(tenant_from("tenant")(report))
    assert reported("acme", "globex") == "database acme globex acme"
    assert reported(tenant="acme") == "database acme nobody acme"


def test_the_parameter_of_a_wrapper_itself_counts() -> None:
    def wrapper(partner: str, tenant: str) -> str:
        return report("database", tenant, partner)

    named = tenant_from("tenant")(functools.wraps(report)(wrapper))
    assert named("globex", "acme") == "database acme globex acme"
