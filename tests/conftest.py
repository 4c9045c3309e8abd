"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings

# An example that is slow on a busy machine is not a failure.
settings.register_profile("tenantshield_mw", deadline=None)
settings.load_profile("tenantshield_mw")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through everything that was imported, each time.

    That took most of the time of the tests that collect garbage, and a part of all others'.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Fail a test that changes the configuration of logging, on which the next one may depend."""
    root = logging.getLogger()
    before = root.level, logging.root.manager.disable
    yield
    after = root.level, logging.root.manager.disable
    root.setLevel(before[0])
    logging.disable(before[1])
    assert after == before, "the root logger is left at another level"


@pytest.fixture(scope="session", autouse=True)
def engines_made() -> Iterator[list[Any]]:
    """Record each engine that is created, and dispose of the remaining ones at the end.

    Python 3.13 and newer warn of a connection to SQLite that is never closed, at whatever test
    happens to run when they notice.
    """
    made: list[Any] = []
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is None:
        yield made
        return
    logger_of = sqlalchemy.log.instance_logger

    # Called for each engine and each pool. The engine's own __init__ stays as it is, since
    # create_engine() reads its parameters off.
    def noted(instance: Any, *arguments: Any, **options: Any) -> None:
        logger_of(instance, *arguments, **options)
        if isinstance(instance, sqlalchemy.Engine):
            made.append(instance)

    with mock.patch.object(sqlalchemy.log, "instance_logger", noted):
        yield made
    dispose_of(made)


@pytest.fixture(autouse=True)
def engines_disposed_of(engines_made: list[Any]) -> Iterator[None]:
    """Dispose of each engine that a test has made; a module's fixture may need its own further."""
    before = len(engines_made)
    yield
    dispose_of(engines_made[before:])
    del engines_made[before:]


def dispose_of(engines: list[Any]) -> None:
    for engine in engines:
        if not engine.dialect.is_async:
            engine.dispose()
        elif engine.dialect.driver == "aiosqlite":
            # These work with any event loop; other drivers' connections belong to the test's loop.
            asyncio.run(sys.modules["sqlalchemy.ext.asyncio"].AsyncEngine(engine).dispose())
