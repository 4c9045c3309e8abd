"""The Celery adapter: each task runs under the tenant that it was enqueued under.

The tenant's id travels in a message header. Task classes, which Celery lets a task refuse in,
check it; signals, whose errors Celery only logs, enter and leave the scope around all of a task,
with its hooks and the messages that it sends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import getattr_static
from typing import Any, Final, NoReturn, final

from celery import Celery, Task, bootsteps, signals
from celery.exceptions import Ignore
from celery.utils import uuid
from celery.worker.request import Request

from tenantshield_mw.context import Bound, unbind
from tenantshield_mw.directory import Lookup, TenantDirectory
from tenantshield_mw.errors import ConfigurationError, TenantShieldError
from tenantshield_mw.jobs import HEADER, JobScope, JobTenants, OnRefused
from tenantshield_mw.jobs.followers import refuse_followers
from tenantshield_mw.jobs.scope import ONE_TENANT, OPTIONS, enter
from tenantshield_mw.jobs.senders import SENDER, Sender, sending_for_itself, sends_for
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = ["TenantRequest", "TenantTask", "install"]

_INSTALLED: Final = "tenantshield"
_ENTERED: Final = "tenantshield_entered"

# Celery's own task that deletes old results, which beat sends.
_WITHOUT_TENANT: Final = frozenset({"celery.backend_cleanup"})

_FOLLOWED: Final = f"{HEADER}-followed"
"""The header of a task that needs no tenant, with that in whose scope it was sent: what Celery
sends afterwards, such as the next task of a chain, is that tenant's."""


@final
class _Installed:
    """What :func:`install` was called with."""

    def __init__(self, app: Celery, tenants: JobTenants, dead_letter_queue: str) -> None:
        self.app = app
        self.tenants = tenants
        self.dead_letter_queue = dead_letter_queue
        self._send = app.send_task

    def with_tenant(
        self, scope: JobScope, name: str, task_id: str, headers: Any, options: Any
    ) -> dict[str, Any]:
        """Return a copy of ``headers`` that names the tenant in scope, whatever they named."""
        copied = {k: value for k, value in (headers or {}).items() if k not in (HEADER, _FOLLOWED)}
        tenant_id = sends_for(scope, task_id)
        if tenant_id is None:
            self.tenants.carried(scope, name, task_id)  # raises unless the task needs none
            refuse_followers(options, self._needs_tenant)
            return copied
        header = HEADER if scope.needs_tenant else _FOLLOWED
        return {**copied, header: self.tenants.signed(tenant_id, name, task_id)}

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: Any = None,
        eta: Any = None,
        task_id: str | None = None,
        *more: Any,
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Send a task by its name, as Celery's own method does; all that is sent passes here.

        ``tenant=None`` sends a task that is not declared in this process without a tenant.
        """
        scope = self._scope_of(name)
        if options.pop("tenant", ONE_TENANT) is None:
            if self._needs_tenant(name):
                raise ConfigurationError(
                    f"the task {name!r} needs a tenant: instead of sending it with tenant=None, "
                    "declare it with that"
                )
            scope = JobScope(needs_tenant=False)
        task_id = task_id or uuid()
        headers = self.with_tenant(scope, name, task_id, headers, options)
        return self._send(
            name, args, kwargs, countdown, eta, task_id, *more, headers=headers, **options
        )

    def _needs_tenant(self, name: str) -> bool:
        return name in self.app.tasks and self._scope_of(name).needs_tenant

    def _scope_of(self, name: str) -> JobScope:
        task = self.app.tasks.get(name)
        return ONE_TENANT if task is None else _scope_of(task)


def install(
    app: Celery,
    *,
    directory: TenantDirectory | Lookup | None,
    keys: Sequence[bytes] = (),
    on_refused: OnRefused = "reject",
    dead_letter_queue: str = "refused",
) -> None:
    """Let the tasks of an application run under the tenant that they are enqueued under.

    ::

        app = Celery("invoices", broker="redis://")
        install(app, directory=directory)

        @app.task
        def remind(number: int) -> None: ...

        @app.task(tenant=None)
        def heartbeat() -> None: ...

        @app.task(system="nightly statistics")
        def statistics() -> None: ...

    Call it before the first task is made, where tasks are enqueued and where they run. A task that
    needs a tenant is refused with :class:`~tenantshield_mw.MissingTenantContextError` where it is
    enqueued without, and if it comes to a worker without.

    Args:
        app: the application.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a sync lookup, asked by a worker
            for the tenant of each task; see :class:`~tenantshield_mw.jobs.JobTenants`.
        keys: to sign the header: the first one signs, each of them verifies.
        on_refused: what happens to a task whose tenant is suspended or unknown. ``"reject"``: it
            fails with :class:`~tenantshield_mw.TenantSuspendedError` or
            :class:`~tenantshield_mw.TenantNotFoundError`. ``"retry"``: it is retried as the task's
            ``max_retries`` and ``default_retry_delay`` say. ``"dead_letter"``: it is sent to
            another queue, for a worker to be started on that once the tenant is active again.
        dead_letter_queue: the name of that queue.

    Raises:
        ConfigurationError: an argument is invalid, or tasks were made before.
    """
    if hasattr(app, _INSTALLED):
        raise ConfigurationError("install() was called for this Celery app before")
    if "Task" in vars(app):
        raise ConfigurationError(
            "install() must be called before the app's first task is made: call it right after "
            "Celery(...)"
        )
    tenants = JobTenants(directory=directory, keys=keys, on_refused=on_refused)
    base: Any = app.Task
    # The tasks' base class knows its app, and is made by the app; so it is derived from that one.
    app.Task = type("Task", (TenantTask, base), {"abstract": True, "__module__": base.__module__})
    installed = _Installed(app, tenants, dead_letter_queue)
    setattr(app, _INSTALLED, installed)
    app.send_task = installed.send_task
    steps: Any = app.steps
    steps["worker"].add(_AllTasksChecked)


def _installed(task: Task) -> _Installed:
    found: _Installed | None = getattr(task.app, _INSTALLED, None)
    if found is None:
        raise ConfigurationError(
            f"the task {task.name!r} belongs to a Celery app without tenants: call "
            "install(app, directory=...) for it"
        )
    return found


def _scope_of(task: Any) -> JobScope:
    """Return what a task runs in, as its options say."""
    if not isinstance(task, TenantTask):
        raise ConfigurationError(
            f"the base class of the task {task.name!r} is not derived from "
            "tenantshield_mw.adapters.celery.TenantTask, so it would run unchecked: derive it"
        )
    name: Any = task.name
    if name in _WITHOUT_TENANT:
        return JobScope(needs_tenant=False)
    given = {option: getattr(task, option) for option in OPTIONS if hasattr(task, option)}
    return JobScope.declared(given, name)


class _AllTasksChecked(bootsteps.Step):
    """Keeps a worker from starting with tasks that would run unchecked."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        for task in parent.app.tasks.values():
            _scope_of(task)


class TenantRequest(Request):
    """What a worker's main process does for a task whose own process is gone: it marks it as
    failed, sends it again and calls what is linked to its failure, for the task's tenant.
    """

    @contextmanager
    def _scope(self, scope: JobScope | None = None) -> Generator[None]:
        # The directory has been asked when the task began, and is not asked in this process, whose
        # connections each new child would inherit.
        bound: Bound = None if scope is None else scope.bound
        of, followed = (self.task, self.id, self.request_dict), None
        with suppress(TenantShieldError):
            named = _named(*of)
            bound = bound if named is None else TenantContext(named)
            followed = _followed(*of)
        binding = enter(bound)
        token = SENDER.set(None if followed is None else Sender(followed, self.id, bound))
        try:
            yield
        finally:
            SENDER.reset(token)
            unbind(binding)

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        """Handle a task that failed, or whose process is gone."""
        with self._scope(_scope_of(self.task)):
            return super().on_failure(*args, **kwargs)

    def on_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """Handle a task that took too long."""
        with self._scope(_scope_of(self.task)):
            return super().on_timeout(*args, **kwargs)

    def revoked(self) -> Any:
        """Return whether the task was revoked, and handle it then. Asked of each task."""
        with self._scope():
            return super().revoked()


class TenantTask(Task):
    """The base class of all tasks after :func:`install`; also of classes given as ``base=``."""

    abstract = True
    Request = f"{TenantRequest.__module__}:{TenantRequest.__name__}"

    @property
    def __trace__(self) -> Callable[..., Any] | None:
        """What a worker calls for each message, and sets."""
        return self._traced

    @__trace__.setter
    def __trace__(self, trace: Callable[..., Any] | None) -> None:
        self._traced = None if trace is None else _sending_for_tenant(self, trace)

    _traced: Callable[..., Any] | None = None

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Check the task's options, and check the tenant before its own ``before_start``."""
        super().on_bound(app)
        if not _scope_of(cls()).needs_tenant:
            cls.run = sending_for_itself(getattr_static(cls, "run"))
        if cls.before_start is not TenantTask.before_start:
            cls.before_start = _checked_first(cls.before_start)  # type: ignore[method-assign]

    def apply(
        self,
        args: Any = None,
        kwargs: Any = None,
        *more: Any,
        task_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run the task here, as a worker would."""
        task_id = task_id or uuid()
        scope, name = _scope_of(self), str(self.name)
        headers = _installed(self).with_tenant(scope, name, task_id, headers, options)
        return super().apply(args, kwargs, *more, task_id=task_id, headers=headers, **options)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Refuse a task whose tenant is not to be had."""
        _check(self)
        super().before_start(task_id, args, kwargs)


def _checked_first(before_start: Callable[..., None]) -> Callable[..., None]:
    @wraps(before_start)
    def checked(self: TenantTask, task_id: str, args: Any, kwargs: Any) -> None:
        _check(self)
        before_start(self, task_id, args, kwargs)

    return checked


def _sending_for_tenant(task: TenantTask, trace: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``trace``, which may send the rest of a chain although it does not run the task: if
    the message was delivered again and the task has succeeded before.
    """

    @wraps(trace)
    def traced(task_id: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        named = None
        with suppress(TenantShieldError):
            named = _named(task, task_id, request or {})
            if named is None:
                named = _followed(task, task_id, request or {})
        token = SENDER.set(None if named is None else Sender(named, task_id))
        try:
            return trace(task_id, args, kwargs, request)
        finally:
            SENDER.reset(token)

    return traced


@final
class _Entered:
    """What a task runs in, and why it is refused."""

    def __init__(self, task: TenantTask) -> None:
        self.error: Exception | None = None
        self._outer = SENDER.get()
        named = followed = bound = None
        task_id, request = task.request.id, vars(task.request)
        try:
            named = _named(task, task_id, request)
            followed = _followed(task, task_id, request)
            bound = _installed(task).tenants.bound(_scope_of(task), named)
        except Exception as error:  # noqa: BLE001
            self.error = error
            followed = named
        self._binding = enter(bound)
        SENDER.set(None if followed is None else Sender(followed, task_id, bound))

    def leave(self) -> None:
        """Leave it, when the task and its hooks have ended."""
        SENDER.set(self._outer)
        unbind(self._binding)


def _named(task: Any, task_id: str, request: Mapping[str, Any]) -> TenantId | None:
    """Return the tenant that a message names; raises what :meth:`JobTenants.named` raises.

    Args:
        task: the task.
        task_id: the id of the message.
        request: the headers of its message; of a task that runs here, ``headers`` has them. A
            message may have a header of that name too, whose content anybody may have chosen.
    """
    carried = _carried(request, HEADER)
    return _installed(task).tenants.named(_scope_of(task), carried, task.name, task_id)


def _followed(task: Any, task_id: str, request: Mapping[str, Any]) -> TenantId | None:
    carried = None if _scope_of(task).needs_tenant else _carried(request, _FOLLOWED)
    if carried is None:
        return None
    return _installed(task).tenants.named(ONE_TENANT, carried, task.name, task_id)


def _carried(request: Mapping[str, Any], header: str) -> object:
    # Celery itself sets delivery_info, of a message as well.
    if (request.get("delivery_info") or {}).get("is_eager"):
        request = request.get("headers") or {}
    return request.get(header)


def _enter_tenant(*, task: Task, **_: Any) -> None:
    if isinstance(task, TenantTask):
        setattr(task.request, _ENTERED, _Entered(task))


def _leave_tenant(*, task: Task, **_: Any) -> None:
    entered: _Entered | None = getattr(task.request, _ENTERED, None)
    if entered is not None:
        entered.leave()


# Sent in the process and thread of the task, before and after all of it.
signals.task_prerun.connect(_enter_tenant, weak=False, dispatch_uid=__name__)
signals.task_postrun.connect(_leave_tenant, weak=False, dispatch_uid=__name__)


def _check(task: TenantTask) -> None:
    entered: _Entered | None = getattr(task.request, _ENTERED, None)
    if entered is None:
        raise ConfigurationError(
            f"the task {task.name!r} was started without task_prerun being sent, which finds its "
            "tenant"
        )
    if entered.error is not None:
        _refuse(task, entered.error)


def _refuse(task: TenantTask, error: Exception) -> NoReturn:
    installed = _installed(task)
    disposal = installed.tenants.disposal(error)
    if disposal == "retry":
        raise task.retry(exc=error)
    if disposal == "dead_letter" and not task.request.is_eager:
        again: Any = task.signature_from_request(queue=installed.dead_letter_queue)
        again.apply_async()
        raise Ignore(f"sent to {installed.dead_letter_queue!r}: {error}") from error
    raise error
