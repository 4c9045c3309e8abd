"""A broker in memory for the tests of the Taskiq adapter."""

from __future__ import annotations

import asyncio
from typing import Any

from taskiq import (
    InMemoryBroker,
    TaskiqMiddleware,
)

from tenantshield_mw import (
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantState,
    try_current_tenant,
)
from tenantshield_mw.adapters.taskiq import TenantMiddleware
from tenantshield_mw.context import current_bound, describe

__all__ = ["KEY", "Bench"]

KEY = b"a key for the tests, 32 bytes or more"


class Bench:
    """A broker in memory, and what its tasks have seen.

    Args:
        await_inplace: whether a task runs before ``kiq()`` returns, in its caller's context.
    """

    def __init__(
        self, *more: TaskiqMiddleware, await_inplace: bool = False, **options: Any
    ) -> None:
        self.states: dict[TenantId, TenantState] = {}
        self.failures: list[Exception] = []
        self.seen: list[Any] = []
        self.broker = InMemoryBroker(await_inplace=await_inplace)
        self.directory = TenantDirectory(self._look_up, negative_ttl=0)
        options.setdefault("keys", [KEY])
        self.broker.add_middlewares(TenantMiddleware(directory=self.directory, **options), *more)

    async def _look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        state = self.states.get(tenant_id, TenantState.ACTIVE)
        return TenantContext(tenant_id) if state is TenantState.ACTIVE else state

    def see(self, *what: Any) -> None:
        """Note what is bound."""
        tenant = try_current_tenant()
        of = describe(current_bound()) if tenant is None else tenant.tenant_id
        self.seen.append((*what, of) if what else of)

    async def wait(self) -> None:
        """Wait for all tasks, and those that they sent."""
        while self.broker._running_tasks:
            await self.broker.wait_all()
            await asyncio.sleep(0)
