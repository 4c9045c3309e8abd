"""Ordinary changes to objects whose keys include the tenant, or whose type converts it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope

from ..watching import engine_on_each, rows
from .teams import LEFT, Badge, Member, Team, members, seed

engine = engine_on_each(seed)


def test_a_reference_is_set_to_none(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Member)).one().team = None
        session.commit()
    assert members(engine) == LEFT


def test_a_child_is_removed_from_a_collection(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        team = session.scalars(select(Team)).one()
        team.members.remove(team.members[0])
        session.commit()
    assert members(engine) == LEFT


def test_a_collection_is_replaced(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Team)).one().members = []
        session.commit()
    assert members(engine) == LEFT


def test_a_parent_is_deleted_and_its_children_stay(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        for badge in session.scalars(select(Badge)):
            badge.team = None
        session.delete(session.scalars(select(Team)).one())
        session.commit()
    assert members(engine) == LEFT
    assert rows(engine, "SELECT tenant_id FROM objects_team") == [("globex",)]


def test_a_child_with_the_tenant_in_its_primary_key_leaves_its_parent(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Badge)).one().team = None
        session.commit()
    assert rows(engine, "SELECT tenant_id, team_id FROM objects_badge ORDER BY tenant_id") == LEFT


def test_a_child_moves_to_another_parent_in_the_system_scope(engine: Engine) -> None:
    with system_scope("a move"), Session(engine) as session:
        team = Team(tenant_id="globex", id=2)
        session.add(team)
        team.members.append(Member(id=9))
        session.commit()
    assert members(engine)[-1] == ("globex", 2)


# -- a primary key that includes the tenant ------------------------------------------


@pytest.mark.parametrize("load", ["first", "merge alone"])
def test_merge_finds_the_row_without_the_tenant(engine: Engine, load: str) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        if load == "first":
            assert session.scalars(select(Team)).one().name == "a"
        session.merge(Team(id=1, name="new"))
        session.commit()
    assert sorted(rows(engine, "SELECT tenant_id, name FROM objects_team")) == [
        ("acme", "new"),
        ("globex", "b"),
    ]


def test_merge_inserts_a_row_that_is_not_there(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.merge(Team(id=7, name="new"))
        session.commit()
    assert ("acme", 7) in rows(engine, "SELECT tenant_id, id FROM objects_team")


def test_merge_of_another_tenants_key_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.merge(Team(tenant_id="globex", id=1, name="new"))
        with pytest.raises(CrossTenantAccessError):
            session.commit()
    assert ("b",) in rows(engine, "SELECT name FROM objects_team")
