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
)
from tenantshield_mw.adapters.taskiq import TenantMiddleware

from .job_bench import KEY, JobBench

__all__ = ["KEY", "Bench"]


class Bench(JobBench):
    """A broker in memory, and what its tasks have seen.

    Args:
        await_inplace: whether a task runs before ``kiq()`` returns, in its caller's context.
    """

    def __init__(
        self, *more: TaskiqMiddleware, await_inplace: bool = False, **options: Any
    ) -> None:
        super().__init__()
        self.broker = InMemoryBroker(await_inplace=await_inplace)
        self.directory = TenantDirectory(self._look_up, negative_ttl=0)
        options.setdefault("keys", [KEY])
        self.broker.add_middlewares(TenantMiddleware(directory=self.directory, **options), *more)

    async def _look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        await asyncio.sleep(0)
        return self.look_up(tenant_id)

    async def wait(self) -> None:
        """Wait for all tasks, and those that they sent."""
        while self.broker._running_tasks:
            await self.broker.wait_all()
            await asyncio.sleep(0)
