"""The Taskiq adapter: a middleware by which each task runs under the tenant that it was sent under.

The tenant's id travels in a label.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, final

from taskiq import NoResultError, TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.kicker import AsyncKicker

from tenantshield_mw.context import Binding, Bound, bind, unbind
from tenantshield_mw.directory import Lookup, TenantDirectory
from tenantshield_mw.jobs import HEADER, JobScope, JobTenants, OnRefused
from tenantshield_mw.jobs.scope import ONE_TENANT, OPTIONS, enter
from tenantshield_mw.tenant import TenantId

__all__ = ["TenantMiddleware"]

_logger: Final = logging.getLogger(__name__)

_GUARDED: Final = "__tenantshield_guarded__"


@final
class _Entered:
    """What a task runs in, and why it is refused."""

    def __init__(self, message: TaskiqMessage, outer: _Entered | None) -> None:
        self.task_id = message.task_id
        self.name = message.task_name
        self.outer = outer
        self.bound: Bound = None
        self.error: Exception | None = None
        # Set if the task is refused: nothing is bound, but what is sent for it is this tenant's.
        self.sent_for: TenantId | None = None
        self.is_used = False
        self.binding: Binding | None = None

    @contextmanager
    def scope(self) -> Generator[None]:
        """Run the task's function, or refuse it."""
        if self.error is not None:
            raise self.error
        binding = enter(self.bound)
        try:
            yield
        finally:
            unbind(binding)


_entered: Final[ContextVar[_Entered | None]] = ContextVar("tenantshield_mw_taskiq", default=None)

_sending: Final[ContextVar[tuple[str, int] | None]] = ContextVar(
    "tenantshield_mw_taskiq_sending", default=None
)
"""The id of the message that was sent last in this context, and by which asyncio task."""


class TenantMiddleware(TaskiqMiddleware):
    """Lets the tasks of a broker run under the tenant that they are sent under.

    ::

        broker = RedisStreamBroker("redis://").with_middlewares(
            TenantMiddleware(directory=directory)
        )

        @broker.task
        async def remind(number: int) -> None: ...

        @broker.task(tenant=None)
        async def heartbeat() -> None: ...

        @broker.task(system="nightly statistics")
        async def statistics() -> None: ...

    Add it where tasks are sent and where they run, before other middlewares. A task that needs a
    tenant is refused with :class:`~tenantshield_mw.MissingTenantContextError` where it is sent
    without, and if it comes to a worker without.

    Args:
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a lookup, sync or async, asked by
            a worker for the tenant of each task; see :class:`~tenantshield_mw.jobs.JobTenants`.
        keys: to sign the label: the first one signs, each of them verifies.
        on_refused: what happens to a task whose tenant is suspended or unknown. ``"reject"``: its
            result is :class:`~tenantshield_mw.TenantSuspendedError` or
            :class:`~tenantshield_mw.TenantNotFoundError`, and no middleware retries it.
            ``"retry"``: the same, but it is retried as the broker's middleware for retries and the
            task's labels say. ``"dead_letter"``: it is sent to another queue, by the label
            ``queue_name``, and has no result until it has run from there.
        dead_letter_queue: the name of that queue.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    def __init__(
        self,
        *,
        directory: TenantDirectory | Lookup | None,
        keys: Sequence[bytes] = (),
        on_refused: OnRefused = "reject",
        dead_letter_queue: str = "refused",
    ) -> None:
        super().__init__()
        self._tenants = JobTenants(directory=directory, keys=keys, on_refused=on_refused)
        self._dead_letter_queue = dead_letter_queue

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        """Let a message name the tenant in scope."""
        entered = _entered.get()
        carried = self._tenants.carried(
            self._scope_of(message),
            message.task_name,
            message.task_id,
            unless_bound=None if entered is None else entered.sent_for,
        )
        _sending.set((message.task_id, id(asyncio.current_task())))
        # Without a type, Taskiq leaves a label as it is.
        labels = {key: value for key, value in message.labels.items() if key != HEADER}
        types = {key: kind for key, kind in (message.labels_types or {}).items() if key != HEADER}
        if carried is not None:
            labels[HEADER] = carried
        return message.model_copy(update={"labels": labels, "labels_types": types})

    async def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """Bind the tenant, also for the task's dependencies, or refuse the task."""
        task: Any = self.broker.find_task(message.task_name)
        if not hasattr(task.original_func, _GUARDED):
            task.original_func = _guarded(task.original_func, message.task_name)
        # Each message has an asyncio task of its own, with which all that is set here ends,
        # whatever fails; except for a broker in memory that runs it inside the sender's, in its
        # scope.
        is_own_task = _sending.get() != (message.task_id, id(asyncio.current_task()))
        entered = _Entered(message, _entered.get())
        named = None
        try:
            scope = self._scope_of(message)
            named = self._tenants.named(
                scope, message.labels.get(HEADER), message.task_name, message.task_id
            )
            entered.bound = await self._tenants.abound(scope, named)
        except Exception as error:  # noqa: BLE001
            entered.error = error
        if is_own_task:
            entered.binding = bind(entered.bound)
            entered.sent_for = None if entered.error is None else named
        _entered.set(entered)
        return message if entered.error is None else await self._refused(message, entered)

    def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:  # noqa: ARG002
        """Unbind the tenant, after the task and what is sent because of an error."""
        entered = _entered.get()
        if entered is not None and entered.task_id == message.task_id:
            _entered.set(entered.outer)
            if entered.binding is not None:
                unbind(entered.binding)

    def _scope_of(self, message: TaskiqMessage) -> JobScope:
        # The labels that were declared here, not those of the message.
        task = self.broker.find_task(message.task_name)
        if task is None:
            return ONE_TENANT
        given = {name: task.labels[name] for name in OPTIONS if name in task.labels}
        return JobScope.declared(given, message.task_name)

    async def _refused(self, message: TaskiqMessage, entered: _Entered) -> TaskiqMessage:
        """Return the message to go on with; its function raises the error."""
        assert entered.error is not None
        disposal = self._tenants.disposal(entered.error)
        if disposal == "dead_letter":
            labels = {**message.labels, "queue_name": self._dead_letter_queue}
            kicker: AsyncKicker[..., Any] = AsyncKicker(message.task_name, self.broker, labels)
            await kicker.with_task_id(message.task_id).kiq(*message.args, **message.kwargs)
            _logger.warning(
                "task %s was refused and sent to %r: %s",
                message.task_id,
                self._dead_letter_queue,
                entered.error,
            )
            entered.error = NoResultError()
        elif disposal == "reject":
            labels = {**message.labels, "retry_on_error": False}
            return message.model_copy(update={"labels": labels})
        return message


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a task's function, which runs as its message says, or raises.

    Taskiq gives middleware no other way to keep a task from running, and still acknowledge it and
    keep the error as its result.
    """
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def guarded_async(*args: Any, **kwargs: Any) -> Any:
            entered = _to_run(name)
            if entered is None:
                return await function(*args, **kwargs)
            with entered.scope():
                return await function(*args, **kwargs)

        guarded: Callable[..., Any] = guarded_async
    else:

        @wraps(function)
        def guarded_sync(*args: Any, **kwargs: Any) -> Any:
            entered = _to_run(name)
            if entered is None:
                return function(*args, **kwargs)
            with entered.scope():
                return function(*args, **kwargs)

        guarded = guarded_sync
    setattr(guarded, _GUARDED, True)
    return guarded


def _to_run(name: str) -> _Entered | None:
    """Return what a task runs in that is called for its message; ``None`` if it is called by the
    application, as a function.
    """
    entered = _entered.get()
    if entered is None or entered.name != name or entered.is_used:
        return None
    entered.is_used = True
    return entered
