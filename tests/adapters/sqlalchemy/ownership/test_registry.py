"""Which tables are tied to a tenant, whatever construct stands for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    column,
    event,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    make_transient_to_detached,
    mapped_column,
)

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import database, memory_engine

from ..watching import fill, rows

METADATA = MetaData()

ACCOUNT = tenant_aware(
    Table(
        "reg_account",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50), nullable=False),
        Column("name", String(50)),
    )
)
TAG = tenant_aware(
    Table(
        "reg_tag",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50), nullable=False),
    )
)
# Nullable keys, and yet nothing but keys: it only connects.
ACCOUNT_TAG = Table(
    "reg_account_tag",
    METADATA,
    Column("account_id", ForeignKey("reg_account.id")),
    Column("tag_id", ForeignKey("reg_tag.id")),
)
ENTRY = Table(
    "reg_entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("reg_account.id"), nullable=False),
)
# Tied to what is tied.
ENTRY_LINE = Table(
    "reg_entry_line",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("entry_id", ForeignKey("reg_entry.id"), nullable=False),
)
# May point at a tenant's row and is nobody's all the same.
VISIT = Table(
    "reg_visit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("reg_account.id")),
)
SHARED = shared_across_tenants(
    Table("reg_country", METADATA, Column("code", String(2), primary_key=True))
)

SEED = (
    "INSERT INTO reg_account VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')",
    "INSERT INTO reg_tag VALUES (1, 'acme'), (2, 'globex'), (3, 'acme')",
    "INSERT INTO reg_account_tag VALUES (1, 1), (1, 3), (2, 2), (1, 2), (2, 1)",
    "INSERT INTO reg_entry VALUES (11, 1), (12, 2)",
    "INSERT INTO reg_entry_line VALUES (111, 11), (112, 12)",
    "INSERT INTO reg_visit VALUES (1, 1), (2, 2), (3, NULL)",
    "INSERT INTO reg_country VALUES ('FI')",
)


@pytest.fixture
def engine() -> Engine:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, *SEED)
    return engine


def seen(engine: Engine, statement: Any, tenant: str = "acme") -> list[Any]:
    with tenant_scope(tenant), engine.connect() as connection:
        return sorted(connection.execute(statement).scalars())


def assert_confined(engine: Engine, statement: Any) -> None:
    with engine.connect() as connection, pytest.raises(MissingTenantContextError):
        connection.execute(statement)


# -- the same table --------------------------------------------------------------


def test_a_second_table_object_of_the_name_is_the_same_table(engine: Engine) -> None:
    other = Table("reg_account", MetaData(), Column("id", Integer))
    assert seen(engine, select(other.c.id)) == [1]
    assert_confined(engine, select(other.c.id))


def test_a_bare_table_construct_is_the_same_table(engine: Engine) -> None:
    bare = table("reg_account", column("name"))
    assert seen(engine, select(bare.c.name)) == ["ours"]
    assert_confined(engine, select(bare.c.name))


def test_a_reflected_table_is_the_same_table(engine: Engine) -> None:
    reflected = Table("reg_account", MetaData(), autoload_with=engine)
    assert seen(engine, select(reflected.c.name)) == ["ours"]


@pytest.mark.parametrize("name", ["REG_ACCOUNT", "Reg_Account", "reg_ACCOUNT"])
def test_a_name_in_another_case_is_the_same_table(engine: Engine, name: str) -> None:
    assert seen(engine, select(table(name, column("name")).c.name)) == ["ours"]
    assert seen(engine, select(Table(name, MetaData(), Column("name", String)).c.name)) == ["ours"]


@pytest.mark.parametrize("schema", ["main", "MAIN", "Main"])
def test_the_default_schema_by_name_is_the_same_table(engine: Engine, schema: str) -> None:
    bare = table("reg_account", column("name"), schema=schema)
    assert seen(engine, select(bare.c.name)) == ["ours"]
    assert_confined(engine, select(bare.c.name))


@pytest.mark.parametrize("schema", ["public", "PUBLIC"])
def test_the_default_schema_of_postgresql_is_its_own(schema: str) -> None:
    with database("postgresql") as here:
        engine = here.engine()
        METADATA.create_all(engine)
        fill(engine, *SEED)
        bare = table("reg_account", column("name"), schema=schema.lower())
        other_case = table("reg_account", column("name"), schema=schema)
        assert seen(engine, select(bare.c.name)) == ["ours"]
        assert_confined(engine, select(other_case.c.name))
        engine.dispose()


def test_the_same_name_in_another_schema_is_refused_until_declared(engine: Engine) -> None:
    elsewhere = table("reg_account", column("name"), schema="reg_elsewhere")
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        pytest.raises(UnguardedStatementError, match=r"reg_elsewhere.reg_account.*another schema"),
    ):
        connection.execute(select(elsewhere))


def test_a_table_of_a_declared_schema_is_found_in_any_case() -> None:
    kept = Table(
        "reg_archive",
        MetaData(),
        Column("id", Integer),
        Column("tenant_id", String),
        schema="reg_attached",
    )
    tenant_aware(kept)
    engine = memory_engine()
    fill(
        engine,
        "ATTACH ':memory:' AS reg_attached",
        "CREATE TABLE reg_attached.reg_archive (id INTEGER, tenant_id TEXT)",
        "INSERT INTO reg_attached.reg_archive VALUES (1, 'acme'), (2, 'globex')",
    )
    for schema in ("reg_attached", "REG_ATTACHED"):
        bare = table("reg_archive", column("id"), schema=schema)
        assert seen(engine, select(bare.c.id)) == [1]
    unqualified = table("reg_archive", column("id"))
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        pytest.raises(UnguardedStatementError),
    ):
        connection.execute(select(unqualified))


def test_a_quoted_name_is_the_same_table(engine: Engine) -> None:
    from sqlalchemy.sql import quoted_name

    bare = table(quoted_name("reg_account", True), column("name"))
    assert seen(engine, select(bare.c.name)) == ["ours"]


def test_a_write_to_another_construct_of_the_table_is_confined(engine: Engine) -> None:
    bare = table("reg_account", column("id"), column("tenant_id"), column("name"))
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(bare).values(id=3, name="new"))
        changed = connection.execute(bare.update().values(name="changed"))
        assert changed.rowcount == 2
    assert rows(engine, "SELECT id, tenant_id, name FROM reg_account ORDER BY id") == [
        (1, "acme", "changed"),
        (2, "globex", "theirs"),
        (3, "acme", "changed"),
    ]


def test_an_insert_into_a_construct_without_the_tenant_column_is_refused(engine: Engine) -> None:
    bare = table("reg_account", column("id"), column("name"))
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        pytest.raises(UnguardedStatementError, match="does not list the tenant column"),
    ):
        connection.execute(insert(bare).values(id=3, name="new"))


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


def test_a_mandatory_reference_to_itself_ties_a_table_to_nobody() -> None:
    metadata = MetaData()
    node = Table(
        "reg_node",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("next_id", ForeignKey("reg_node.id"), nullable=False),
    )
    engine = memory_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.execute(select(node)).all() == []


def test_tables_that_refer_to_each_other_in_a_circle_are_tied_where_one_is() -> None:
    metadata = MetaData()
    left = Table(
        "reg_left",
        metadata,
        Column("id", Integer, primary_key=True),
        Column(
            "right_id", ForeignKey("reg_right.id", use_alter=True, name="reg_fk"), nullable=False
        ),
        Column("account_id", ForeignKey("reg_owner.id"), nullable=False),
    )
    right = Table(
        "reg_right",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("left_id", ForeignKey("reg_left.id"), nullable=False),
    )
    owner = Table(
        "reg_owner",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
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


def test_a_key_to_a_table_nobody_knows_ties_nothing_and_breaks_nothing() -> None:
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


# -- marked after the fact -------------------------------------------------------


@pytest.mark.parametrize("scoped", [True, False])
def test_a_table_marked_later_is_not_served_from_the_older_cache(scoped: bool) -> None:
    name = f"reg_late_{scoped}".lower()
    late = Table(name, MetaData(), Column("id", Integer), Column("tenant_id", String))
    engine = memory_engine()
    late.metadata.create_all(engine)
    fill(engine, f"INSERT INTO {name} VALUES (1, 'acme'), (2, 'globex')")
    statement = select(late.c.id).order_by(late.c.id)
    with engine.connect() as connection:
        if scoped:
            with tenant_scope("acme"):
                assert list(connection.execute(statement).scalars()) == [1, 2]
        else:
            assert list(connection.execute(statement).scalars()) == [1, 2]
        tenant_aware(late)
        with tenant_scope("acme"):
            assert list(connection.execute(statement).scalars()) == [1]
        with pytest.raises(MissingTenantContextError):
            connection.execute(statement)


def test_a_model_marked_later_is_guarded_in_its_own_flush_and_loader_caches() -> None:
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Memo(Base):
        __tablename__ = "reg_memo"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str | None]
        text: Mapped[str]

    engine = memory_engine()
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Memo(id=1, text="a"), Memo(id=2, text="b", tenant_id="globex")])
        session.commit()
        session.get(Memo, 2)
    tenant_aware(Memo)
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Memo(id=3, text="c"))
        session.commit()
        assert session.get(Memo, 2) is None
        assert session.get(Memo, 3) is not None
    assert rows(engine, "SELECT id, tenant_id FROM reg_memo ORDER BY id") == [
        (1, None),
        (2, "globex"),
        (3, "acme"),
    ]


def test_a_table_defined_after_its_parent_was_marked_is_tied(engine: Engine) -> None:
    later = Table(
        "reg_defined_later",
        METADATA,
        Column("id", Integer),
        Column("account_id", ForeignKey("reg_account.id"), nullable=False),
    )
    try:
        later.create(engine)
        fill(engine, "INSERT INTO reg_defined_later VALUES (1, 1), (2, 2)")
        assert seen(engine, select(later.c.id)) == [1]
        assert seen(engine, select(table("reg_defined_later", column("id")).c.id)) == [1]
        with (
            engine.connect() as connection,
            tenant_scope("acme"),
            pytest.raises(UnguardedStatementError),
        ):
            connection.execute(text("SELECT id FROM reg_defined_later"))
    finally:
        METADATA.remove(later)


# -- unknown and shared ----------------------------------------------------------


def test_a_shared_table_needs_no_tenant(engine: Engine) -> None:
    with engine.connect() as connection:
        assert list(connection.execute(select(SHARED.c.code)).scalars()) == ["FI"]


def test_a_raw_text_on_a_shared_table_is_not_refused(engine: Engine) -> None:
    raw: TextClause = text("SELECT code FROM reg_country")
    with engine.connect() as connection, tenant_scope("acme"):
        assert list(connection.execute(raw).scalars()) == ["FI"]


def test_the_system_scope_sees_every_construct_of_the_table_unconfined(engine: Engine) -> None:
    with system_scope("a test of the registry"), engine.connect() as connection:
        for each in (ACCOUNT, table("reg_account", column("id"))):
            assert sorted(connection.execute(select(each.c.id)).scalars()) == [1, 2]
        assert len(connection.execute(select(ACCOUNT_TAG)).all()) == 5


# -- several threads -------------------------------------------------------------


class Watched(Table):
    """Has another thread do something while its foreign keys are looked at, once."""

    inherit_cache = True
    meanwhile: Callable[[], object] | None = None

    @property
    def foreign_key_constraints(self) -> Any:
        found = super().foreign_key_constraints
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            in_another_thread(meanwhile)
        return found


def in_another_thread(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


def watched(name: str) -> tuple[Watched, Table]:
    """Return a table that is nobody's, and another of its ``MetaData`` that is a tenant's."""
    metadata = MetaData()
    tables = [
        kind(
            each, metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String(50))
        )
        for kind, each in ((Watched, name), (Table, f"{name}_owner"))
    ]
    nobodys, owner = tables
    assert isinstance(nobodys, Watched)
    return nobodys, tenant_aware(owner)


@contextmanager
def meanwhile(
    tables: tuple[Watched, Table], work: Callable[[], object]
) -> Generator[None, None, None]:
    """Have the rules worked out anew, and another thread do ``work`` while they are."""
    nobodys, owner = tables
    done: list[object] = []
    nobodys.meanwhile = lambda: done.append(work())
    tenant_aware(owner)
    yield
    assert done


@pytest.mark.parametrize("first", ["construct", "text"])
def test_a_table_declared_while_rules_are_worked_out_is_guarded(first: str) -> None:
    late, owner = tables = watched(f"reg_declared_meanwhile_{first}")
    engine = memory_engine()
    late.metadata.create_all(engine)
    fill(engine, f"INSERT INTO {late.name} VALUES (1, 'acme'), (2, 'globex')")
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        meanwhile(tables, lambda: tenant_aware(late)),
    ):
        connection.execute(select(owner) if first == "construct" else text("SELECT 1"))
    statement = select(late.c.id)
    assert seen(engine, statement) == [1]
    assert_confined(engine, statement)
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        pytest.raises(UnguardedStatementError, match=late.name),
    ):
        connection.execute(text(f"SELECT id FROM {late.name}"))


@pytest.mark.parametrize("first", ["construct", "text"])
def test_a_table_defined_while_rules_are_worked_out_is_tied(first: str) -> None:
    early, owner = tables = watched(f"reg_defined_meanwhile_{first}")
    metadata = early.metadata
    name = f"{early.name}_line"

    def define() -> Table:
        return Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("owner_id", ForeignKey(owner.c.id), nullable=False),
        )

    engine = memory_engine()
    metadata.create_all(engine)
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        meanwhile(tables, define),
    ):
        connection.execute(select(owner) if first == "construct" else text("SELECT 1"))
    metadata.create_all(engine)
    fill(
        engine,
        f"INSERT INTO {owner.name} VALUES (1, 'acme'), (2, 'globex')",
        f"INSERT INTO {name} VALUES (11, 1), (12, 2)",
    )
    for each in (metadata.tables[name], table(name, column("id"))):
        assert seen(engine, select(each.c.id)) == [11]
        assert_confined(engine, select(each.c.id))


def test_a_key_to_a_table_declared_while_rules_are_worked_out_is_checked() -> None:
    parent, owner = watched("reg_parent_meanwhile")
    child = Table(
        "reg_child_meanwhile",
        parent.metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("parent_id", ForeignKey(parent.c.id)),
    )
    tenant_aware(child)
    engine = memory_engine()
    child.metadata.create_all(engine)
    fill(engine, "INSERT INTO reg_parent_meanwhile VALUES (1, 'acme'), (2, 'globex')")
    with tenant_scope("acme"), engine.begin() as connection:
        with meanwhile((parent, owner), lambda: tenant_aware(parent)):
            connection.execute(insert(child).values(id=1, parent_id=1))
        connection.execute(insert(child).values(id=2, parent_id=1))
        with pytest.raises(CrossTenantAccessError, match="reg_parent_meanwhile"):
            connection.execute(insert(child).values(id=3, parent_id=2))


def test_a_model_declared_while_a_session_asks_for_its_tenant_is_guarded() -> None:
    table, owner = watched("reg_model_meanwhile")

    class Base(DeclarativeBase):
        metadata = table.metadata

    class Memo(Base):
        __table__ = table

    engine = memory_engine()
    table.metadata.create_all(engine)
    with tenant_scope("acme"), Session(engine) as session:
        detached = Memo(id=1)
        make_transient_to_detached(detached)
        with meanwhile((table, owner), lambda: tenant_aware(Memo)):
            session.add(detached)
        session.add(Memo(id=2))
        session.commit()
        session.add(Memo(id=3, tenant_id="globex"))
        with pytest.raises(CrossTenantAccessError, match="of the new object"):
            session.flush()
    assert rows(engine, "SELECT id, tenant_id FROM reg_model_meanwhile") == [(2, "acme")]


class Begun(Table):
    """Does something when it is in its ``MetaData`` and has no name and no columns yet."""

    inherit_cache = True
    meanwhile: ClassVar[Any]

    def __init__(self, *args: Any, **options: Any) -> None:
        if "name" not in self.__dict__:
            type(self).meanwhile()
        super().__init__(*args, **options)


@pytest.mark.parametrize("statement", [select(ACCOUNT.c.id), text("SELECT 1")])
def test_a_table_that_is_being_defined_is_in_nobodys_way(engine: Engine, statement: Any) -> None:
    tenant_aware(ACCOUNT)  # so that the rules are worked out anew
    found: list[Any] = []
    Begun.meanwhile = lambda: found.extend(seen(engine, statement))
    begun = Begun(
        "reg_begun",
        METADATA,
        Column("id", Integer),
        Column("account_id", ForeignKey("reg_account.id"), nullable=False),
    )
    try:
        assert found == [1]
        begun.create(engine)
        fill(engine, "INSERT INTO reg_begun VALUES (1, 1), (2, 2)")
        assert seen(engine, select(table("reg_begun", column("id")).c.id)) == [1]
    finally:
        METADATA.remove(begun)


def test_a_table_that_is_being_defined_may_be_referred_to(engine: Engine) -> None:
    metadata = MetaData()
    owner = Table(
        "reg_begun_owner", metadata, Column("id", Integer), Column("tenant_id", String(50))
    )
    child = Table(
        "reg_begun_child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("reg_begun_parent.id"), nullable=False),
    )
    tenant_aware(owner)
    Begun.meanwhile = lambda: seen(engine, select(ACCOUNT.c.id))
    parent = Begun(
        "reg_begun_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
    )
    tenant_aware(parent)
    metadata.create_all(engine)
    fill(
        engine,
        "INSERT INTO reg_begun_parent VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO reg_begun_child VALUES (11, 1), (12, 2)",
    )
    assert seen(engine, select(child.c.id)) == [11]
    assert_confined(engine, select(child.c.id))


def test_a_composite_key_declared_while_its_like_is_completed_is_in_nobodys_way() -> None:
    metadata = MetaData()

    def child(name: str, parent: str) -> None:
        Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
            Column("parent_id", Integer),
            tenant_foreign_key("parent_id", f"{parent}.id"),
        )

    def attached(constraint: Any, parent: Any) -> None:
        if parent.name == "reg_completed":
            in_another_thread(lambda: child("reg_second_child", "reg_completed_later"))

    child("reg_first_child", "reg_completed")
    event.listen(UniqueConstraint, "after_parent_attach", attached)
    try:
        for name in ("reg_completed", "reg_completed_later"):
            completed = Table(
                name,
                metadata,
                Column("id", Integer, primary_key=True),
                Column("tenant_id", String(50)),
            )
            unique = [each for each in completed.constraints if isinstance(each, UniqueConstraint)]
            assert [each.columns.keys() for each in unique] == [["tenant_id", "id"]]
    finally:
        event.remove(UniqueConstraint, "after_parent_attach", attached)


@pytest.fixture
def switching() -> Generator[None, None, None]:
    """Have the interpreter go from thread to thread as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("switching")
def test_tables_are_declared_by_some_threads_and_used_by_others() -> None:
    declared = Event()

    def declare(number: int) -> list[Table]:
        metadata = MetaData()
        tables = []
        for each in range(30):
            own = Table(
                f"reg_threads_{number}_{each}",
                metadata,
                Column("id", Integer, primary_key=True),
                Column("tenant_id", String(50)),
            )
            tied = Table(
                f"reg_threads_{number}_{each}_line",
                metadata,
                Column("id", Integer, primary_key=True),
                Column("own_id", ForeignKey(own.c.id), nullable=False),
            )
            tables += [tenant_aware(own), tied]
            assert all(map(registry.ownership_of, tables))
        return tables

    def use() -> None:
        engine = memory_engine()
        METADATA.create_all(engine)
        fill(engine, *SEED)
        while not declared.is_set():
            assert seen(engine, select(ACCOUNT.c.id)) == [1]
            assert seen(engine, text("SELECT code FROM reg_country")) == ["FI"]
        engine.dispose()

    with ThreadPoolExecutor(5) as threads:
        using = [threads.submit(use) for _ in range(3)]
        declaring = [threads.submit(declare, number) for number in range(2)]
        try:
            tables = [each for future in declaring for each in future.result()]
        finally:
            declared.set()
        for future in using:
            future.result()

    engine = memory_engine()
    for own, line in zip(tables[::2], tables[1::2], strict=True):
        own.metadata.create_all(engine, [own, line])
        fill(
            engine,
            f"INSERT INTO {own.name} VALUES (1, 'acme'), (2, 'globex')",
            f"INSERT INTO {line.name} VALUES (1, 1), (2, 2)",
        )
        for each in (own, line):
            assert registry.ownership_of(each) is not None
            assert seen(engine, select(each.c.id)) == [1]
            assert_confined(engine, select(each.c.id))
