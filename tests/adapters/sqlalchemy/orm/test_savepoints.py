"""Undoing a savepoint does not bring another tenant's objects back into a session."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope

from ..firms import Base, Deal, Step
from ..watching import creating, engine_in_memory, rows

engine = engine_in_memory(
    creating(
        Base.metadata,
        "INSERT INTO refs_deal (id, tenant_id, note) VALUES (1, 'globex', 'theirs')",
        "INSERT INTO refs_deal (id, tenant_id, note) VALUES (2, 'acme', 'ours')",
        "INSERT INTO refs_step VALUES (1, 1), (2, 2)",
    )
)


def used(session: Session) -> None:
    assert [each.note for each in session.query(Deal)] == ["ours"]


def by_hand(session: Session, gone: Any) -> None:
    nested = session.begin_nested()
    session.delete(gone)
    session.flush()
    with tenant_scope("acme"):
        used(session)
        nested.rollback()


def by_an_exception(session: Session, gone: Any) -> None:
    with suppress(ZeroDivisionError), session.begin_nested():
        session.delete(gone)
        session.flush()
        with tenant_scope("acme"):
            used(session)
            raise ZeroDivisionError


def from_within_another(session: Session, gone: Any) -> None:
    outer = session.begin_nested()
    session.delete(gone)
    session.flush()
    with tenant_scope("acme"):
        inner = session.begin_nested()
        used(session)
        inner.rollback()
        used(session)
        outer.rollback()


def through_a_third_scope(session: Session, gone: Any) -> None:
    nested = session.begin_nested()
    session.delete(gone)
    session.flush()
    with tenant_scope("initech"):
        assert session.get(Deal, 2) is None
    with tenant_scope("acme"):
        used(session)
        nested.rollback()


@pytest.mark.parametrize(
    "undo", [by_hand, by_an_exception, from_within_another, through_a_third_scope]
)
@pytest.mark.parametrize("kind", [Step, Deal])
def test_what_was_deleted_in_another_scope_does_not_come_back(
    engine: Engine, undo: Callable[[Session, Any], None], kind: type[Any]
) -> None:
    with Session(engine) as session:
        with tenant_scope("globex"):
            kept = session.get_one(kind, 1)
            if kind is Deal:
                session.delete(session.get_one(Step, 1))
                session.flush()
            undo(session, kept)
        with tenant_scope("acme"):
            assert kept not in session
            assert session.get(kind, 1) is None
            assert [each.id for each in session.query(kind)] == [2]
            session.get_one(Deal, 2).note = "changed"
            session.commit()
    assert rows(engine, "SELECT id, note FROM refs_deal ORDER BY id") == [
        (1, "theirs"),
        (2, "changed"),
    ]


def test_within_one_scope_it_does(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        kept = session.get_one(Step, 2)
        nested = session.begin_nested()
        session.delete(kept)
        session.flush()
        nested.rollback()
        assert session.get(Step, 2) is kept
