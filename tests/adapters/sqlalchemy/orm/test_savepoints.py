"""Undoing a savepoint does not bring another tenant's objects back into a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from ..watching import fill, rows


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Note(Base):
    __tablename__ = "savepoint_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    text: Mapped[str] = mapped_column(String(50), default="")
    lines: Mapped[list[Line]] = relationship(back_populates="note")


class Line(Base):
    """Belongs to a tenant through its note."""

    __tablename__ = "savepoint_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("savepoint_note.id"))
    note: Mapped[Note] = relationship(back_populates="lines")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = memory_engine()
    Base.metadata.create_all(engine)
    fill(
        engine,
        "INSERT INTO savepoint_note VALUES (1, 'globex', 'theirs'), (2, 'acme', 'ours')",
        "INSERT INTO savepoint_line VALUES (1, 1), (2, 2)",
    )
    yield engine
    engine.dispose()


def used(session: Session) -> None:
    assert [each.text for each in session.query(Note)] == ["ours"]


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
        assert session.get(Note, 2) is None
    with tenant_scope("acme"):
        used(session)
        nested.rollback()


@pytest.mark.parametrize(
    "undo", [by_hand, by_an_exception, from_within_another, through_a_third_scope]
)
@pytest.mark.parametrize("kind", [Line, Note])
def test_what_was_deleted_in_another_scope_does_not_come_back(
    engine: Engine, undo: Callable[[Session, Any], None], kind: type[Any]
) -> None:
    with Session(engine) as session:
        with tenant_scope("globex"):
            kept = session.get_one(kind, 1)
            if kind is Note:
                session.delete(session.get_one(Line, 1))
                session.flush()
            undo(session, kept)
        with tenant_scope("acme"):
            assert kept not in session
            assert session.get(kind, 1) is None
            assert [each.id for each in session.query(kind)] == [2]
            session.get_one(Note, 2).text = "changed"
            session.commit()
    assert rows(engine, "SELECT id, text FROM savepoint_note ORDER BY id") == [
        (1, "theirs"),
        (2, "changed"),
    ]


def test_within_one_scope_it_does(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        kept = session.get_one(Line, 2)
        nested = session.begin_nested()
        session.delete(kept)
        session.flush()
        nested.rollback()
        assert session.get(Line, 2) is kept
