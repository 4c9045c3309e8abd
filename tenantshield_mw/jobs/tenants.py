"""How the jobs of an application find their tenants: the part that all queues share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias, final, get_args

from tenantshield_mw.context import Bound, current_bound
from tenantshield_mw.directory import Lookup, TenantDirectory, as_directory
from tenantshield_mw.errors import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantNotFoundError,
    TenantShieldError,
    TenantSuspendedError,
)
from tenantshield_mw.resolution import is_awaitable
from tenantshield_mw.tenant import TenantContext, TenantId

from .envelope import HEADER, Signer
from .scope import JobScope

__all__ = ["JobTenants", "OnRefused"]

OnRefused: TypeAlias = Literal["reject", "retry", "dead_letter"]
"""What happens to a job whose tenant is suspended or unknown by the time it runs: it fails for
good, it is tried again later, or it is put aside. The adapters say what each of these is in their
queue."""

_ON_REFUSED: Final[tuple[OnRefused, ...]] = get_args(OnRefused)


@final
class JobTenants:
    """Says what a message carries, and in what its job runs.

    Args:
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a lookup, which a worker asks for
            the tenant of each job. Its ids are those that scopes are bound to. ``None``: nobody
            is asked, and the jobs of suspended tenants run.
        keys: to sign what messages carry. The first one signs, each of them verifies; see
            :class:`~tenantshield_mw.jobs.envelope.Signer`.
        on_refused: what happens to the job of a tenant that is suspended or unknown.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    __slots__ = ("_directory", "_on_refused", "_signer")

    def __init__(
        self,
        *,
        directory: TenantDirectory | Lookup | None,
        keys: Sequence[bytes] = (),
        on_refused: OnRefused = "reject",
    ) -> None:
        if on_refused not in _ON_REFUSED:
            raise ConfigurationError(
                f"on_refused must be one of {', '.join(map(repr, _ON_REFUSED))}"
            )
        self._directory = as_directory(directory)
        self._signer = Signer(keys)
        self._on_refused: OnRefused = on_refused

    def carried(
        self,
        scope: JobScope,
        task: str,
        message_id: str,
        *,
        unless_bound: TenantId | None = None,
    ) -> dict[str, Any] | None:
        """Return what a new message carries: the tenant in scope; ``None`` if the job needs none.

        Args:
            scope: what the job runs in.
            task: the task's name.
            message_id: the id of the message, which each attempt at the job keeps.
            unless_bound: the tenant to name if none is in scope: that of a job that was refused,
                and is sent again.

        Raises:
            MissingTenantContextError: no tenant is in scope.
        """
        if not scope.needs_tenant:
            return None
        bound = current_bound()
        if isinstance(bound, TenantContext):
            return self._signer.signed(bound.tenant_id, task, message_id)
        if bound is None and unless_bound is not None:
            return self._signer.signed(unless_bound, task, message_id)
        raise MissingTenantContextError(
            f"the job {task!r} works for a tenant, and "
            + ("none is in scope" if bound is None else "a system scope names none")
            + ": enqueue it inside tenant_scope(...), or declare the task with tenant=None or "
            'system="..."'
        )

    @property
    def signs(self) -> bool:
        """Whether messages are signed, so that nobody else can have named their tenants."""
        return self._signer.has_keys

    def signed(self, tenant_id: TenantId, task: str, message_id: str) -> dict[str, Any]:
        """Return what a new message carries to name ``tenant_id``."""
        return self._signer.signed(tenant_id, task, message_id)

    def named(
        self, scope: JobScope, carried: object, task: str, message_id: str
    ) -> TenantId | None:
        """Return the tenant that a message names; ``None`` if its job needs none.

        Args:
            scope: what the job runs in.
            carried: what the message carries; ``None`` if nothing.
            task: the task's name.
            message_id: the id of the message.

        Raises:
            MissingTenantContextError: the message names no tenant, and the job needs one.
            TenantResolutionError: what it carries is malformed, or has no valid signature.
            ScopeMismatchError: it names one, and the job runs without.
        """
        if scope.needs_tenant:
            if carried is not None:
                return self._signer.verified(carried, task, message_id)
            raise MissingTenantContextError(
                f"the message for {task!r} has no {HEADER!r}, so its job has no tenant and is not "
                "run: install this package's adapter where it is enqueued as well, or declare "
                'the task with tenant=None or system="..."'
            )
        if carried is None:
            return None
        raise ScopeMismatchError(
            f"the task {task!r} runs without a tenant, and its message names one: where it is "
            "enqueued, too, the task has to be declared with tenant=None or system=..."
        )

    def bound(self, scope: JobScope, tenant_id: TenantId | None) -> Bound:
        """Return what is bound while the job runs; blocks while the directory is asked.

        Args:
            scope: what the job runs in.
            tenant_id: what :meth:`named` returned.

        Raises:
            TenantNotFoundError: the directory does not have the tenant.
            TenantSuspendedError: it is suspended.
            ConfigurationError: the directory's lookup is async, or its answer is invalid.
            Exception: what the directory's lookup raises.
        """
        if tenant_id is None:
            return scope.bound
        if self._directory is None:
            return TenantContext(tenant_id)
        return _same(tenant_id, self._directory.find(tenant_id, blocking=True))

    async def abound(self, scope: JobScope, tenant_id: TenantId | None) -> Bound:
        """Return what is bound while the job runs; awaits an async lookup.

        Args:
            scope: what the job runs in.
            tenant_id: what :meth:`named` returned.

        Raises:
            TenantNotFoundError: the directory does not have the tenant.
            TenantSuspendedError: it is suspended.
            ConfigurationError: the lookup's answer is invalid.
            Exception: what the directory's lookup raises.
        """
        if tenant_id is None:
            return scope.bound
        if self._directory is None:
            return TenantContext(tenant_id)
        found: object = self._directory.find(tenant_id, blocking=False)
        return _same(tenant_id, await found if is_awaitable(found) else found)

    def disposal(self, error: Exception) -> OnRefused:
        """Return what happens to a job that is refused with ``error``.

        A tenant that is suspended or unknown may come back, so ``on_refused`` is for these. A
        message that names none, or not validly, stays as it is: its job fails. All else is no
        fault of the job, such as an error of the directory's database or a worker that is set up
        wrongly: it is tried again.
        """
        if isinstance(error, TenantSuspendedError | TenantNotFoundError):
            return self._on_refused
        if isinstance(error, TenantShieldError) and not isinstance(error, ConfigurationError):
            return "reject"
        return "retry"


def _same(tenant_id: TenantId, found: object) -> TenantContext:
    if isinstance(found, TenantContext) and found == TenantContext(tenant_id):
        return found
    raise ConfigurationError(
        "the directory that workers ask returned a tenant with another id than it was asked for: "
        "jobs carry the id that scopes are bound to, so give them a directory that is looked up by "
        "that one, such as tenants_in(..., id=Tenant.id)"
    )
