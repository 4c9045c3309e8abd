"""The RQ adapter: a class of jobs that run under the tenant that they were enqueued under.

The tenant's id travels in the job's metadata.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Final, NoReturn, TypeVar, overload

from rq import Retry
from rq.job import Job

from tenantshield_mw.context import Bound, unbind
from tenantshield_mw.errors import ConfigurationError, TenantShieldError
from tenantshield_mw.jobs import HEADER, JobScope, JobTenants
from tenantshield_mw.jobs.scope import ONE_TENANT, enter
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = ["TenantJob", "job_scope"]

F = TypeVar("F", bound=Callable[..., Any])

_DECLARED: Final = "__tenantshield_job__"


@overload
def job_scope(*, tenant: None) -> Callable[[F], F]: ...
@overload
def job_scope(*, system: str) -> Callable[[F], F]: ...
def job_scope(**options: Any) -> Callable[[F], F]:  # noqa: D417
    """Return a decorator for a function whose job works for no single tenant.

    ::

        @job_scope(tenant=None)
        def heartbeat() -> None: ...

        @job_scope(system="nightly statistics")
        def statistics() -> None: ...

    Args:
        tenant: ``None``: the job runs without a tenant, and reaches no tenant's rows.
        system: why the job may see all tenants; it runs in a system scope.

    Raises:
        ConfigurationError: anything else was given, or nothing.
    """
    if JobScope.declared(options, "job_scope()").needs_tenant or len(options) != 1:
        raise ConfigurationError('job_scope() takes tenant=None or system="...", a reason')

    def decorate(function: F) -> F:
        setattr(function, _DECLARED, options)
        return function

    return decorate


class TenantJob(Job):
    """The base of an application's class of jobs::

        class AppJob(TenantJob):
            tenants = JobTenants(directory=directory)

        queue = Queue(connection=Redis(), job_class=AppJob)
        # rq worker --job-class myapp.jobs.AppJob

    Give the class to each queue and each worker. A job that needs a tenant is refused with
    :class:`~tenantshield_mw.MissingTenantContextError` where it is enqueued without, and if it
    comes to a worker without. Its callbacks run under its tenant, too.

    What happens to a job whose tenant is suspended or unknown is said by
    :class:`~tenantshield_mw.jobs.JobTenants`. ``"reject"``: it fails, also if it has retries left.
    ``"retry"``: it is retried as its own ``Retry`` says, or else as :attr:`retry_refused` says.
    ``"dead_letter"``: it fails, and stays in the queue's registry of failed jobs for good, from
    where ``rq requeue`` sends it again.
    """

    tenants: ClassVar[JobTenants]
    """How jobs find their tenants."""

    retry_refused: ClassVar[Retry] = Retry(max=3, interval=180)
    """How often, and after how many seconds, a refused job is tried again that has no ``Retry``.
    RQ's scheduler must run for an interval, as with ``rq worker --with-scheduler``."""

    _bound: Bound = None
    _is_refused = False

    @classmethod
    def create(cls, func: Any, *args: Any, **options: Any) -> Any:
        """Create a job for the tenant in scope; takes the arguments of RQ's own method."""
        job: Any = super().create(func, *args, **options)
        # By its path, the function may belong to workers alone.
        scope = job._scope(ONE_TENANT if isinstance(func, str) else None)
        carried = cls._tenants().carried(scope, job.func_name, job.id)
        meta = {key: value for key, value in job.meta.items() if key != HEADER}
        job.meta = meta if carried is None else {**meta, HEADER: carried}
        return job

    def perform(self) -> Any:
        """Run the job; called in a worker."""
        try:
            named = self._named()
            self._bound = self._tenants().bound(self._scope(), named)
        except Exception as error:  # noqa: BLE001
            self._refuse(error)
        binding = enter(self._bound)
        try:
            return super().perform()
        finally:
            unbind(binding)

    @property
    def success_callback(self) -> Any:
        """What is called after the job."""
        return self._under_tenant(super().success_callback)

    @property
    def failure_callback(self) -> Any:
        """What is called after the job has failed; without a tenant if it was refused."""
        return self._under_tenant(super().failure_callback)

    @property
    def stopped_callback(self) -> Any:
        """What is called after the job was stopped."""
        return self._under_tenant(super().stopped_callback)

    @classmethod
    def _tenants(cls) -> JobTenants:
        found: object = getattr(cls, "tenants", None)
        if isinstance(found, JobTenants):
            return found
        raise ConfigurationError(
            f"the class of jobs {cls.__name__} does not say how they find their tenants: give it "
            "the attribute tenants = JobTenants(directory=...)"
        )

    def _scope(self, otherwise: JobScope | None = None) -> JobScope:
        """Return what the job's function says.

        Args:
            otherwise: what is returned if there is no such function here.
        """
        try:
            function = self.func
        except (ImportError, AttributeError, ValueError):
            if otherwise is None:
                raise
            return otherwise
        return JobScope.declared(getattr(function, _DECLARED, {}), str(self.func_name))

    def _named(self) -> TenantId | None:
        carried = self.meta.get(HEADER)
        return self._tenants().named(self._scope(), carried, str(self.func_name), self.id)

    def _refuse(self, error: Exception) -> NoReturn:
        self._is_refused = True
        disposal = self._tenants().disposal(error)
        if disposal != "retry":
            self.retries_left = 0
        elif self.retries_left is None:
            self.retries_left = self.retry_refused.max
            self.retry_intervals = self.retry_refused.intervals
        if disposal == "dead_letter":
            self.failure_ttl = -1
        raise error

    def _under_tenant(self, callback: Any) -> Any:
        # RQ refuses coroutine functions by itself.
        if callback is None or inspect.iscoroutinefunction(callback):
            return callback

        @wraps(callback)
        def called(*args: Any) -> Any:
            binding = enter(self._bound_for_callback())
            try:
                return callback(*args)
            finally:
                unbind(binding)

        return called

    def _bound_for_callback(self) -> Bound:
        if self._is_refused or self._bound is not None:
            return self._bound
        # The job ran in another process, which is gone. That one has asked the directory.
        try:
            named = self._named()
            return self._scope().bound if named is None else TenantContext(named)
        except TenantShieldError:
            return None
