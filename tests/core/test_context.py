"""The scopes: what they bind, and what is bound when they end."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    SystemContext,
    TenantContext,
    atenant_scope,
    carry_tenant,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.context import bind, current_binding, is_same_scope, unbind


def tenant_id() -> object:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def test_without_a_scope_there_is_no_tenant() -> None:
    assert try_current_tenant() is None
    with pytest.raises(MissingTenantContextError, match="TenantSessionMiddleware"):
        current_tenant()


def test_a_scope_binds_and_returns_the_tenant() -> None:
    with tenant_scope("acme") as tenant:
        assert tenant == TenantContext("acme")
        assert current_tenant() is tenant
        assert try_current_tenant() is tenant
    assert try_current_tenant() is None


def test_a_scope_binds_the_given_context_with_its_attributes() -> None:
    given_tenant = TenantContext("acme", {"plan": "gold"})
    with tenant_scope(given_tenant):
        assert current_tenant() is given_tenant


async def test_an_async_scope_binds_and_returns_the_tenant() -> None:
    async with atenant_scope("acme") as tenant:
        assert current_tenant() is tenant
    assert try_current_tenant() is None


def test_a_scope_ends_when_its_block_raises() -> None:
    with pytest.raises(LookupError), tenant_scope("acme"):
        raise LookupError
    assert try_current_tenant() is None


async def test_an_async_scope_ends_when_its_block_raises() -> None:
    with pytest.raises(LookupError):
        async with atenant_scope("acme"):
            raise LookupError
    assert try_current_tenant() is None


def test_a_scope_is_entered_once() -> None:
    scope = tenant_scope("acme")
    with scope, pytest.raises(ConfigurationError, match="call tenant_scope"):
        scope.__enter__()
    with pytest.raises(ConfigurationError):
        scope.__enter__()
    assert try_current_tenant() is None


def test_leaving_a_scope_that_was_never_entered_changes_nothing() -> None:
    with tenant_scope("acme"):
        tenant_scope("globex").__exit__(None, None, None)
        assert tenant_id() == "acme"


@pytest.mark.parametrize("reason", ["", " ", "\n", None, 7, b"x"])
def test_a_system_scope_needs_a_reason(reason: Any) -> None:
    with pytest.raises(ConfigurationError, match="reason"):
        system_scope(reason)


def test_a_system_scope_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tenantshield_mw.audit"), system_scope("billing run"):
        pass
    assert [record.getMessage() for record in caplog.records] == ["system scope: billing run"]


def test_a_system_scope_is_logged_when_it_is_entered(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tenantshield_mw.audit"):
        scope = system_scope("billing run")
        assert caplog.records == []
        with scope, pytest.raises(ConfigurationError):
            scope.__enter__()
        assert [record.levelno for record in caplog.records] == [logging.INFO]
        with tenant_scope("acme"):
            pass
    assert [record.getMessage() for record in caplog.records] == ["system scope: billing run"]


def test_in_a_system_scope_the_error_names_it() -> None:
    with pytest.raises(MissingTenantContextError, match="no tenant is in scope"):
        current_tenant()
    with (
        system_scope("billing run"),
        pytest.raises(MissingTenantContextError, match="a system scope is active"),
    ):
        current_tenant()
    with tenant_scope("acme"), system_scope("billing run"), tenant_scope("globex"):
        assert current_tenant().tenant_id == "globex"


def test_a_system_scope_has_no_tenant() -> None:
    with tenant_scope("acme"):
        with system_scope("billing run") as system:
            assert isinstance(system, SystemContext)
            assert system.reason == "billing run"
            assert repr(system) == "SystemContext('billing run')"
            assert try_current_tenant() is None
            with pytest.raises(MissingTenantContextError):
                current_tenant()
            with tenant_scope("globex"):
                assert tenant_id() == "globex"
            assert try_current_tenant() is None
        assert tenant_id() == "acme"


def test_a_system_scope_may_say_where() -> None:
    with system_scope("first", at="a") as first:
        assert first.at == "a"
        with system_scope("within") as within:
            assert within.at == "a"
            assert is_same_scope(first, within)
        with system_scope("elsewhere", at="b") as elsewhere:
            assert not is_same_scope(first, elsewhere)
        with tenant_scope("acme"), system_scope("of its own") as own:
            # A tenant's place is the tenant's.
            assert own.at is None


def test_binding_nothing_hides_the_tenant_outside() -> None:
    with tenant_scope("acme"):
        binding = bind(None)
        assert try_current_tenant() is None
        unbind(binding)
        assert tenant_id() == "acme"


def test_context_managers_that_end_out_of_order_leave_no_tenant_behind() -> None:
    @contextmanager
    def scoped(name: str) -> Generator[object, None, None]:
        with tenant_scope(name):
            yield tenant_id()

    first, second = scoped("acme"), scoped("globex")
    assert first.__enter__() == "acme"
    assert second.__enter__() == "globex"
    first.__exit__(None, None, None)
    assert tenant_id() == "globex"
    second.__exit__(None, None, None)
    assert current_binding() is None


@given(st.data())
def test_scopes_that_end_in_any_order_leave_the_innermost_open_one_bound(
    data: st.DataObject,
) -> None:
    def run() -> None:
        open_scopes: list[tuple[str, Any]] = []
        for number in range(data.draw(st.integers(1, 12))):
            leave: bool = data.draw(st.booleans())
            if open_scopes and leave:
                _, scope = open_scopes.pop(data.draw(st.integers(0, len(open_scopes) - 1)))
                scope.__exit__(None, None, None)
            else:
                name = f"tenant-{number}"
                scope = tenant_scope(name)
                scope.__enter__()
                open_scopes.append((name, scope))
            assert tenant_id() == (open_scopes[-1][0] if open_scopes else None)
        while open_scopes:
            _, scope = open_scopes.pop(data.draw(st.integers(0, len(open_scopes) - 1)))
            scope.__exit__(None, None, None)
            assert tenant_id() == (open_scopes[-1][0] if open_scopes else None)
        assert current_binding() is None

    copy_context().run(run)


def test_leaving_a_scope_in_another_context_removes_nothing_there() -> None:
    scope = tenant_scope("acme")
    copy_context().run(scope.__enter__)
    with tenant_scope("globex"):
        with pytest.raises(ConfigurationError, match="left in another context"):
            scope.__exit__(None, None, None)
        assert tenant_id() == "globex"


def test_a_plain_thread_has_no_tenant() -> None:
    seen: list[object] = []
    with tenant_scope("acme"):
        thread = threading.Thread(target=lambda: seen.append(tenant_id()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_carry_tenant_carries_the_tenant_into_a_plain_thread() -> None:
    def work(number: int, *, more: int) -> tuple[object, int]:
        return tenant_id(), number + more

    with ThreadPoolExecutor(1) as pool:
        with tenant_scope("acme"):
            carried = carry_tenant(work)
        assert pool.submit(carried, 1, more=2).result() == ("acme", 3)
        assert pool.submit(tenant_id).result() is None


def test_carry_tenant_carries_the_absence_of_a_tenant() -> None:
    carried = carry_tenant(tenant_id)
    with tenant_scope("acme"):
        assert carried() is None
        assert tenant_id() == "acme"


def test_carry_tenant_carries_a_system_scope() -> None:
    with system_scope("billing run"):
        carried = carry_tenant(current_binding)
    binding = carried()
    assert binding is not None
    assert isinstance(binding[0], SystemContext)


def test_carry_tenant_ends_its_binding_when_the_function_raises() -> None:
    def fail() -> None:
        raise LookupError

    with tenant_scope("acme"):
        carried = carry_tenant(fail)
    with pytest.raises(LookupError):
        carried()
    assert try_current_tenant() is None


def test_carry_tenant_ends_what_the_function_has_left_open() -> None:
    def leave_open() -> None:
        tenant_scope("globex").__enter__()
        system_scope("left open").__enter__()

    with ThreadPoolExecutor(1) as pool:
        for carried in (carry_tenant(leave_open), carried_for_acme(leave_open)):
            pool.submit(carried).result()
            assert pool.submit(current_binding).result() is None


def carried_for_acme(function: Any) -> Any:
    with tenant_scope("acme"):
        return carry_tenant(function)


async def coroutine_function() -> None: ...


def generator_function() -> Iterator[None]:
    yield


async def async_generator_function() -> AsyncIterator[None]:
    yield


class AsyncCallable:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        coroutine_function,
        generator_function,
        async_generator_function,
        functools.partial(coroutine_function),
        AsyncCallable(),
    ],
)
def test_carry_tenant_refuses_generators_and_coroutines(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="plain function"):
        carry_tenant(function)
