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
from tenantshield_mw.adapters.sqlalchemy.observe.observing import Observation
from tenantshield_mw.adapters.sqlalchemy.observe.reports import Reports
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
    """Each way on one of its databases in turn, so that those of a theme come to all of them."""
    for turn, way in enumerate(catalogue()):
        flavour: Flavour = "async" if inspect.iscoroutinefunction(way.run) else "sync"
        names = [each for each in NAMES if not {each, flavour} & way.why_not.keys()]
        if names and not way.open:
            name = names[turn % len(names)]
            yield pytest.param(name, way, flavour, id=f"{name} | {way.name}")


@pytest.fixture(scope="module")
def arenas(models: Models) -> Iterator[Callable[[DatabaseName], Arena]]:
    with asyncio.Runner() as runner, ExitStack() as stack:

        @cache
        def get(name: DatabaseName) -> Arena:
            require(name)
            return stack.enter_context(arena(load("ours"), models, name, runner))

        yield get


@pytest.fixture(scope="module")
def observation(arenas: object) -> Iterator[Observation]:
    """One for all ways: to begin with another one takes longer than most of them."""
    begun = observe()
    yield begun
    begun.stop()


@pytest.mark.parametrize(("name", "way", "flavour"), list(cases()))
def test_a_way_that_is_open_is_reported(
    arenas: Callable[[DatabaseName], Arena],
    observation: Observation,
    name: DatabaseName,
    way: Way,
    flavour: Flavour,
) -> None:
    here = arenas(name)
    observation._reports = Reports(None, None)
    outcome = here.run(way, flavour)
    if outcome.verdict == "LEAK" and way.name not in NEVER_READ:
        assert observation.reports, outcome.detail
