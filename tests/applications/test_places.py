"""The applications with tenants in shared tables, in a schema and in a database, at once.

A further diff gives each tenant a place. There are two worlds, as for the other sweep: in one the
tenants are in several places, in the other in shared tables, as before. Each tenant requests
everything with the ids of all others, of both, and must be told the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tenantshield_mw.adapters.testing import Caller, Finding, Operation
from tenantshield_mw.adapters.testing.sweep import Plan, findings_of
from tenantshield_mw.adapters.testing.sweeping import findings
from tests.databases import DatabaseName, require

from .applications import MAGAZINES, PROJECTS, SHOP, Application
from .diffs import apply
from .placed_world import NOBODY, PlacedWorld, placed_world, translated
from .test_applications import each_application, folder, own_tests, protect

__all__ = ["folder"]

TENANTS: Final = {
    "acme": "shared",
    "globex": "shared",
    "initech": "schema",
    "umbrella": "database",
}
SQLITE: Final = {**TENANTS, "initech": "database"}
TOGETHER: Final = dict.fromkeys(TENANTS, "shared")

CASES: Final[list[tuple[Application, DatabaseName]]] = [
    (PROJECTS, "postgresql"),
    (SHOP, "postgresql"),
    (MAGAZINES, "postgresql"),
    (MAGAZINES, "sqlite"),
]

ALLOWED: Final = {
    # Flask-Admin compares ids as text here, which PostgreSQL refuses: before any of the diffs, too.
    ("flask_admin_app", "postgresql"): ("failed POST /manage/item/action/",),
}

each_case = pytest.mark.parametrize(
    ("application", "kind"), CASES, ids=[f"{each.name} on {kind}" for each, kind in CASES]
)


def give_places(folder: Path) -> None:
    protect(folder)
    apply((folder / "places.diff").read_text(), folder)


def leaks_to(
    intruder: str,
    operations: list[Operation],
    application: Application,
    allow: Sequence[str],
    apart: PlacedWorld,
    together: PlacedWorld,
) -> list[Finding]:
    """Return what is told to a tenant that is another's, or is not what it is told in the
    other world, and what it changes that is another's.
    """
    others = [each for each in apart.places if each != intruder]
    ids = {
        name: [apart.ids[each][table][0] for each in others] for name, table in tables(application)
    }
    plan = Plan(
        operations,
        owner=Caller(ids=ids, marks=[*others, NOBODY]),
        intruder=Caller(
            ids={name: apart.ids[intruder][table] for name, table in tables(application)}
        ),
        watches=True,
        compares=True,
        controls=False,
        allow=[*application.allow, *allow],
    )
    same_ids = together.ids_like(apart)
    return findings(
        findings_of(plan),
        lambda request: apart.answer(intruder, request, application.status_only),
        watch=lambda: apart.others_rows(intruder),
        compare=lambda request: together.answer(
            intruder, translated(request, same_ids), application.status_only
        ),
    )


def tables(application: Application) -> list[tuple[str, str]]:
    return [*application.tables.items()]


def misplaced(world: PlacedWorld) -> list[str]:
    """Return the rows that are not where their tenant is, but for those of the directory."""
    return [
        f"{row} of {owners}"
        for row, owners in world.owners()
        if owners != {NOBODY} and row.table not in ("tenant", "login", "api_key")
        if {world.places.get(each, 0) for each in owners} != {row.place}
    ]


@each_application
def test_its_own_tests_pass_with_placements(application: Application, folder: Path) -> None:
    give_places(folder)
    assert own_tests(application, folder)


@each_case
def test_tenants_in_all_places_are_kept_apart_and_told_the_same(
    application: Application, kind: DatabaseName, folder: Path
) -> None:
    require(kind)
    give_places(folder)
    tenants = TENANTS if kind == "postgresql" else SQLITE
    with (
        placed_world(application, folder, kind, tenants) as apart,
        placed_world(application, folder, kind, TOGETHER) as together,
    ):
        for each in (apart, together):
            each.fill()
        allow = ALLOWED.get((application.name, kind), ())
        operations = application.operations(apart.clients["acme"], folder)

        found = {
            intruder: leaks_to(intruder, operations, application, allow, apart, together)
            for intruder in tenants
        }

        assert found == {intruder: [] for intruder in tenants}
        assert misplaced(apart) == []
        for name, place in apart.places.items():
            assert {row.place for row, owners in apart.owners() if owners == {name}} >= {place}
