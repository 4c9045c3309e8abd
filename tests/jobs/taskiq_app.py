"""An application with Taskiq."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any

from taskiq_redis import RedisStreamBroker

from tenantshield_mw.adapters.taskiq import TenantMiddleware

from . import schema


def make_broker() -> RedisStreamBroker:
    # What a worker that is gone has not acknowledged is taken from it after a second.
    options: dict[str, Any] = {"idle_timeout": 1_000, "xread_block": 200, "xread_count": 1}
    # Older releases have no such limit.
    if "unacknowledged_lock_timeout" in inspect.signature(RedisStreamBroker).parameters:
        options["unacknowledged_lock_timeout"] = 1
    return RedisStreamBroker(os.environ["JOBS_BROKER"], consumer_id="0", **options)


broker = make_broker().with_middlewares(
    TenantMiddleware(directory=schema.make_directory(in_thread=True), keys=schema.KEYS)
)


@broker.task(task_name="work")
def work(number: int, is_killed: bool = False) -> None:
    schema.work(number, is_killed)


async def enqueue(number: int, is_killed: bool) -> None:
    await work.kiq(number, is_killed)


def enqueue_bare(number: int) -> None:
    """Enqueue as somebody does who does not use the adapter."""

    async def send() -> None:
        bare = make_broker()
        await work.kicker().with_broker(bare).kiq(number)
        await bare.shutdown()

    asyncio.run(send())


WORKER = "taskiq worker tests.jobs.taskiq_app:broker --workers 1 --max-async-tasks 1"
