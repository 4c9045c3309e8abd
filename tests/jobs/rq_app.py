"""An application with RQ."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue, Retry

from tenantshield_mw.adapters.rq import TenantJob
from tenantshield_mw.jobs import JobTenants

from . import schema
from .schema import work

__all__ = ["WORKER", "AppJob", "enqueue", "enqueue_bare", "work"]

connection = Redis.from_url(os.environ["JOBS_BROKER"])


class AppJob(TenantJob):
    tenants = JobTenants(directory=schema.make_directory(), keys=schema.KEYS)


queue = Queue("jobs", connection=connection, job_class=AppJob)


def enqueue(number: int, is_killed: bool) -> None:
    queue.enqueue(work, number, is_killed, retry=Retry(max=2))


def enqueue_bare(number: int) -> None:
    """Enqueue as somebody does who does not use the adapter."""
    Queue("jobs", connection=connection).enqueue(work, number, False, retry=Retry(max=2))


WORKER = "rq.cli worker jobs -u {broker} --job-class tests.jobs.rq_app.AppJob"
