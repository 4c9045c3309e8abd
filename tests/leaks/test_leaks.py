"""No way across, on every database, sync and async; and nothing legitimate is broken."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.databases import NAMES, DatabaseName, require

from .arena import FLAVOURS, Arena, Flavour, arena
from .catalogue import Way, catalogue, legitimate_operations
from .judging import judge
from .protections import load
from .results import ROOT, run_apart
from .schema import Models

Arenas = Callable[[DatabaseName], Arena]

WAYS = catalogue()
OPERATIONS = legitimate_operations()

BY_DRIVERS = {
    "executed",
    "inserts",
    "open_by_nature",
    "raw_driver",
    "raw_text",
    "references",
    "savepoints",
    "scopes",
    "sessions",
    "upserts",
    "writes_core",
}
"""The themes in which drivers differ: how they execute, in batches or not, and in which
transaction."""


def _cases(ways: list[Way]) -> Iterator[object]:
    for way in ways:
        for name in NAMES:
            for flavour in FLAVOURS:
                sync_only = flavour == "sync" and inspect.iscoroutinefunction(way.run)
                if not sync_only and name not in way.why_not and flavour not in way.why_not:
                    yield pytest.param(way, name, flavour, id=f"{way.name} | {name} | {flavour}")


def _policies_cases(ways: list[Way]) -> Iterator[object]:
    """What needs no look at the whole again: everything in the flavour that costs less."""
    for way in ways:
        flavour: Flavour = "async" if inspect.iscoroutinefunction(way.run) else "sync"
        if not {"postgresql", "policies", flavour} & way.why_not.keys():
            yield pytest.param(way, flavour, id=f"{way.name} | {flavour}")


def _driver_cases(ways: list[Way]) -> Iterator[object]:
    """What is worth trying on one more sync driver of PostgreSQL."""
    for way in ways:
        has_form = not {"postgresql", "policies", "sync"} & way.why_not.keys()
        is_sync = not inspect.iscoroutinefunction(way.run)
        if has_form and is_sync and (way.theme in BY_DRIVERS or way.kind == "legitimate"):
            yield pytest.param(way, id=way.name)


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load("ours"))


@pytest.fixture(scope="module")
def with_policies(models: Models) -> Iterator[Arena]:
    with (
        asyncio.Runner() as runner,
        arena(load("ours_with_policies"), models, "postgresql", runner) as home,
    ):
        yield home


@pytest.fixture(scope="module")
def with_psycopg2(models: Models) -> Iterator[Arena]:
    protection = load("ours_with_policies")
    with (
        asyncio.Runner() as runner,
        arena(protection, models, "postgresql", runner, driver="psycopg2") as home,
    ):
        yield home


@pytest.fixture(scope="module")
def arenas(models: Models) -> Iterator[Arenas]:
    made: dict[DatabaseName, Arena] = {}
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        protection = load("ours")

        def get(name: DatabaseName) -> Arena:
            require(name)
            if name not in made:
                made[name] = stack.enter_context(arena(protection, models, name, runner))
            return made[name]

        yield get


@pytest.mark.parametrize(("way", "name", "flavour"), list(_cases(WAYS)))
def test_a_way_to_another_tenants_rows_is_confined_or_refused(
    arenas: Arenas, way: Way, name: DatabaseName, flavour: Flavour
) -> None:
    outcome = arenas(name).run(way, flavour)

    judge(outcome, way.open)


@pytest.mark.parametrize(("way", "flavour"), list(_policies_cases(WAYS)))
def test_policies_in_the_database_close_what_is_open_by_nature_too(
    with_policies: Arena, way: Way, flavour: Flavour
) -> None:
    judge(with_policies.run(way, flavour), way.open_still)


@pytest.mark.parametrize("way", list(_driver_cases([*WAYS, *OPERATIONS])))
def test_it_is_the_same_with_policies_on_psycopg2(with_psycopg2: Arena, way: Way) -> None:
    outcome = with_psycopg2.run(way, "sync")

    if way.kind == "legitimate":
        assert outcome.verdict == "confined", outcome.detail
    else:
        judge(outcome, way.open_still)


@pytest.mark.parametrize(("way", "name", "flavour"), list(_cases(OPERATIONS)))
def test_a_legitimate_operation_succeeds_with_the_right_result(
    arenas: Arenas, way: Way, name: DatabaseName, flavour: Flavour
) -> None:
    outcome = arenas(name).run(way, flavour)

    assert outcome.verdict == "confined", outcome.detail


@pytest.mark.parametrize(("way", "flavour"), list(_policies_cases(OPERATIONS)))
def test_a_legitimate_operation_succeeds_under_policies_too(
    with_policies: Arena, way: Way, flavour: Flavour
) -> None:
    outcome = with_policies.run(way, flavour)

    assert outcome.verdict == "confined", outcome.detail


def test_policies_alone_close_all_but_what_never_reaches_the_database() -> None:
    results = run_apart("policies_alone", ["postgresql"], each_flavour=False)

    crossed = {each.name for each in results if each.verdict == "LEAK"}
    assert crossed == {each.name for each in results if each.beyond_policies or each.open}
    tried = [each for each in results if each.verdict in ("confined", "refused")]
    assert len(tried) > 700


@pytest.mark.parametrize("name", NAMES)
def test_every_way_is_open_where_nothing_protects(name: DatabaseName) -> None:
    # Otherwise it would prove nothing that it is shut under the guard.
    require(name)

    results = run_apart("none", [name], each_flavour=False)

    tried = [each for each in results if each.kind != "legitimate" and each.verdict != "n/a"]
    assert {each.database for each in tried} == {name}
    assert [each for each in tried if (each.verdict == "LEAK") is each.harmless] == []


def test_it_runs_where_this_package_is_not_installed() -> None:
    # As in the environments of the peers, which `make leaks` makes.
    code = (
        "import sys; sys.modules['tenantshield_mw'] = sys.modules['pytest'] = None; "
        "import tests.leaks.results as results; assert results.catalogue()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_catalogue_is_as_large_as_promised() -> None:
    assert len(WAYS) >= 250
    assert len(OPERATIONS) >= 60
    assert all(reason for way in [*WAYS, *OPERATIONS] for reason in way.why_not.values())
