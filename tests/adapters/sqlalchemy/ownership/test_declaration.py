"""One table that several ``MetaData`` have, and what is declared of it in each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    UnguardedStatementError,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)
from tenantshield_mw.adapters.sqlalchemy.ownership.declaration import Shared
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import Database, memory_engine

from ..schemas import child_table, seen, tenant_table
from ..watching import database_on_each, fill, rows
from .declaring import base

TWICE = "twin is declared twice and differently: .*twin.* as .*, and .*twin"

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


here = database_on_each()


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    made = here.engine()
    tenant_table("twin", metadata := MetaData(), Column("x", String(9)))
    metadata.create_all(made)
    here.run("INSERT INTO twin VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')")
    yield made
    made.dispose()


# -- a shared twin of a tenant-aware table -----------------------------------------


def in_part(engine: Engine) -> Table:
    return Table("twin", MetaData(), Column("id", Integer), Column("x", String(9)))


def reflected(engine: Engine) -> Table:
    return Table("twin", MetaData(), autoload_with=engine)


def reflected_in_part(engine: Engine) -> Table:
    listed = MetaData()
    event.listen(
        listed,
        "column_reflect",
        lambda inspector, table, column: column.update(key=f"its_{column['name']}"),
    )
    return Table("twin", listed, autoload_with=engine, include_columns=["id", "x"])


def copied(engine: Engine) -> Table:
    return in_part(engine).to_metadata(MetaData())


TWINS = [in_part, reflected, reflected_in_part, copied]


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("is_first", [True, False], ids=["it first", "it last"])
def test_a_twin_cannot_be_shared(
    engine: Engine, twin: Callable[[Engine], Table], is_first: bool
) -> None:
    ours, theirs = tenant_table("twin", MetaData(), Column("x", String(9))), twin(engine)
    if is_first:
        shared_across_tenants(theirs)
    else:
        tenant_aware(ours)
        # The first statement has been compiled by then.
        assert seen(engine, select(ours.c.x)) == ["ours"]
    mark, marked = (tenant_aware, ours) if is_first else (shared_across_tenants, theirs)
    with pytest.raises(ConfigurationError, match=TWICE):
        mark(marked)
    if not is_first:
        assert seen(engine, select(theirs)) == [1]


def default_schema(engine: Engine) -> str:
    return {"sqlite": "main", "postgresql": "public"}.get(
        engine.dialect.name, str(engine.url.database)
    )


@pytest.mark.parametrize("spell", [str, str.upper], ids=["as it is", "in capitals"])
def test_a_twin_that_names_the_default_schema_is_refused(
    engine: Engine, spell: Callable[[str], str]
) -> None:
    ours = tenant_aware(tenant_table("twin", MetaData(), Column("x", String(9))))
    theirs = shared_across_tenants(
        Table(spell("twin"), MetaData(), Column("x", String(9)), schema=default_schema(engine))
    )
    for each in (ours, theirs):
        with (
            tenant_scope("acme"),
            engine.connect() as connection,
            pytest.raises(ConfigurationError, match="stands for several tables"),
        ):
            connection.execute(select(each.c.x))


def test_a_twin_in_another_case_is_refused(engine: Engine) -> None:
    tenant_aware(tenant_table("twin", MetaData(), Column("x", String(9))))
    theirs = shared_across_tenants(Table("Twin", MetaData(), Column("x", String(9)), quote=False))
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(ConfigurationError, match="stands for several tables"),
    ):
        connection.execute(select(theirs.c.x))


def test_equal_declarations_in_two_metadata_agree(engine: Engine) -> None:
    ours = tenant_aware(tenant_table("twin", MetaData(), Column("x", String(9))))
    copy = tenant_aware(ours.to_metadata(MetaData()))
    undeclared = ours.to_metadata(MetaData())
    for each in (ours, copy, undeclared):
        assert seen(engine, select(each.c.x)) == ["ours"]


# -- what a mixin or a base says ---------------------------------------------------


def of_a_marked_base(metadata: MetaData) -> Callable[[], type[Any]]:
    class Base(DeclarativeBase):
        pass

    Base.metadata = metadata

    @tenant_aware
    class Owned:
        tenant_id: Mapped[str] = mapped_column(String(50))

    def make() -> type[Any]:
        class Twin(Owned, Base):
            __tablename__ = "twin"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Mapped[str] = mapped_column(String(9))

        return Twin

    return make


def test_a_shared_twin_does_not_replace_what_a_mixin_says(engine: Engine) -> None:
    twin = of_a_marked_base(MetaData())()
    with pytest.raises(ConfigurationError, match=TWICE):
        shared_across_tenants(in_part(engine))
    assert seen(engine, select(twin.x)) == ["ours"]


def test_a_mixin_does_not_give_way_to_a_shared_twin(engine: Engine) -> None:
    shared_across_tenants(in_part(engine))
    with pytest.raises(ConfigurationError, match=TWICE):
        of_a_marked_base(MetaData())()


# -- a shared twin of a tied table -------------------------------------------------


def of_accounts(metadata: MetaData) -> Table:
    tenant_table("twin_owner", metadata)
    return child_table(
        "twin", metadata, Column("owner_id", ForeignKey("twin_owner.id"), nullable=False)
    )


TIED = (
    "INSERT INTO twin_owner VALUES (1, 'acme'), (2, 'globex')",
    "INSERT INTO twin VALUES (11, 1), (12, 2)",
)


@pytest.fixture
def tied_engine() -> Iterator[Engine]:
    engine = memory_engine()
    of_accounts(metadata := MetaData())
    metadata.create_all(engine)
    fill(engine, *TIED)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("is_first", [True, False], ids=["it first", "it last"])
@pytest.mark.parametrize("has_key", [True, False], ids=["with its key", "without"])
def test_a_twin_of_a_tied_table_cannot_be_shared(
    tied_engine: Engine, is_first: bool, has_key: bool
) -> None:
    ours = of_accounts(MetaData())
    theirs = of_accounts(MetaData()) if has_key else child_table("twin", MetaData())
    if is_first:
        shared_across_tenants(theirs)
    tenant_aware(ours.metadata.tables["twin_owner"])
    if not is_first:
        assert seen(tied_engine, select(ours.c.id)) == [11]
        shared_across_tenants(theirs)
    for each in (ours, theirs):
        with (
            tenant_scope("acme"),
            tied_engine.connect() as connection,
            pytest.raises(ConfigurationError, match=f"{TWICE}.*tied to twin_owner"),
        ):
            connection.execute(select(each.c.id))


def test_a_tied_table_that_both_share_on_purpose_is_shared(tied_engine: Engine) -> None:
    ours = of_accounts(MetaData())
    tenant_aware(ours.metadata.tables["twin_owner"])
    theirs = of_accounts(MetaData())
    tenant_aware(theirs.metadata.tables["twin_owner"])
    for each in (ours, theirs):
        shared_across_tenants(each)
    for each in (ours, theirs, ours.to_metadata(MetaData())):
        assert seen(tied_engine, select(each.c.id)) == [11, 12]


def test_what_is_said_of_metadata_that_are_gone_is_forgotten() -> None:
    for _ in range(20):
        shared_across_tenants(child_table("twin", MetaData()))
        gc.collect()
    declared = registry._state.declared[(None, "twin")]
    assert isinstance(declared, Shared)
    assert len(declared.elsewhere) <= 1


# -- a twin that defines a part of the table ----------------------------------------


def metadata_that_is_known_first() -> MetaData:
    metadata = MetaData()
    tenant_aware(tenant_table("twin_known", metadata))
    return metadata


def test_an_undeclared_twin_does_not_untie_a_table(tied_engine: Engine) -> None:
    bare = child_table("twin", metadata_that_is_known_first())
    ours = of_accounts(MetaData())
    tenant_aware(ours.metadata.tables["twin_owner"])
    for each in (ours, bare):
        assert seen(tied_engine, select(each.c.id)) == [11]


def test_a_twin_without_a_foreign_key_does_not_keep_it_from_being_looked_up() -> None:
    child_table("twin", metadata_that_is_known_first())
    metadata = MetaData()
    owner = tenant_aware(tenant_table("twin_owner", metadata))
    visit = child_table("twin", metadata, Column("owner_id", ForeignKey("twin_owner.id")))
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, TIED[0])
    with tenant_scope("acme"), engine.begin() as connection:
        with pytest.raises(CrossTenantAccessError, match="twin_owner"):
            connection.execute(insert(visit).values(id=1, owner_id=2))
        connection.execute(insert(visit).values(id=1, owner_id=1))
    assert rows(engine, "SELECT owner_id FROM twin") == [(1,)]
    assert owner.metadata is metadata


def test_a_twin_without_a_foreign_key_does_not_hide_what_a_delete_reaches() -> None:
    child_table("twin", metadata_that_is_known_first())
    metadata = MetaData()
    shared = shared_across_tenants(child_table("twin_shared", metadata))
    tenant_aware(tenant_table("twin_own", metadata))
    key = ForeignKey("twin_shared.id", ondelete="CASCADE")
    owner: Any = Column("own_id", ForeignKey("twin_own.id"), nullable=False)
    child_table("twin", metadata, owner, Column("up", key))
    engine = memory_engine()
    metadata.create_all(engine)
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        pytest.raises(UnguardedStatementError, match="delete or change rows of twin"),
    ):
        connection.execute(delete(shared))


# -- a table of another database -----------------------------------------------------


def test_both_tables_of_one_name_are_not_used_on_one_engine(engine: Engine) -> None:
    ours = tenant_aware(tenant_table("twin", MetaData(), Column("x", String(9))))
    theirs = shared_across_tenants(in_part(engine), in_another_database=True)
    assert seen(engine, select(ours.c.x)) == ["ours"]
    with tenant_scope("acme"), engine.connect() as connection:
        for each in (theirs, theirs.alias()):
            with pytest.raises(ConfigurationError, match="both are used on one engine"):
                connection.execute(select(each.c.x))


def test_it_may_be_declared_before_the_tenant_aware_one(engine: Engine) -> None:
    theirs = shared_across_tenants(in_another_database=True)(in_part(engine))
    ours = tenant_aware(tenant_table("twin", MetaData(), Column("x", String(9))))
    require_declared(theirs.metadata)
    second = memory_engine()
    theirs.create(second)
    fill(second, "INSERT INTO twin VALUES (1, 'y')")
    assert seen(second, select(theirs.c.x)) == ["y"]
    assert seen(engine, select(ours.c.x)) == ["ours"]


def test_one_with_the_tenant_column_does_not_become_another_databases_afterwards() -> None:
    shared_across_tenants(tenant_table("twin", MetaData()), in_another_database=True)
    with pytest.raises(ConfigurationError, match="has no tenant column"):
        tenant_aware(tenant_table("twin", MetaData()))


def test_nor_does_one_that_its_own_metadata_ties_to_a_tenant() -> None:
    metadata = MetaData()
    tenant_aware(tenant_table("folder", metadata))
    sheet = child_table("sheet", metadata, Column("folder_id", ForeignKey("folder.id")))
    shared_across_tenants(sheet, in_another_database=True)
    with pytest.raises(ConfigurationError, match="a MetaData of its own"):
        tenant_aware(sheet, through="folder")


def test_a_model_may_be_of_another_database() -> None:
    @shared_across_tenants(in_another_database=True)
    class Twin(base()):  # type: ignore[misc]
        __tablename__ = "twin"
        id: Mapped[int] = mapped_column(primary_key=True)

    tenant_aware(tenant_table("twin", MetaData()))
    engine = memory_engine()
    Twin.metadata.create_all(engine)
    assert seen(engine, select(Twin.id)) == []


def test_twins_through_one_parent_by_other_columns_count_together() -> None:
    def twin_by(refers: str, other: str) -> Table:
        metadata = MetaData()
        tenant_aware(tenant_table("folder", metadata))
        key = Column(refers, Integer, ForeignKey("folder.id"))
        sheet = child_table("sheet", metadata, key, Column(other, Integer))
        return tenant_aware(sheet, through="folder")

    ours = twin_by("folder_id", "copy_of")
    engine = memory_engine()
    ours.metadata.create_all(engine)
    fill(
        engine,
        "INSERT INTO folder VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO sheet (id, folder_id, copy_of) VALUES (1, 1, 1), (2, 2, 1)",
    )
    assert seen(engine, select(ours.c.id)) == [1]
    theirs = twin_by("copy_of", "folder_id")
    assert seen(engine, select(ours.c.id)) == seen(engine, select(theirs.c.id)) == [1]
