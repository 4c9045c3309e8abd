"""What the code of a job says it runs in: one tenant's scope, no tenant, or a system scope.

The code says it, not the message: who can write to the broker could otherwise have any job run in
a system scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self, final

from tenantshield_mw.context import Binding, Bound, SystemContext, audit_log, bind
from tenantshield_mw.errors import ConfigurationError

__all__ = ["ONE_TENANT", "OPTIONS", "JobScope", "enter"]

OPTIONS: Final = frozenset({"tenant", "system"})
"""The options of a task that :meth:`JobScope.declared` reads."""


@final
class JobScope:
    """What a job runs in.

    Args:
        needs_tenant: whether it runs in one tenant's scope, which its message names.
        bound: what is bound otherwise: a system scope, or nothing.
    """

    __slots__ = ("bound", "needs_tenant")

    def __init__(self, *, needs_tenant: bool, bound: SystemContext | None = None) -> None:
        self.needs_tenant = needs_tenant
        self.bound = bound

    @classmethod
    def declared(cls, options: Mapping[str, object], task: str) -> Self:
        """Return what a task's own options say.

        Args:
            options: of these, ``tenant``, which can only be ``None``, and ``system``, the reason
                why the task may see all tenants. With neither, the task needs a tenant.
            task: its name, for the error.

        Raises:
            ConfigurationError: one of the two is anything else, or both are given.
        """
        given = {name: options[name] for name in OPTIONS if name in options}
        if not given:
            return cls(needs_tenant=True)
        if given == {"tenant": None}:
            return cls(needs_tenant=False)
        reason = given.get("system")
        if len(given) == 1 and isinstance(reason, str) and reason.strip():
            return cls(needs_tenant=False, bound=SystemContext(reason))
        raise ConfigurationError(
            f"the task {task!r} says in what it runs by tenant=None, if it works for no tenant, or "
            'by system="...", a reason, if it may see all tenants; otherwise by neither'
        )


ONE_TENANT: Final = JobScope(needs_tenant=True)
"""What a job runs in whose code is not at hand."""


def enter(bound: Bound) -> Binding:
    """Bind in the current context, and log the reason of a system scope.

    For hooks, which cannot use a ``with`` block; the result goes to
    :func:`~tenantshield_mw.context.unbind`.
    """
    if isinstance(bound, SystemContext):
        audit_log.info("system scope: %s", bound.reason)
    return bind(bound)
