"""An application with Dramatiq."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker

from tenantshield_mw.adapters.dramatiq import install

from . import schema


def make_broker() -> dramatiq.Broker:
    url = os.environ["JOBS_BROKER"]
    if url.startswith("amqp:"):
        return RabbitmqBroker(url=url)
    # A worker that is gone is noticed after a second, and looked for each time.
    options: dict[str, Any] = {"heartbeat_timeout": 1_000, "maintenance_chance": 1_000_000}
    return RedisBroker(url=url, **options)


broker = make_broker()
install(broker, directory=schema.make_directory(), keys=schema.KEYS)
dramatiq.set_broker(broker)


@dramatiq.actor
def work(number: int, is_killed: bool = False) -> None:
    schema.work(number, is_killed)


def enqueue(number: int, is_killed: bool) -> None:
    work.send(number, is_killed)


def enqueue_bare(number: int) -> None:
    """Enqueue as somebody does who does not use the adapter."""
    bare = make_broker()
    bare.declare_queue("default")
    bare.enqueue(dramatiq.Message("default", "work", (number,), {}, {}))
    bare.close()


WORKER = "dramatiq tests.jobs.dramatiq_app --processes 1 --threads 1"
