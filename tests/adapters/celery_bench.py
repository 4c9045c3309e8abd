"""A Celery application with a broker in memory, which notes what its tasks see."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.worker import state as worker_state

from tenantshield_mw import (
    TenantDirectory,
)
from tenantshield_mw.adapters.celery import install

from .job_bench import KEY, JobBench

__all__ = ["KEY", "TIMEOUT", "Bench", "Running", "both", "got", "in_worker"]

TIMEOUT = 30


class Bench(JobBench):
    """An application with a broker in memory, and what its tasks have seen."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.queue = f"test-{uuid.uuid4()}"
        self.app = self.make_app()
        options.setdefault("keys", [KEY])
        self.directory = TenantDirectory(self.look_up, negative_ttl=0)
        install(self.app, directory=self.directory, **options)

    def make_app(self) -> Celery:
        app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        app.conf.update(
            task_default_queue=self.queue,
            broker_transport_options={"polling_interval": 0.01},
            result_chord_retry_interval=0.01,
            worker_hijack_root_logger=False,
            worker_enable_remote_control=False,
            task_store_eager_result=True,
        )
        return app

    def task(self, *function: Any, **options: Any) -> Any:
        """Declare a task of this application alone."""
        return self.app.task(*function, shared=False, **options)

    @contextmanager
    def worker(self, *queues: str) -> Generator[None]:
        """Run a worker in a thread."""
        options: dict[str, Any] = {"queues": queues} if queues else {}
        options |= {"pool": "solo", "perform_ping_check": False, "loglevel": logging.CRITICAL}
        worker: Any = start_worker
        with _logging_as_it_was(), worker(self.app, **options):
            try:
                yield
            finally:
                # It would look only every two seconds, and waits once more when it has looked.
                worker_state.should_terminate = 0
                for _ in range(2):
                    self.app.tasks["celery.backend_cleanup"].delay()


@contextmanager
def _logging_as_it_was() -> Generator[None]:
    # The worker of Celery's tests sets up logging, even if it is told not to.
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]


def in_worker(bench: Bench) -> AbstractContextManager[None]:
    return bench.worker()


@contextmanager
def eager(bench: Bench) -> Generator[None]:
    bench.app.conf.task_always_eager = True
    yield


def got(tasks: Any) -> Any:
    """Send tasks, and return what they return."""
    return tasks.apply_async().get(interval=0.01, timeout=TIMEOUT)


both = pytest.mark.parametrize("running", [in_worker, eager])
Running = Callable[[Bench], AbstractContextManager[None]]
