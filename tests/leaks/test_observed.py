"""Report mode lets every way run, and reports each that reaches another tenant's rows."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Final

import pytest

from tenantshield_mw.adapters.sqlalchemy import observe
from tests.databases import NAMES, DatabaseName, require

from .arena import Arena, Flavour, arena
from .catalogue import Way, catalogue
from .protections import load
from .schema import Models

NEVER_READ: Final = frozenset(
    {
        "column: deferred",
        # With SQLAlchemy 2.0.
        "orm: attributes of an object made detached by hand",
        "orm: a many-to-one of an object made detached by hand",
        "orm: a relationship of an object made detached by hand",
        "orm: refresh of an object made detached by hand",
        "orm: refresh of one attribute of an object made detached by hand",
        "relationship: of an object that was never added",
    }
)
"""What is loaded for an object counts with the statement that read the object. No statement read
these, see docs/report-mode.md."""


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load("ours"))


def cases() -> Iterator[object]:
    for name in NAMES:
        for way in catalogue():
            flavour: Flavour = "async" if inspect.iscoroutinefunction(way.run) else "sync"
            if not way.open and not {name, flavour} & way.why_not.keys():
                yield pytest.param(name, way, flavour, id=f"{name} | {way.name}")


@pytest.fixture(scope="module")
def arenas(models: Models) -> Iterator[Callable[[DatabaseName], Arena]]:
    with asyncio.Runner() as runner, ExitStack() as stack:

        @cache
        def get(name: DatabaseName) -> Arena:
            require(name)
            return stack.enter_context(arena(load("ours"), models, name, runner))

        yield get


@pytest.mark.parametrize(("name", "way", "flavour"), list(cases()))
def test_a_way_that_is_open_is_reported(
    arenas: Callable[[DatabaseName], Arena], name: DatabaseName, way: Way, flavour: Flavour
) -> None:
    here = arenas(name)
    observation = observe()
    try:
        outcome = here.run(way, flavour)
        reports = observation.reports
    finally:
        observation.stop()
    if outcome.verdict == "LEAK" and way.name not in NEVER_READ:
        assert reports, outcome.detail
