"""Tables that belong to a tenant through foreign keys, and the keys."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    column,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import ConfigurationError, CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import memory_engine

from ..schemas import (
    ACCOUNT_TAG,
    ENTRY,
    ENTRY_LINE,
    VISIT,
    assert_confined,
    child_table,
    seen,
    tenant_table,
)
from ..watching import fill, rows
from .declaring import LetsIn, new_name

# -- tied through foreign keys ---------------------------------------------------


def test_a_table_with_a_mandatory_key_is_tied(engine: Engine) -> None:
    assert seen(engine, select(ENTRY.c.id)) == [11]
    assert seen(engine, select(ENTRY.c.id), "globex") == [12]
    assert_confined(engine, select(ENTRY.c.id))


def test_a_table_tied_to_a_tied_one_is_tied(engine: Engine) -> None:
    assert seen(engine, select(ENTRY_LINE.c.id)) == [111]
    assert_confined(engine, select(ENTRY_LINE.c.id))


def test_an_association_row_is_seen_where_both_ends_are_the_tenants(engine: Engine) -> None:
    pairs = select(ACCOUNT_TAG.c.account_id * 10 + ACCOUNT_TAG.c.tag_id)
    assert seen(engine, pairs) == [11, 13]
    assert seen(engine, pairs, "globex") == [22]
    assert_confined(engine, select(ACCOUNT_TAG))


def test_an_optional_key_ties_nothing_by_itself(engine: Engine) -> None:
    assert seen(engine, select(VISIT.c.id)) == [1, 2, 3]


def test_a_bare_construct_of_a_tied_table_is_tied(engine: Engine) -> None:
    assert seen(engine, select(table("reg_entry", column("id")).c.id)) == [11]
    assert seen(engine, select(table("REG_ENTRY", column("id")).c.id)) == [11]


def test_a_tied_table_reflected_alone_is_tied(engine: Engine) -> None:
    reflected = Table("reg_entry", MetaData(), autoload_with=engine, resolve_fks=False)
    assert seen(engine, select(reflected.c.id)) == [11]


def test_a_tied_table_known_from_the_database_alone_is_tied(engine: Engine) -> None:
    fill(
        engine,
        "CREATE TABLE reg_only_there (id INTEGER, account_id INTEGER NOT NULL"
        " REFERENCES reg_account (id))",
        "INSERT INTO reg_only_there VALUES (1, 1), (2, 2)",
    )
    for resolve in (True, False):
        reflected = Table("reg_only_there", MetaData(), autoload_with=engine, resolve_fks=resolve)
        assert seen(engine, select(reflected.c.id)) == [1]


def test_a_row_of_a_tied_table_is_written_under_ones_own_parent_only(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(ENTRY).values(id=13, account_id=1))
        with pytest.raises(CrossTenantAccessError, match="reg_account"):
            connection.execute(insert(ENTRY).values(id=14, account_id=2))
        own = connection.execute(ENTRY.delete().where(ENTRY.c.id > 11))
        assert own.rowcount == 1
    assert rows(engine, "SELECT id FROM reg_entry ORDER BY id") == [(11,), (12,)]


def test_a_table_that_refers_to_itself_is_read_and_written() -> None:
    class Base(DeclarativeBase):
        metadata = MetaData()

    @tenant_aware
    class Folder(Base):
        __tablename__ = "reg_folder"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("reg_folder.id"))

    engine = memory_engine()
    Base.metadata.create_all(engine)
    fill(engine, "INSERT INTO reg_folder VALUES (1, 'acme', NULL), (2, 'globex', NULL)")
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Folder(id=3, parent_id=1))
        session.commit()
        assert session.scalars(select(Folder.id).order_by(Folder.id)).all() == [1, 3]
        session.add(Folder(id=4, parent_id=2))
        with pytest.raises(CrossTenantAccessError):
            session.flush()


def test_a_mandatory_reference_to_itself_ties_a_table_to_no_tenant() -> None:
    metadata = MetaData()
    node = child_table(
        "reg_node",
        metadata,
        Column("next_id", ForeignKey("reg_node.id"), nullable=False),
    )
    engine = memory_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.execute(select(node)).all() == []


def test_tables_that_refer_to_each_other_in_a_circle_are_tied_where_one_is() -> None:
    metadata = MetaData()
    left = child_table(
        "reg_left",
        metadata,
        Column(
            "right_id", ForeignKey("reg_right.id", use_alter=True, name="reg_fk"), nullable=False
        ),
        Column("account_id", ForeignKey("reg_owner.id"), nullable=False),
    )
    right = child_table(
        "reg_right",
        metadata,
        Column("left_id", ForeignKey("reg_left.id"), nullable=False),
    )
    owner = tenant_table(
        "reg_owner",
        metadata,
    )
    tenant_aware(owner)
    engine = memory_engine()
    fill(
        engine,
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE reg_owner (id INTEGER, tenant_id TEXT)",
        "CREATE TABLE reg_left (id INTEGER, right_id INTEGER, account_id INTEGER)",
        "CREATE TABLE reg_right (id INTEGER, left_id INTEGER)",
        "INSERT INTO reg_owner VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO reg_left VALUES (1, 1, 1), (2, 2, 2)",
        "INSERT INTO reg_right VALUES (1, 1), (2, 2)",
    )
    for first, second in ((left, right), (right, left)):
        assert seen(engine, select(first.c.id)) == [1]
        assert seen(engine, select(second.c.id)) == [1]


def test_a_key_to_an_unknown_table_ties_nothing_and_breaks_nothing() -> None:
    metadata = MetaData()
    dangling = Table(
        "reg_dangling",
        metadata,
        Column("id", Integer),
        Column("tenant_id", String),
        Column("gone_id", ForeignKey("reg_gone.id"), nullable=False),
    )
    tenant_aware(dangling)
    engine = memory_engine()
    fill(
        engine,
        "CREATE TABLE reg_dangling (id INTEGER, tenant_id TEXT, gone_id INTEGER)",
        "INSERT INTO reg_dangling VALUES (1, 'acme', 1), (2, 'globex', 1)",
    )
    assert seen(engine, select(dangling.c.id)) == [1]
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(dangling).values(id=3, gone_id=9))
    assert rows(engine, "SELECT tenant_id FROM reg_dangling WHERE id = 3") == [("acme",)]


# -- keys that may tie a row ----------------------------------------------------


def numbered(name: str, *more: Any, **options: Any) -> Table:
    """Return a table that is tied to the numbers of another table, which has ``more``."""
    metadata = MetaData()
    tenant_aware(
        tenant_table(
            f"keys_{name}",
            metadata,
            Column("number", Integer, **options),
            *more,
        )
    )
    return child_table(
        f"keys_{name}_item",
        metadata,
        Column("number", ForeignKey(f"keys_{name}.number"), nullable=False),
    )


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("per_tenant", [UniqueConstraint("tenant_id", "number")]),
        ("indexed", [Index("keys_i1", "number")]),
        ("partial", [Index("keys_i2", "number", unique=True, sqlite_where=text("id > 5"))]),
        ("computed", [Index("keys_i3", "number", text("id % 2"), unique=True)]),
    ],
)
def test_a_tie_to_a_key_that_two_tenants_may_have_is_an_error(name: str, more: list[Any]) -> None:
    item = numbered(name, *more)
    try:
        with (
            tenant_scope("acme"),
            memory_engine().connect() as connection,
            pytest.raises(ConfigurationError, match=f"keys_{name}_item .*number of keys_{name}"),
        ):
            connection.execute(select(item))
    finally:
        # Otherwise every other statement of this process would fail.
        shared_across_tenants(item)


@pytest.mark.parametrize(
    ("name", "more", "options"),
    [
        ("unique", [], {"unique": True}),
        ("constrained", [UniqueConstraint("number")], {}),
        ("unique_index", [], {"unique": True, "index": True}),
    ],
)
def test_a_tie_to_a_unique_key_is_no_error(
    name: str, more: list[Any], options: dict[str, Any]
) -> None:
    item, engine = numbered(name, *more, **options), memory_engine()
    item.metadata.create_all(engine)
    fill(
        engine,
        f"INSERT INTO keys_{name} VALUES (1, 'acme', 5), (2, 'globex', 6)",
        f"INSERT INTO keys_{name}_item VALUES (1, 5), (2, 6)",
    )
    with tenant_scope("acme"), engine.connect() as connection:
        assert connection.scalars(select(item.c.id)).all() == [1]


# -- foreign keys that are added later --------------------------------------------

NUMBERS = count()


class Late:
    """A tenant-aware table, a table that will refer to it, and an engine that was used before."""

    def __init__(self) -> None:
        # The registry knows tables by name, and keeps declarations.
        number = next(NUMBERS)
        parent, child = f"late_parent_{number}", f"late_child_{number}"
        self.key = f"{parent}.id"
        self.metadata = MetaData()
        self.parent = tenant_aware(
            tenant_table(
                parent,
                self.metadata,
            )
        )
        self.child = child_table(child, self.metadata)
        self.engine = memory_engine()
        fill(
            self.engine,
            f"CREATE TABLE {parent} (id INTEGER PRIMARY KEY, tenant_id VARCHAR(50))",
            f"CREATE TABLE {child} (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL "
            f"REFERENCES {parent} (id))",
            f"INSERT INTO {parent} VALUES (1, 'acme'), (2, 'globex')",
            f"INSERT INTO {child} VALUES (1, 1), (2, 2)",
        )
        assert len(self.read()) == 2  # Nothing ties it to a tenant yet.

    def read(self) -> list[Any]:
        return read(self.engine, self.child)


def read(engine: Engine, table: Table) -> list[Any]:
    with tenant_scope("acme"), engine.connect() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


@pytest.fixture
def late() -> Late:
    return Late()


def test_a_column_with_a_foreign_key_ties_the_table_that_it_is_appended_to(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key), nullable=False))
    assert late.read() == [1]


def test_an_appended_constraint_ties_the_table(late: Late) -> None:
    late.child.append_column(Column("parent_id", Integer, nullable=False))
    assert late.read() == [1, 2]
    late.child.append_constraint(ForeignKeyConstraint(["parent_id"], [late.key]))
    assert late.read() == [1]


def test_a_column_that_takes_anothers_place_and_cannot_be_null_ties_the_table(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key)))
    assert late.read() == [1, 2]
    column: Column[int] = Column("parent_id", ForeignKey(late.key), nullable=False)
    late.child.append_column(column, replace_existing=True)
    assert late.read() == [1]


def test_a_table_that_is_reflected_again_is_tied_by_what_is_found(late: Late) -> None:
    with system_scope("reflection"):
        Table(late.child.name, late.metadata, extend_existing=True, autoload_with=late.engine)
    assert late.read() == [1]


def test_a_foreign_key_that_ties_nothing_is_looked_up_once_it_is_there(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key)))
    with (
        tenant_scope("acme"),
        late.engine.begin() as connection,
        pytest.raises(CrossTenantAccessError, match=r"late_child_\d+ \(parent_id\)"),
    ):
        connection.execute(insert(late.child).values(id=3, parent_id=2))


def test_an_attribute_that_a_mapped_class_is_given_later_ties_its_table(late: Late) -> None:
    class Base(DeclarativeBase):
        metadata = late.metadata

    class Child(Base):
        __table__ = late.child

    given: Any = Child
    given.parent_id = mapped_column(ForeignKey(late.key), nullable=False)
    assert late.read() == [1]


def test_copied_columns_and_tables_that_lead_to_no_other_renew_nothing(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key), nullable=False))
    before = registry.generation
    select(late.child).subquery().alias().select()
    late.child.alias().c.parent_id.label("other")
    Table("of_no_tenant", MetaData(), Column("id", Integer, primary_key=True))
    late.read()
    assert registry.generation == before


# -- what another thread adds meanwhile ------------------------------------------


def test_another_thread_may_add_constraints_while_ownership_is_derived() -> None:
    metadata, name = MetaData(), new_name()
    watched = LetsIn("tenant_id")
    parent = tenant_aware(tenant_table(name, metadata, Column("code", String(9)), watched))
    child = child_table(
        new_name(), metadata, Column("code", ForeignKey(f"{name}.code"), nullable=False)
    )
    watched.meanwhile = lambda: parent.append_constraint(UniqueConstraint("code"))
    assert registry.ownership_of(child) is not None
    assert watched.meanwhile is None
