"""A scope that a generator would keep open while it is suspended is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import Context, copy_context
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

from tenantshield_mw import (
    ConfigurationError,
    atenant_scope,
    carry_tenant,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)

MESSAGE = "this generator would yield with a tenant or system scope open"


def report(tenant: str) -> Generator[str]:
    with tenant_scope(tenant):
        for number in range(2):
            yield f"{current_tenant().tenant_id}{number}"


def collected(tenant: str) -> Iterator[str]:
    with tenant_scope(tenant):
        rows = [f"{current_tenant().tenant_id}{number}" for number in range(2)]
    yield from rows


async def areport(tenant: str) -> AsyncIterator[str]:
    async with atenant_scope(tenant):
        await asyncio.sleep(0)
        yield str(current_tenant().tenant_id)


async def acollected(tenant: str) -> AsyncIterator[str]:
    async with atenant_scope(tenant):
        await asyncio.sleep(0)
        rows = [str(current_tenant().tenant_id)]
    for row in rows:
        yield row


def delegating(tenant: str) -> Iterator[str]:
    with tenant_scope(tenant):
        yield from ("one", "two")


def in_a_handler(tenant: str) -> Iterator[str]:
    with tenant_scope(tenant):
        try:
            raise ValueError
        except ValueError:
            yield "handled"


def in_a_system_scope(reason: str) -> Generator[str]:
    with system_scope(reason):
        yield "all"


def after_another_block(tenant: str) -> Iterator[str]:
    with tenant_scope(tenant) as bound, nullcontext():
        yield str(bound.tenant_id)


def entered_by_hand(tenant: str) -> Iterator[str]:
    scope = tenant_scope(tenant)
    scope.__enter__()
    yield "one"
    scope.__exit__(None, None, None)


@pytest.mark.parametrize(
    "generate",
    [report, delegating, in_a_handler, in_a_system_scope, after_another_block, entered_by_hand],
)
def test_a_generator_that_yields_in_a_scope_is_refused(
    generate: Callable[[str], Iterator[str]],
) -> None:
    with pytest.raises(ConfigurationError, match=MESSAGE):
        list(zip(generate("a"), generate("b"), strict=True))
    assert try_current_tenant() is None


async def test_an_async_generator_that_yields_in_a_scope_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=MESSAGE):
        await anext(areport("a"))
    assert try_current_tenant() is None


def test_generators_that_yield_after_their_scope_are_iterated_in_turn() -> None:
    rows = list(zip(collected("a"), collected("b"), strict=True))
    assert rows == [("a0", "b0"), ("a1", "b1")]


async def test_async_generators_that_yield_after_their_scope_work() -> None:
    assert [row async for row in acollected("a")] == ["a"]


def test_a_consumer_keeps_its_own_scope() -> None:
    with tenant_scope("consumer"):
        for _ in collected("a"):
            assert current_tenant().tenant_id == "consumer"


def test_a_context_manager_may_yield_in_a_scope() -> None:
    def within(tenant: str) -> Generator[str]:
        with tenant_scope(tenant):
            yield tenant

    @contextmanager
    def scoped(tenant: str) -> Generator[str]:
        yield from within(tenant)

    with scoped("a"), contextmanager(within)("b"):
        assert current_tenant().tenant_id == "b"
    assert try_current_tenant() is None


async def test_an_async_context_manager_may_yield_in_a_scope() -> None:
    @asynccontextmanager
    async def scoped(tenant: str) -> AsyncGenerator[str]:
        await asyncio.sleep(0)
        async with atenant_scope(tenant):
            yield tenant

    async with scoped("a"):
        assert current_tenant().tenant_id == "a"
    assert try_current_tenant() is None


@pytest.fixture
def in_a_fixtures_scope() -> Iterator[None]:
    with tenant_scope("fixture"):
        yield


@pytest.mark.usefixtures("in_a_fixtures_scope")
def test_a_fixture_may_yield_in_a_scope() -> None:
    assert current_tenant().tenant_id == "fixture"


@pytest.fixture
async def in_an_async_fixtures_scope() -> AsyncIterator[None]:
    async with atenant_scope("fixture"):
        yield


@pytest.mark.usefixtures("in_an_async_fixtures_scope")
async def test_an_async_fixture_may_yield_in_a_scope() -> None:
    assert current_tenant().tenant_id == "fixture"


@contextmanager
def helper(tenant: str) -> Generator[str]:
    with tenant_scope(tenant):
        yield tenant


@asynccontextmanager
async def ahelper(tenant: str) -> AsyncGenerator[str]:
    async with atenant_scope(tenant):
        await asyncio.sleep(0)
        yield tenant


class Helper:
    """A context manager by hand, around another one."""

    def __init__(self, tenant: str, made: Callable[[str], Any]) -> None:
        self._scope = made(tenant)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, *error: object) -> None:
        self._scope.__exit__(*error)

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._scope.__aexit__(*error)


HELPERS: list[Callable[[str], Any]] = [
    helper,
    lambda tenant: Helper(tenant, tenant_scope),
    lambda tenant: Helper(tenant, helper),
]
AHELPERS: list[Callable[[str], Any]] = [
    ahelper,
    lambda tenant: Helper(tenant, atenant_scope),
    lambda tenant: Helper(tenant, ahelper),
]


@pytest.mark.parametrize("made", HELPERS)
def test_a_generator_that_yields_in_a_helpers_scope_is_refused(made: Callable[[str], Any]) -> None:
    def generate(tenant: str) -> Iterator[str]:
        with made(tenant):
            yield tenant

    with pytest.raises(ConfigurationError, match=MESSAGE):
        list(zip(generate("a"), generate("b"), strict=True))
    assert try_current_tenant() is None


@pytest.mark.parametrize("made", AHELPERS)
async def test_an_async_generator_that_yields_in_a_helpers_scope_is_refused(
    made: Callable[[str], Any],
) -> None:
    async def generate(tenant: str) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        async with made(tenant):
            yield tenant

    with pytest.raises(ConfigurationError, match=MESSAGE):
        await anext(generate("a"))
    assert try_current_tenant() is None


@pytest.mark.parametrize("made", HELPERS)
def test_a_generator_may_yield_after_a_helpers_scope(made: Callable[[str], Any]) -> None:
    def generate(tenant: str) -> Iterator[object]:
        with made(tenant):
            found = current_tenant().tenant_id
        yield found

    assert list(zip(generate("a"), generate("b"), strict=True)) == [("a", "b")]


@pytest.mark.parametrize("made", AHELPERS)
async def test_an_async_generator_may_yield_after_a_helpers_scope(
    made: Callable[[str], Any],
) -> None:
    async def generate(tenant: str) -> AsyncIterator[object]:
        async with made(tenant):
            found = current_tenant().tenant_id
        yield found

    assert [found async for found in generate("a")] == ["a"]


@pytest.mark.parametrize("made", HELPERS)
def test_a_context_manager_may_yield_in_a_helpers_scope(made: Callable[[str], Any]) -> None:
    @contextmanager
    def outer() -> Generator[None]:
        with made("a"):
            yield

    with outer():
        assert current_tenant().tenant_id == "a"
    assert try_current_tenant() is None


@pytest.fixture
def in_a_helpers_scope() -> Iterator[None]:
    with helper("fixture"):
        yield


@pytest.mark.usefixtures("in_a_helpers_scope")
def test_a_fixture_may_yield_in_a_helpers_scope() -> None:
    assert current_tenant().tenant_id == "fixture"


@pytest.fixture
async def in_an_async_helpers_scope() -> AsyncIterator[None]:
    async with ahelper("fixture"):
        yield


@pytest.mark.usefixtures("in_an_async_helpers_scope")
async def test_an_async_fixture_may_yield_in_a_helpers_scope() -> None:
    assert current_tenant().tenant_id == "fixture"


async def test_a_generator_whose_steps_run_in_anyios_threads_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=MESSAGE):
        await anyio.to_thread.run_sync(next, report("a"))


def test_an_async_generator_whose_steps_a_thread_asks_for_is_refused() -> None:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        pytest.raises(ConfigurationError, match=MESSAGE),
    ):
        portal.call(areport("a").__anext__)


def test_a_generator_whose_steps_are_carried_into_a_thread_is_refused() -> None:
    with ThreadPoolExecutor(1) as pool:
        step: Callable[[Any], Any] = carry_tenant(next)
        with pytest.raises(ConfigurationError, match=MESSAGE):
            pool.submit(step, report("a")).result()
        assert pool.submit(try_current_tenant).result() is None


def left_by(exit_in: Context, *error: Any) -> None:
    scope = tenant_scope("a")
    copy_context().run(scope.__enter__)
    exit_in.run(scope.__exit__, *(error or (None, None, None)))


def test_a_scope_that_is_left_in_another_context_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="left in another context"):
        left_by(copy_context())


def test_an_exception_of_the_block_is_not_hidden() -> None:
    error = ValueError()
    left_by(copy_context(), ValueError, error, None)


async def test_a_task_that_is_started_in_a_scope_keeps_its_tenant() -> None:
    seen: list[Any] = []

    async def consume() -> None:
        seen.append(current_tenant().tenant_id)
        with tenant_scope("item"):
            seen.append(current_tenant().tenant_id)

    with tenant_scope("first request"):
        task = asyncio.create_task(consume())
    with tenant_scope("second request"):
        await task
    assert seen == ["first request", "item"]
