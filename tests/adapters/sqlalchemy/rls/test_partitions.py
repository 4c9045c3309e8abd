"""Tables that are partitioned by tenant: queries read one partition, and none directly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware, tenant_foreign_key
from tests.plans import plan_of, scanned

from .conftest import Client, RlsDatabase, by_cursor

Read = Callable[[str], list[tuple[Any, ...]]]

PARTS: Final = 4


class Base(DeclarativeBase):
    pass


@tenant_aware
class Shelf(Base):
    __tablename__ = "spread_shelf"
    __table_args__ = ({"postgresql_partition_by": "HASH (tenant_id)"},)

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@tenant_aware
class Book(Base):
    __tablename__ = "spread_book"
    __table_args__ = (
        tenant_foreign_key("shelf_id", "spread_shelf.id", ondelete="CASCADE"),
        {"postgresql_partition_by": "LIST (tenant_id)"},
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int | None]
    name: Mapped[str]


PARTITIONS: Final = (
    *(
        f"CREATE TABLE spread_shelf_{number} PARTITION OF spread_shelf "
        f"FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {number})"
        for number in range(PARTS)
    ),
    "CREATE TABLE spread_book_large PARTITION OF spread_book FOR VALUES IN ('tenant 7')",
    # In two levels, so that a partition has a partition.
    "CREATE TABLE spread_book_rest PARTITION OF spread_book DEFAULT PARTITION BY LIST (tenant_id)",
    "CREATE TABLE spread_book_other PARTITION OF spread_book_rest DEFAULT",
)
LEAVES: Final = (
    *(f"spread_shelf_{number}" for number in range(PARTS)),
    "spread_book_large",
    "spread_book_rest",
    "spread_book_other",
)


@pytest.fixture(scope="module", autouse=True)
def tables(base: RlsDatabase) -> None:
    with base.engine(base.owner).begin() as connection:
        Base.metadata.create_all(connection)
        with system_scope("partitions"):
            for statement in PARTITIONS:
                connection.exec_driver_sql(statement)
        rls.create_policies(connection, Base.metadata)
    base.grant()


@pytest.fixture(autouse=True)
def rows(base: RlsDatabase) -> None:
    base.here.run(
        "TRUNCATE spread_shelf, spread_book",
        "INSERT INTO spread_shelf SELECT 'tenant ' || n % 40, n, 'x' "
        "FROM generate_series(1, 4000) n",
        "INSERT INTO spread_book SELECT tenant_id, id, id, 'x' FROM spread_shelf",
        "ANALYZE spread_shelf, spread_book",
    )


@pytest.fixture
def app(base: RlsDatabase) -> Iterator[Client]:
    client = Client(base, "psycopg")
    yield client
    client.close()


STATEMENTS: Final[dict[str, tuple[Any, set[str]]]] = {
    "select": (select(Book.id), {"spread_book_large"}),
    "one": (select(Book.id).where(Book.id == 7), {"spread_book_large"}),
    "update": (update(Book).values(name="y"), {"spread_book_large"}),
    "delete": (delete(Book).where(Book.id < 100), {"spread_book_large"}),
    "join": (
        select(Book.id, Shelf.name).join(
            Shelf, (Shelf.tenant_id == Book.tenant_id) & (Shelf.id == Book.shelf_id)
        ),
        {"spread_book_large", "{shelf}"},
    ),
    "outer join": (
        select(Shelf.id, Book.name).outerjoin(Book, Book.shelf_id == Shelf.id),
        {"spread_book_large", "{shelf}"},
    ),
    "exists": (
        select(Shelf.id).where(select(Book.id).where(Book.shelf_id == Shelf.id).exists()),
        {"spread_book_large", "{shelf}"},
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_guarded_statement_reads_the_tenants_partition_alone(
    app: Client, everything: Read, name: str
) -> None:
    statement, expected = STATEMENTS[name]
    ((shelf,),) = everything(
        "SELECT DISTINCT tableoid::regclass::text FROM spread_shelf WHERE tenant_id = 'tenant 7'"
    )
    with tenant_scope("tenant 7"):
        plan = app.session(lambda s: plan_of(s, lambda each: each.execute(statement)))
    assert set(scanned(plan)) == {each.format(shelf=shelf) for each in expected}


@pytest.mark.parametrize("table", LEAVES)
def test_a_cursor_that_names_a_partition_reads_nothing(app: Client, table: str) -> None:
    with tenant_scope("tenant 7"):
        assert app.session(lambda s: by_cursor(s, f"SELECT * FROM {table}")) == []
    assert app.session(lambda s: by_cursor(s, f"SELECT * FROM {table}")) == []


def test_a_cursor_that_names_a_partition_writes_nothing(app: Client, everything: Read) -> None:
    def run(session: Session) -> None:
        by_cursor(session, "DELETE FROM spread_book_other")
        by_cursor(session, "UPDATE spread_book_other SET name = 'taken'")
        session.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            by_cursor(session, "INSERT INTO spread_book_other VALUES ('tenant 8', 1, NULL, 'x')")

    before = everything("SELECT * FROM spread_book ORDER BY 1, 2")
    with tenant_scope("tenant 7"):
        app.session(run)
    assert everything("SELECT * FROM spread_book ORDER BY 1, 2") == before


def test_through_the_table_the_tenants_rows_are_read_and_written(
    app: Client, everything: Read
) -> None:
    def run(session: Session) -> int:
        session.add(Shelf(id=9000, name="new"))
        session.flush()
        session.execute(insert(Book).values(id=9000, shelf_id=9000, name="new"))
        session.commit()
        # Also deletes the book, through the foreign key.
        session.execute(delete(Shelf).where(Shelf.id == 47))
        session.commit()
        ((count,),) = by_cursor(session, "SELECT count(*) FROM spread_book")
        return int(count)

    for tenant in ("tenant 7", "tenant 8"):
        with tenant_scope(tenant):
            assert app.session(run) == (100 if tenant == "tenant 7" else 101)
    assert everything("SELECT tenant_id FROM spread_book WHERE id = 9000 ORDER BY 1") == [
        ("tenant 7",),
        ("tenant 8",),
    ]
    assert everything("SELECT 1 FROM spread_book WHERE id = 47") == []


def test_a_partition_that_comes_later_is_told_of_and_closed(app: Client, base: RlsDatabase) -> None:
    def differences() -> list[str]:
        with base.engine(base.app).connect() as connection:
            wanted = rls.specs_of(Base.metadata)
            return [str(each) for each in rls.find_differences(connection, wanted)]

    assert differences() == []
    base.here.run(
        "DELETE FROM spread_book WHERE tenant_id = 'tenant 8'",
        "CREATE TABLE spread_book_later PARTITION OF spread_book FOR VALUES IN ('tenant 8')",
        "INSERT INTO spread_book VALUES ('tenant 8', 1, NULL, 'x')",
        f"ALTER TABLE spread_book_later OWNER TO {base.owner}",
    )
    base.grant()
    try:
        (difference,) = differences()
        assert "spread_book_later" in difference
        with base.engine(base.owner).begin() as connection:
            rls.create_policies(connection, Base.metadata)
        assert differences() == []
        with tenant_scope("tenant 7"):
            assert app.session(lambda s: by_cursor(s, "SELECT * FROM spread_book_later")) == []
    finally:
        base.here.run("DROP TABLE spread_book_later")


def test_dropping_the_policies_opens_the_partitions_again(
    base: RlsDatabase, everything: Read
) -> None:
    left = (
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'spread%' "
        "AND (relrowsecurity OR relforcerowsecurity)"
    )
    assert everything(left) == [(len(LEAVES) + 2,)]
    with base.engine(base.owner).begin() as connection:
        rls.drop_policies(connection, Base.metadata)
    try:
        assert everything(left) == [(0,)]
    finally:
        with base.engine(base.owner).begin() as connection:
            rls.create_policies(connection, Base.metadata)
