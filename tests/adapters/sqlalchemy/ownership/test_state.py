"""Tables are declared by one thread while another derives or queries their ownership."""

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
    UniqueConstraint,
    column,
    event,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Session, make_transient_to_detached

from tenantshield_mw import CrossTenantAccessError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenant_foreign_key
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import memory_engine

from ..schemas import ACCOUNT, METADATA, assert_confined, child_table, seed, seen, tenant_table
from ..watching import fill, rows


class Watched(Table):
    """Lets another thread do something, once, while its foreign keys are read."""

    inherit_cache = True
    meanwhile: Callable[[], object] | None = None

    @property
    def constraints(self) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            in_another_thread(meanwhile)
        return self.__dict__["constraints"]

    @constraints.setter
    def constraints(self, given: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.__dict__["constraints"] = given


def in_another_thread(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


def watched(name: str) -> tuple[Watched, Table]:
    """Return an undeclared table and a tenant-aware table of the same ``MetaData``."""
    metadata = MetaData()
    tables = [
        kind(
            each, metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String(50))
        )
        for kind, each in ((Watched, name), (Table, f"{name}_owner"))
    ]
    unowned, owner = tables
    assert isinstance(unowned, Watched)
    return unowned, tenant_aware(owner)


@contextmanager
def meanwhile(
    tables: tuple[Watched, Table], work: Callable[[], object]
) -> Generator[None, None, None]:
    """Derive the ownership again, while another thread does ``work``."""
    unowned, owner = tables
    done: list[object] = []
    unowned.meanwhile = lambda: done.append(work())
    tenant_aware(owner)
    yield
    assert done


@pytest.mark.parametrize("first", ["construct", "text"])
def test_a_table_declared_while_ownership_is_derived_is_guarded(first: str) -> None:
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
def test_a_table_defined_while_ownership_is_derived_is_tied(first: str) -> None:
    early, owner = tables = watched(f"reg_defined_meanwhile_{first}")
    metadata = early.metadata
    name = f"{early.name}_line"

    def define() -> Table:
        return child_table(
            name,
            metadata,
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


def test_a_key_to_a_table_declared_while_ownership_is_derived_is_checked() -> None:
    parent, owner = watched("reg_parent_meanwhile")
    child = tenant_table(
        "reg_child_meanwhile",
        parent.metadata,
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


def test_a_model_declared_while_a_session_reads_its_tenant_is_guarded() -> None:
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
    """Does something while it is in its ``MetaData`` but has no name and no columns yet."""

    inherit_cache = True
    meanwhile: ClassVar[Any]

    def __init__(self, *args: Any, **options: Any) -> None:
        if "name" not in self.__dict__:
            type(self).meanwhile()
        super().__init__(*args, **options)


@pytest.mark.parametrize("statement", [select(ACCOUNT.c.id), text("SELECT 1")])
def test_a_table_being_defined_blocks_no_other_thread(engine: Engine, statement: Any) -> None:
    tenant_aware(ACCOUNT)  # so that the ownership is derived again
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
    child = child_table(
        "reg_begun_child",
        metadata,
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


def test_a_composite_key_may_be_declared_while_another_is_completed() -> None:
    metadata = MetaData()

    def child(name: str, parent: str) -> None:
        tenant_table(
            name,
            metadata,
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
            completed = tenant_table(
                name,
                metadata,
            )
            unique = [each for each in completed.constraints if isinstance(each, UniqueConstraint)]
            assert [each.columns.keys() for each in unique] == [["tenant_id", "id"]]
    finally:
        event.remove(UniqueConstraint, "after_parent_attach", attached)


@pytest.fixture
def switching() -> Generator[None, None, None]:
    """Make the interpreter switch threads as often as possible."""
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
            own = tenant_table(
                f"reg_threads_{number}_{each}",
                metadata,
            )
            tied = child_table(
                f"reg_threads_{number}_{each}_line",
                metadata,
                Column("own_id", ForeignKey(own.c.id), nullable=False),
            )
            tables += [tenant_aware(own), tied]
            assert all(map(registry.ownership_of, tables))
        return tables

    def use() -> None:
        engine = seed(memory_engine())
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
