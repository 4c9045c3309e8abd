"""A broker in memory for the tests of the Dramatiq adapter."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq import Middleware, Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO

from tenantshield_mw import TenantDirectory
from tenantshield_mw.adapters.dramatiq import install

from .job_bench import KEY, JobBench

__all__ = ["KEY", "Bench"]


class Bench(JobBench):
    """A broker in memory, and what its actors have seen."""

    def __init__(self, *more: Middleware, **options: Any) -> None:
        super().__init__()
        # Before 2.0, it was among these, and needs a server.
        middleware = [
            each()
            for each in dramatiq.middleware.default_middleware
            if each.__name__ != "Prometheus"
        ]
        self.broker = StubBroker(middleware=[*middleware, AsyncIO(), *more])
        self.directory = TenantDirectory(self.look_up, negative_ttl=0)
        options.setdefault("keys", [KEY])
        install(self.broker, directory=self.directory, **options)

    def actor(self, function: Any = None, **options: Any) -> Any:
        """Declare an actor, which retries at once."""
        options = {"min_backoff": 1, "max_backoff": 2, "max_retries": 3, **options}
        declare: Any = dramatiq.actor
        return declare(function, broker=self.broker, **options)

    @contextmanager
    def worker(self) -> Generator[None]:
        """Run a worker in threads until all messages are done."""
        worker = Worker(self.broker, worker_timeout=10, worker_threads=2)
        worker.start()
        try:
            yield
            self.broker.join("default", timeout=30_000, fail_fast=False)
            worker.join()
        finally:
            worker.stop()

    def dead(self) -> list[str]:
        return [message.actor_name for message in self.broker.dead_letters]
