"""Run something once for each active tenant, some of them at a time: for periodic jobs."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from tenantshield_mw.context import tenant_scope
from tenantshield_mw.directory import Lookup, TenantDirectory, as_directory
from tenantshield_mw.errors import ConfigurationError, TenantNotFoundError, TenantSuspendedError
from tenantshield_mw.forking import forkable_lock
from tenantshield_mw.resolution import close_unawaited, is_awaitable, is_undone
from tenantshield_mw.tenant import TenantContext, TenantId, check_tenant_id, with_plain_uuid

from .journal import Journal

__all__ = ["Progress", "afor_each_tenant", "for_each_tenant"]

R = TypeVar("R")

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the calls are.

    Attributes:
        tenant_id: the tenant whose turn has just ended.
        done: the calls that have succeeded, those of earlier runs included.
        failed: those that have failed.
        left_out: the tenants that are not active.
        total: all tenants.
    """

    tenant_id: TenantId
    done: int
    failed: int
    left_out: int
    total: int


OnProgress: TypeAlias = Callable[[Progress], object]


def for_each_tenant(
    tenants: Iterable[TenantId],
    function: Callable[[], R],
    *,
    directory: TenantDirectory | Lookup | None,
    parallel: int,
    on_progress: OnProgress | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> dict[TenantId, R]:
    """Call ``function`` once for each tenant, in that tenant's scope.

    ::

        @app.task(system="enqueue the nightly invoices")
        def nightly() -> None:
            with Session(engine) as session:
                tenants = session.scalars(select(Tenant.id)).all()
            for_each_tenant(tenants, invoices.delay, directory=directory, parallel=4)

    The calls are made in threads that begin without a tenant. One that fails does not keep the
    others from being made.

    Args:
        tenants: the tenants' ids; each is taken once.
        function: what to call; it takes no argument, and does the work itself. One that is async
            or a generator only returns what would do it, and is an error.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a sync lookup; tenants that it
            calls suspended or unknown are left out. ``None``: none is left out.
        parallel: the largest number of calls at a time; at least 1.
        on_progress: called with a :class:`Progress` after each tenant, one call at a time.
        journal: a file in which each tenant is noted whose call has succeeded. If the process
            ends early, or calls fail, the same call again leaves these out; when all are done, the
            file is deleted. A call that was interrupted is made again.

    Returns:
        What ``function`` returned for each tenant that was not left out.

    Raises:
        ConfigurationError: ``parallel`` is invalid, ``journal`` has something else in it, or
            ``function`` or ``on_progress`` is async or a generator.
        TenantResolutionError: one of ``tenants`` cannot name a tenant; nothing was called.
        ExceptionGroup: calls failed; each exception has a note that names its tenant.
    """
    if any(is_such(function) for is_such in _RETURN_UNDONE):
        raise ConfigurationError(f"calling the function would do nothing yet: {_DO_IT}")
    found = as_directory(directory)
    each = _Each[R](tenants, parallel, on_progress, journal)

    def run(waiting: Iterator[TenantId]) -> None:
        for tenant_id in waiting:
            with each.noting_errors(tenant_id):
                context: Any = TenantContext(tenant_id)
                if found is not None:
                    with each.leaving_out():
                        context = found.find(tenant_id, blocking=True)
                with tenant_scope(context):
                    result = function()
                _refuse_undone(result, _DO_IT)
                each.succeeded(tenant_id, result)

    # Threads may share the iterator of a list.
    waiting = iter(each.waiting)
    with ThreadPoolExecutor(parallel, thread_name_prefix="tenantshield-each") as threads:
        for done in [threads.submit(run, waiting) for _ in range(parallel)]:
            done.result()
    return each.finished()


async def afor_each_tenant(
    tenants: Iterable[TenantId],
    function: Callable[[], Awaitable[R]],
    *,
    directory: TenantDirectory | Lookup | None,
    parallel: int,
    on_progress: OnProgress | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> dict[TenantId, R]:
    """Await ``function`` once for each tenant, in that tenant's scope.

    Args:
        tenants: the tenants' ids; each is taken once.
        function: what to call; it takes no argument and returns an awaitable.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a lookup, sync or async; see
            :func:`for_each_tenant`.
        parallel: the largest number of calls at a time; at least 1.
        on_progress: called with a :class:`Progress` after each tenant.
        journal: a file in which each tenant is noted whose call has succeeded; see
            :func:`for_each_tenant`.

    Returns:
        What ``function`` returned for each tenant that was not left out.

    Raises:
        ConfigurationError: ``parallel`` is invalid, ``journal`` has something else in it, or
            ``on_progress`` is async or a generator.
        TenantResolutionError: one of ``tenants`` cannot name a tenant; nothing was called.
        ExceptionGroup: calls failed; each exception has a note that names its tenant. A call that
            awaits what somebody else has cancelled has failed.
    """
    found = as_directory(directory)
    each = _Each[R](tenants, parallel, on_progress, journal)

    async def run(waiting: Iterator[TenantId]) -> None:
        for tenant_id in waiting:
            with each.noting_errors(tenant_id):
                context: Any = TenantContext(tenant_id)
                if found is not None:
                    with each.leaving_out():
                        context = found.find(tenant_id, blocking=False)
                        context = await context if is_awaitable(context) else context
                with tenant_scope(context):
                    call = function()
                    _refuse_no_awaitable(call)
                    result = await call
                _refuse_undone(result, _AWAIT_IT)
                each.succeeded(tenant_id, result)

    waiting = iter(each.waiting)
    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(run(waiting))
    return each.finished()


_DO_IT: Final = "await afor_each_tenant() with it, or give a function that does the work itself"
_AWAIT_IT: Final = "give afor_each_tenant() an async function that awaits or does all of the work"
_NOT_AWAITABLE: Final = (
    "afor_each_tenant() awaits what the function returns, and that is no awaitable: give it an "
    "async function, or call for_each_tenant()"
)
_RETURN_UNDONE: Final = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)


def _refuse_no_awaitable(call: object) -> None:
    """Refuse what cannot be awaited."""
    if not is_awaitable(call):
        _refuse_undone(call, _AWAIT_IT)
        raise ConfigurationError(_NOT_AWAITABLE)


def _refuse_undone(result: object, advice: str) -> None:
    """Refuse a result with which the work of a call would still have to be done."""
    # Nobody would go on with these two, either.
    if not (is_undone(result) or isinstance(result, map | filter)):
        return
    close_unawaited(result)
    raise ConfigurationError(
        f"the function returned a {type(result).__name__}, so its work is not done: {advice}"
    )


def _is_being_cancelled() -> bool:
    """Return whether somebody has cancelled this task, not only what it awaits."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        # There is no event loop in the threads.
        return False
    return task is not None and task.cancelling() > 0


class _LeftOutError(Exception):
    """A tenant is not active, so nothing is called for it."""


class _Each(Generic[R]):
    """What became of each tenant."""

    def __init__(
        self,
        tenants: Iterable[TenantId],
        parallel: int,
        on_progress: OnProgress | None,
        journal: str | os.PathLike[str] | None,
    ) -> None:
        if type(parallel) is not int or parallel < 1:
            raise ConfigurationError("parallel must be an int of at least 1")
        self._journal = None if journal is None else Journal(journal)
        if any(is_such(on_progress) for is_such in _RETURN_UNDONE):
            raise ConfigurationError("on_progress would do nothing: give a function without async")
        self._on_progress = on_progress
        self._lock = forkable_lock()
        self.tenants = list(
            dict.fromkeys(check_tenant_id(with_plain_uuid(tenant_id)) for tenant_id in tenants)
        )
        self.waiting = [each for each in self.tenants if not self._was_done(each)]
        self._done = len(self.tenants) - len(self.waiting)
        self.results: dict[TenantId, R] = {}
        self._left_out: set[TenantId] = set()
        self._errors: dict[TenantId, Exception] = {}

    def _was_done(self, tenant_id: TenantId) -> bool:
        return self._journal is not None and self._journal.has(tenant_id)

    def succeeded(self, tenant_id: TenantId, result: R) -> None:
        """Note that the call for a tenant has succeeded."""
        if self._journal is not None:
            self._journal.add(tenant_id)
        self.results[tenant_id] = result

    def _show(self, tenant_id: TenantId) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            done = self._done + len(self.results)
            failed, left_out = len(self._errors), len(self._left_out)
            self._on_progress(Progress(tenant_id, done, failed, left_out, len(self.tenants)))

    @contextmanager
    def leaving_out(self) -> Generator[None]:
        """Tell a tenant that is not active from an error of what is called."""
        try:
            yield
        except (TenantSuspendedError, TenantNotFoundError):
            raise _LeftOutError from None

    @contextmanager
    def noting_errors(self, tenant_id: TenantId) -> Generator[None]:
        """Go on with the next tenant after an exception."""
        try:
            yield
        except _LeftOutError:
            self._left_out.add(tenant_id)
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            # A task that ends with it counts as cancelled, so nobody would hear of it.
            failed = RuntimeError("the call awaited something that was cancelled")
            failed.__cause__ = error
            self._failed(tenant_id, failed)
        except Exception as error:  # noqa: BLE001
            self._failed(tenant_id, error)
        self._show(tenant_id)

    def _failed(self, tenant_id: TenantId, error: Exception) -> None:
        error.add_note(f"raised for the tenant {tenant_id!r}")
        self._errors[tenant_id] = error

    def finished(self) -> dict[TenantId, R]:
        """Return the results, or raise the exceptions."""
        if self._left_out:
            _logger.info("left %d tenants out that are not active", len(self._left_out))
        for tenant_id in self.waiting:
            if not any(tenant_id in each for each in (self.results, self._left_out, self._errors)):
                # Such as when a call has cancelled the very task that makes the calls.
                self._failed(tenant_id, RuntimeError("the call was not made, or did not end"))
        if self._errors:
            raise ExceptionGroup(
                f"{len(self._errors)} of {len(self.tenants)} tenants failed",
                [*self._errors.values()],
            )
        if self._journal is not None:
            self._journal.remove()
        return self.results
