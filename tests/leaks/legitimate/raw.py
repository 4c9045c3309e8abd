"""Raw SQL, reflection and DDL that touch no tenant's rows, or were reviewed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    func,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.schema import DDL

from tests.leaks.catalogue import NOT_OWNER, legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

ddl: Any = DDL  # which has no types


@legitimate("text: SELECT 1")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.scalar(text("SELECT 1")) == 1
    assert hand.connection.exec_driver_sql("SELECT 1").scalar() == 1


@legitimate("text: SELECT 1 with no tenant", tenant="none")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.scalar(text("SELECT 1")) == 1
    assert hand.session.scalar(select(1)) == 1


@legitimate("text: a shared table")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.scalar(text("SELECT count(*) FROM acct_currency")) == 2


@legitimate("text: a shared table with no tenant", tenant="none")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.scalar(text("SELECT count(*) FROM acct_currency")) == 2
    assert hand.session.scalar(select(func.count()).select_from(m.Currency)) == 2


@legitimate(
    "text: a write to a shared table",
    then=("SELECT name FROM acct_currency WHERE code = 'EUR'", [("Ecu",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(text("UPDATE acct_currency SET name = 'Ecu' WHERE code = 'EUR'"))


@legitimate("text: marked as reviewed")
def _(hand: Hand, m: Models) -> None:
    statement = text(f"SELECT note FROM acct_invoice WHERE {hand.key} = :mine ORDER BY id")
    found = hand.session.scalars(statement.execution_options(**hand.reviewed), {"mine": hand.mine})
    assert found.all() == ["own first", "own second", "own third"]


@legitimate("text: marked as reviewed, as an option of execute()")
def _(hand: Hand, m: Models) -> None:
    statement = text(f"SELECT count(*) FROM acct_invoice WHERE {hand.key} = :mine")
    found = hand.session.execute(statement, {"mine": hand.mine}, execution_options=hand.reviewed)
    assert found.scalar() == 3


@legitimate("driver SQL: marked as reviewed")
def _(hand: Hand, m: Models) -> None:
    found = hand.connection.exec_driver_sql(
        f"SELECT count(*) FROM acct_invoice WHERE {hand.key} = '{hand.mine}'",
        execution_options=hand.reviewed,
    )
    assert found.scalar() == 3


@legitimate("text: in WHERE and ORDER BY of a guarded statement")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(text("amount > 10")).order_by(text("amount DESC"))
    assert hand.session.scalars(statement).all() == ["own third", "own second"]


@legitimate("text: with bound parameters, in a guarded statement")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(text("amount > :least").bindparams(least=20))
    assert hand.session.scalars(statement).all() == ["own third"]


@legitimate("literal_column: an expression over a guarded table's column")
def _(hand: Hand, m: Models) -> None:
    statement: Any = (
        select(literal_column("amount * 2")).select_from(m.Invoice).order_by(m.Invoice.id)
    )
    assert hand.session.scalars(statement).all() == [20, 40, 60]


@legitimate("reflection: columns, keys and indexes")
def _(hand: Hand, m: Models) -> None:
    inspector = inspect(hand.connection)
    assert "acct_invoice" in inspector.get_table_names()
    assert {each["name"] for each in inspector.get_columns("acct_invoice")} >= {"id", hand.key}
    assert inspector.get_pk_constraint("acct_invoice")["constrained_columns"] == ["id"]
    assert len(inspector.get_foreign_keys("acct_invoice")) == 2
    assert inspector.get_indexes("acct_invoice") is not None
    assert inspector.get_unique_constraints("acct_tag") is not None


@legitimate("reflection: with no tenant", tenant="none")
def _(hand: Hand, m: Models) -> None:
    assert inspect(hand.connection).has_table("acct_invoice")


@legitimate("reflection: a Table, and a query on it")
def _(hand: Hand, m: Models) -> None:
    reflected = Table("acct_invoice", MetaData(), autoload_with=hand.connection)
    found = hand.connection.execute(select(reflected.c.note).order_by(reflected.c.id)).scalars()
    assert found.all() == ["own first", "own second", "own third"]


@legitimate("reflection: the whole database")
def _(hand: Hand, m: Models) -> None:
    metadata = MetaData()
    metadata.reflect(hand.connection)
    assert "acct_Ledger Entry" in metadata.tables


@legitimate("reflection: automap")
def _(hand: Hand, m: Models) -> None:
    base = automap_base()
    base.prepare(autoload_with=hand.connection)
    found = hand.session.scalars(select(base.classes.acct_tag)).all()
    assert {each.label for each in found} == {"own urgent", "own late"}


@legitimate("ddl: create_all finds that all is there")
def _(hand: Hand, m: Models) -> None:
    m.metadata.create_all(hand.connection)


@legitimate("ddl: a new table is created, filled, altered and dropped", why_not=NOT_OWNER)
def _(hand: Hand, m: Models) -> None:
    made = Table("acct_temporary", MetaData(), Column("id", Integer, primary_key=True))
    try:
        made.create(hand.connection)
        hand.connection.execute(made.insert().values(id=5))
        hand.connection.execute(ddl("ALTER TABLE acct_temporary ADD COLUMN extra INTEGER"))
        assert hand.connection.scalar(select(made.c.id)) == 5
        made.drop(hand.connection)
    finally:
        hand.session.commit()
        hand.drop("acct_temporary")


@legitimate("ddl: an index on a tenant-aware table", why_not=NOT_OWNER)
def _(hand: Hand, m: Models) -> None:
    from sqlalchemy import Index

    index = Index("ix_acct_tag_label", m.Tag.__table__.c.label)
    try:
        index.create(hand.connection)
        index.drop(hand.connection)
    finally:
        m.Tag.__table__.indexes.discard(index)


@legitimate("session: settings of the connection", only="postgresql", why="no SET LOCAL")
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(text("SET LOCAL statement_timeout = '5s'"))
    assert hand.session.scalar(text("SHOW statement_timeout")) == "5s"
