"""The tenant in log records."""

from __future__ import annotations

import logging
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import TenantLogFilter, system_scope, tenant_scope

FORMAT = "%(tenant_scope)s [%(tenant_id)s] %(message)s"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logger() -> Any:
    logger = logging.getLogger("tests.shop")
    logger.setLevel("INFO")
    yield logger
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


def test_records_have_the_tenant(logger: logging.Logger) -> None:
    handler = Lines()
    handler.addFilter(TenantLogFilter())
    logger.addHandler(handler)
    logger.info("started")
    with system_scope("a report"):
        logger.info("counts")
        with tenant_scope(UUID(int=7)):
            logger.info("paid")
    assert handler.lines == [
        "none [-] started",
        "system [-] counts",
        f"tenant [{UUID(int=7)}] paid",
    ]


def test_a_record_that_is_queued_has_the_tenant_of_its_time(logger: logging.Logger) -> None:
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = QueueHandler(queue)
    handler.addFilter(TenantLogFilter(without="nobody"))
    logger.addHandler(handler)
    with tenant_scope("acme"):
        logger.info("paid")
    logger.info("started")
    behind = Lines()
    behind.addFilter(TenantLogFilter())
    with tenant_scope("globex"):
        for record in (queue.get_nowait(), queue.get_nowait()):
            behind.handle(record)
    assert behind.lines == ["tenant [acme] paid", "none [nobody] started"]
