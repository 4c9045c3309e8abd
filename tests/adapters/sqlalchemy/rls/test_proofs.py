"""A linter and a prover that others wrote find nothing in the policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import MetaData

from tenantshield_mw.adapters.sqlalchemy import rls
from tests.adapters.sqlalchemy.shared_rows.models import Base as Shared
from tests.policy_prover import MODES, Mode, lint_errors, store_as_text, verdicts

from .conftest import RlsDatabase, rls_database, signed_database
from .models import Base, mark

SHARED_TABLES: Final = {"floor_region"}
"""The same for all tenants, and without policies."""

SHARED_ROWS: Final = {"sr_provider", "sr_template"}
"""Some rows are everybody's, also without a tenant."""

TIED: Final = {
    "floor_bottle",
    "floor_tasting",
    "sr_match",
    "sr_offer",
    "sr_price",
    "sr_score",
    "sr_used",
}
"""Without a tenant column. The prover has no notion of EXISTS, so it gives no verdict."""


@pytest.fixture(scope="module", params=["roles", "public", "signed"])
def made(request: pytest.FixtureRequest) -> Iterator[tuple[RlsDatabase, bool]]:
    """The tables, and whether the application's role is known."""
    mark()
    knows_role, signed = request.param != "public", request.param == "signed"
    with signed_database() if signed else rls_database() as base:
        for metadata in (Base.metadata, Shared.metadata):
            create(base, metadata, roles=[base.app] if knows_role else [], signed=signed)
        yield base, knows_role


def create(base: RlsDatabase, metadata: MetaData, *, roles: list[str], signed: bool) -> None:
    with base.engine(base.owner).begin() as connection:
        metadata.create_all(connection)
    columns = base.here.read(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'character varying'"
    )
    base.here.run(*store_as_text([(table, column) for table, column in columns]))
    rls.configure(metadata, roles=roles, signed=signed)
    try:
        base.create(metadata)
    finally:
        metadata.info.clear()


def test_the_linter_finds_no_errors(made: tuple[RlsDatabase, bool], tmp_path: Path) -> None:
    base, knows_role = made
    found = lint_errors(base.here.url, tmp_path)
    assert {each for each in found if each[0] != "SEC003"} == {
        ("SEC001", each) for each in SHARED_TABLES
    }
    # SEC003: a permissive policy for all roles.
    assert any(rule == "SEC003" for rule, _ in found) == (not knows_role)


@pytest.mark.parametrize("mode", MODES)
def test_each_table_is_proven(made: tuple[RlsDatabase, bool], tmp_path: Path, mode: Mode) -> None:
    base, _ = made
    found = verdicts(base.here.url, tmp_path, mode)
    names = {each.name for base in (Base, Shared) for each in base.metadata.sorted_tables}
    assert set(found) == names - SHARED_TABLES
    excepted = TIED if mode == "write" else TIED | SHARED_ROWS
    assert {name for name, verdict in found.items() if verdict != "isolated"} <= excepted
    assert "leak" not in {found[name] for name in TIED}


def test_the_tools_would_notice(made: tuple[RlsDatabase, bool], tmp_path: Path) -> None:
    base, _ = made
    alter = "ALTER POLICY {} ON floor_parent TO PUBLIC USING ({})"
    names = ("tenantshield_access", "tenantshield_tenant")
    base.here.run(*(alter.format(name, "true") for name in names))
    try:
        assert verdicts(base.here.url, tmp_path, "anon")["floor_parent"] == "leak"
        assert ("SEC038", "floor_parent.tenantshield_access") in lint_errors(
            base.here.url, tmp_path
        )
    finally:
        roles = base.app if made[1] else "PUBLIC"
        condition = "tenant_id = (SELECT tenantshield_text())"
        base.here.run(
            *(alter.format(name, condition) for name in names),
            f"ALTER POLICY tenantshield_access ON floor_parent TO {roles}",
        )
