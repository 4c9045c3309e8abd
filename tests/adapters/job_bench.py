"""What the jobs of a test have seen, and the tenants that their workers find."""

from __future__ import annotations

from typing import Any, Final

from tenantshield_mw import TenantContext, TenantId, TenantState, try_current_tenant
from tenantshield_mw.context import current_bound
from tenantshield_mw.messages import describe

__all__ = ["KEY", "JobBench"]

KEY: Final = b"a key for the tests, 32 bytes or more"


class JobBench:
    """Notes what jobs see, and answers as their directory.

    Attributes:
        states: the tenants that are not active.
        failures: what the next look-ups raise, the last first.
        seen: what was noted.
    """

    def __init__(self) -> None:
        self.states: dict[TenantId, TenantState] = {}
        self.failures: list[Exception] = []
        self.seen: list[Any] = []

    def look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        if self.failures:
            raise self.failures.pop()
        state = self.states.get(tenant_id, TenantState.ACTIVE)
        return TenantContext(tenant_id, {"of": tenant_id}) if state is TenantState.ACTIVE else state

    def see(self, *what: Any) -> None:
        """Note what is bound."""
        tenant = try_current_tenant()
        of = describe(current_bound()) if tenant is None else tenant.tenant_id
        self.seen.append((*what, of) if what else of)
