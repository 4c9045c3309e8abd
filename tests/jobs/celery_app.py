"""An application with Celery."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from tenantshield_mw.adapters.celery import install

from . import schema

app = Celery("jobs", broker=os.environ["JOBS_BROKER"], set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
)
install(app, directory=schema.make_directory(), keys=schema.KEYS)


task: Any = app.task


@task(name="work")
def work(number: int, is_killed: bool = False) -> None:
    schema.work(number, is_killed)


def enqueue(number: int, is_killed: bool) -> None:
    app.tasks["work"].delay(number, is_killed)


def enqueue_bare(number: int) -> None:
    """Enqueue as somebody does who does not use the adapter."""
    bare = Celery("bare", broker=os.environ["JOBS_BROKER"], set_as_current=False)
    bare.send_task("work", (number,))


WORKER = "celery -A tests.jobs.celery_app worker -c 1 --without-mingle --without-gossip -l WARNING"
