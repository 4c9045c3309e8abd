"""The tables that are tied to a tenant, for every construct that can represent them."""

from __future__ import annotations

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
    column,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import (
    MissingTenantContextError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import database, memory_engine

from ..schemas import ACCOUNT, ACCOUNT_TAG, METADATA, SEED, SHARED, assert_confined, seen
from ..watching import fill, rows

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
