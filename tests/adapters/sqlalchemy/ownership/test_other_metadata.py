"""Tables that lead to tenants' rows, of a ``MetaData`` in which nothing was declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    column,
    delete,
    event,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    UnguardedStatementError,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import install, tenant_aware
from tests.databases import Database, database

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


@pytest.fixture
def here() -> Iterator[Database]:
    with database("sqlite") as here:
        here.run(
            "CREATE TABLE item (id integer PRIMARY KEY, tenant_id text)",
            "CREATE TABLE line (id integer PRIMARY KEY,"
            " item_id integer NOT NULL REFERENCES item (id) ON DELETE CASCADE)",
            "CREATE TABLE note (id integer PRIMARY KEY,"
            " line_id integer NOT NULL REFERENCES line (id))",
        )
        here.run("INSERT INTO item VALUES (1, 'a'), (2, 'b')")
        here.run("INSERT INTO line VALUES (10, 1), (20, 2)")
        here.run("INSERT INTO note VALUES (100, 10), (200, 20)")
        yield here


def item(metadata: MetaData) -> Table:
    key = Column("id", Integer, primary_key=True)
    return tenant_aware(Table("item", metadata, key, Column("tenant_id", String)))


def tied_in(metadata: MetaData, name: str, to: str, key: Any) -> Table:
    own = Column("id", Integer, primary_key=True)
    return Table(name, metadata, own, Column(f"{to}_id", ForeignKey(key), nullable=False))


def others(parent: Any = "item.id") -> tuple[Table, Table]:
    """Return a tied table, and one that is tied to it, of a ``MetaData`` of their own."""
    metadata = MetaData()
    line = tied_in(metadata, "line", "item", parent)
    return line, tied_in(metadata, "note", "line", "line.id")


@pytest.mark.parametrize("is_before", [True, False])
def test_what_is_tied_to_a_tied_table_is_confined(here: Database, *, is_before: bool) -> None:
    early = others()
    parent = item(MetaData())
    line, note = early if is_before else others(parent.c.id)
    engine = here.engine()
    with tenant_scope("a"), engine.begin() as connection:
        assert connection.scalars(select(line.c.id)).all() == [10]
        assert connection.scalars(select(note.c.id)).all() == [100]
        connection.execute(update(note).values(line_id=10))
        connection.execute(delete(note))
        with pytest.raises(CrossTenantAccessError):
            connection.execute(insert(note).values(line_id=20))
    assert here.read("SELECT * FROM note") == [(200, 20)]
    engine.dispose()


def test_a_foreign_key_that_names_no_column_ties(here: Database) -> None:
    item(MetaData())
    line = Table("line", MetaData(), Column("id", Integer, ForeignKey("item"), primary_key=True))
    engine = here.engine()
    with tenant_scope("a"), engine.begin() as connection:
        assert connection.scalars(select(line.c.id)).all() == []
        with pytest.raises(CrossTenantAccessError):
            connection.execute(insert(line).values(id=2))
    engine.dispose()


def test_models_of_another_base_are_confined(here: Database) -> None:
    parent = item(MetaData())

    class Other(DeclarativeBase):
        pass

    # The model in between is a table alone.
    tied_in(Other.metadata, "line", "item", parent.c.id)

    class Note(Other):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True)
        line_id: Mapped[int] = mapped_column(ForeignKey("line.id"))

    engine = here.engine()
    with tenant_scope("a"), Session(engine) as session:
        assert session.scalars(select(Note.id)).all() == [100]
        assert session.get(Note, 200) is None
        session.add(Note(line_id=20))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
    engine.dispose()


def test_reflected_tables_are_confined(here: Database) -> None:
    item(MetaData())
    engine = here.engine()
    reflected = MetaData()
    reflected.reflect(engine)
    with tenant_scope("a"), engine.connect() as connection:
        for name, own in (("line", 10), ("note", 100)):
            assert connection.scalars(select(reflected.tables[name].c.id)).all() == [own]
    engine.dispose()


def test_a_name_alone_is_enough(here: Database) -> None:
    item(MetaData())
    kept = others()
    engine = here.engine()
    with tenant_scope("a"), engine.connect() as connection:
        assert connection.scalars(select(column("id")).select_from(table("note"))).all() == [100]
        with pytest.raises(UnguardedStatementError, match="raw SQL names note"):
            connection.execute(text("SELECT * FROM note"))
    assert [each.name for each in kept] == ["line", "note"]
    engine.dispose()


def test_tables_that_no_listener_saw_are_learned_of_in_a_statement(here: Database) -> None:
    item(MetaData())
    listeners = [("after_parent_attach", install.after_parent_attach)]
    for name, listener in listeners:
        event.remove(Table, name, listener)
    try:
        line, note = others()
    finally:
        for name, listener in listeners:
            event.listen(Table, name, listener)
    engine = here.engine()
    with tenant_scope("a"), engine.connect() as connection:
        assert connection.scalars(select(note.c.id)).all() == [100]
        assert connection.scalars(select(line.c.id)).all() == [10]
    engine.dispose()


def test_cascades_of_another_metadata_count(here: Database) -> None:
    category = Table("category", MetaData(), Column("id", Integer, primary_key=True))
    parent = item(MetaData())
    key = ForeignKey(category.c.id, ondelete="CASCADE")
    child = Table(
        "product",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("category_id", key),
        Column("item_id", ForeignKey(parent.c.id), nullable=False),
    )
    engine = here.engine()
    refused = pytest.raises(UnguardedStatementError, match="product")
    with tenant_scope("a"), refused, engine.begin() as connection:
        connection.execute(delete(category))
    assert child.name == "product"
    engine.dispose()


def test_a_table_that_inherits_is_refused(here: Database) -> None:
    item(MetaData())
    heir = Table("heir", MetaData(), Column("id", Integer), postgresql_inherits="item")
    engine = here.engine()
    refused = pytest.raises(ConfigurationError, match="inherits from item")
    with tenant_scope("a"), refused, engine.connect() as connection:
        connection.execute(select(heir))
    engine.dispose()


def test_a_table_that_was_removed_from_its_metadata_keeps_its_ties(here: Database) -> None:
    metadata = MetaData()
    parent = item(metadata)
    own = Column("id", Integer, primary_key=True)
    line = Table("line", metadata, own, Column("item_id", ForeignKey(parent.c.id), nullable=False))
    metadata.remove(line)
    own = Column("id", Integer, primary_key=True)
    again = Table("line", metadata, own, Column("item_id", Integer))
    engine = here.engine()
    with tenant_scope("a"), engine.begin() as connection:
        assert connection.scalars(select(line.c.id)).all() == [10]
        with pytest.raises(CrossTenantAccessError):
            connection.execute(insert(line).values(id=30, item_id=2))
    assert again is not line
    engine.dispose()


def test_a_parent_that_is_there_in_part_is_found_elsewhere(here: Database) -> None:
    item(MetaData())
    metadata = MetaData()
    Table("item", metadata, Column("tenant_id", String))
    line = Table(
        "line",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("item_id", Integer, ForeignKey("item.id"), nullable=False),
    )
    engine = here.engine()
    with tenant_scope("a"), engine.begin() as connection:
        assert connection.scalars(select(line.c.id)).all() == [10]
    engine.dispose()


def test_tables_that_are_there_in_part_are_no_obstacle(here: Database) -> None:
    parent = item(MetaData())
    metadata = MetaData()
    # As Alembic makes them for a foreign key.
    Table("item", metadata, Column("id"))
    partly = Table("line", metadata, Column("item_id", ForeignKey("item.id"), nullable=False))
    line = tied_in(parent.metadata, "line", "item", parent.c.id)
    engine = here.engine()
    with tenant_scope("a"), engine.begin() as connection:
        assert connection.scalars(select(line.c.id)).all() == [10]
        connection.execute(insert(line).values(id=30, item_id=1))
        with pytest.raises(CrossTenantAccessError):
            connection.execute(insert(partly).values(item_id=2))
    engine.dispose()
