"""No way across where tenants have places of their own, and nothing legitimate is broken.

The whole catalogue runs in two kinds of places here, and ``make leaks`` runs it in all of them,
sync and async. Here, the others have the themes in which it matters where a table is: what the
guard adds to a statement is the same everywhere.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Final, Protocol

import pytest

from tests.databases import DatabaseName, require

from .arena import Arena, Flavour, Outcome, arena
from .at_once import at_once
from .catalogue import Way, catalogue, legitimate_operations
from .judging import judge
from .placed import AT, PlaceKind
from .protections import Protection, load
from .schema import Models

WAYS: Final = [*catalogue(), *legitimate_operations()]

WHERE_TABLES_ARE: Final = {
    # A table is named by what the guard does not compile.
    *("raw", "raw_disguised", "raw_driver", "raw_parts", "raw_text"),
    # A name is looked up in a schema, or a table comes and goes.
    *("names", "schema_effects", "set_tables", "stand_ins"),
    # A connection or a transaction is kept, left or handed on.
    *("savepoints", "scopes", "sessions", "tasks", "workers"),
    # A statement is sent later, by an object.
    *("orm", "orm_mapped", "orm_relationships"),
}
"""The themes."""

WHOLE: Final[list[tuple[DatabaseName, PlaceKind]]] = [
    ("sqlite", "database"),
    ("postgresql", "schema"),
]


class Runs(Protocol):
    """What runs ways."""

    protection: Protection

    def run(self, way: Way, flavour: Flavour) -> Outcome: ...


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load("ours"))


@pytest.fixture(scope="module", params=WHOLE, ids=" in a ".join)
def with_places(request: pytest.FixtureRequest, models: Models) -> Iterator[Arena]:
    name, kind = request.param
    require(name)
    protection = load("ours")
    protection.at = AT[kind]
    with (
        asyncio.Runner() as runner,
        arena(protection, models, name, runner, place=kind) as home,
    ):
        yield home


def run_theme(home: Runs, theme: str, preferred: Flavour = "sync") -> None:
    for way in WAYS:
        if way.theme != theme:
            continue
        outcome = home.run(way, flavour_of(way, preferred))
        if outcome.verdict == "n/a":
            continue
        if way.kind == "legitimate":
            assert outcome.verdict == "confined", (way.name, outcome.detail)
        else:
            judge(outcome, way.open_still if home.protection.has_policies else way.open)


def flavour_of(way: Way, preferred: Flavour) -> Flavour:
    if inspect.iscoroutinefunction(way.run):
        return "async"
    return "sync" if preferred in way.why_not else preferred


@pytest.mark.parametrize("theme", sorted({way.theme for way in WAYS}))
def test_it_is_the_same_where_tenants_have_a_place_of_their_own(
    with_places: Arena, theme: str
) -> None:
    run_theme(with_places, theme)


def test_it_is_the_same_in_a_database_of_mariadb(models: Models) -> None:
    require("mariadb")
    protection = load("ours")
    protection.at = AT["database"]
    with (
        asyncio.Runner() as runner,
        arena(protection, models, "mariadb", runner, place="database") as home,
    ):
        for theme in sorted(WHERE_TABLES_ARE):
            run_theme(home, theme, "async")


@pytest.mark.parametrize(
    ("of", "flavour"),
    [("ours", "sync"), ("ours_with_policies", "async")],
    ids=["guard", "policies"],
)
def test_it_is_the_same_with_all_kinds_of_places_at_once(
    models: Models, of: str, flavour: Flavour
) -> None:
    require("postgresql")
    with asyncio.Runner() as runner, at_once(load(of), models, runner) as homes:
        for theme in sorted(WHERE_TABLES_ARE):
            run_theme(homes, theme, flavour)


def test_the_themes_are_there() -> None:
    assert {way.theme for way in WAYS} >= WHERE_TABLES_ARE
