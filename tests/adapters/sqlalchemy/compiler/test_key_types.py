"""Foreign keys whose types convert them in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session, registry

from tenantshield_mw import (
    CrossTenantAccessError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, database, memory_engine

from ..watching import fill, rows

METADATA = MetaData()
PARENT = tenant_aware(
    Table(
        "typed_parent",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        Column("part", Integer),
        UniqueConstraint("id", "part"),
    )
)
OTHER_KEY = shared_across_tenants(
    Table(
        "typed_map",
        METADATA,
        Column("given", Integer, primary_key=True, autoincrement=False),
        Column("made", Integer),
    )
)


class Converting(TypeDecorator[int]):
    impl = Integer
    cache_ok = True


def converting(bind_expression: Callable[[Any], Any]) -> type[Converting]:
    class Made(Converting):
        cache_ok = True

        def bind_expression(self, bindparam: Any) -> Any:
            return bind_expression(bindparam)

    return Made


def looked_up(value: Any) -> Any:
    wanted = OTHER_KEY.c.given == type_coerce(value, Integer)
    return select(OTHER_KEY.c.made).where(wanted).scalar_subquery()


UNKNOWN: dict[str, Callable[[Any], Any]] = {
    "a subquery": looked_up,
    "one in a function": lambda v: func.coalesce(looked_up(v), type_coerce(v, Integer)),
    "one beside the value": lambda v: func.coalesce(looked_up(v), v),
    "one in a condition": lambda v: case((exists(select(OTHER_KEY.c.given)), 2), else_=v),
    "one of the value alone": lambda v: select(type_coerce(v, Integer)).scalar_subquery(),
    "raw SQL": lambda v: func.coalesce(literal_column("2"), v),
    "text": lambda v: func.coalesce(text("2"), v),
    "a whole row": lambda v: case((OTHER_KEY.table_valued().is_not(None), 2), else_=v),
    "another value": lambda v: cast(2, Integer),
    "a sequence": lambda v: func.coalesce(Sequence("typed_numbers").next_value(), v),
    "the value twice": lambda v: type_coerce(v, Integer) + type_coerce(v, Integer),
}
SHIFTED: dict[str, Callable[[Any], Any]] = {
    "of the value": lambda v: v + 1,
    "of another type": lambda v: type_coerce(v, Integer) + 1,
    "a function": lambda v: func.abs(type_coerce(v, Integer) + 1),
    "a cast": lambda v: cast(v, Integer) + 1,
}


def child(name: str, type_: Any, **options: Any) -> Table:
    return tenant_aware(
        Table(
            name,
            METADATA,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(20)),
            Column("parent_id", type_, ForeignKey("typed_parent.id"), **options),
        )
    )


REFUSED = {
    name: child(f"typed_unknown_{number}", converting(made))
    for number, (name, made) in enumerate(UNKNOWN.items())
}
MOVED = {
    name: child(f"typed_shifted_{number}", converting(made))
    for number, (name, made) in enumerate(SHIFTED.items())
}


def by_a_variant(type_: type[Converting]) -> Any:
    return Integer().with_variant(type_(), "sqlite", "postgresql", "mariadb")


REFUSED["by a variant"] = child("typed_unknown_variant", by_a_variant(converting(looked_up)))
BY_DEFAULT = child("typed_default", converting(looked_up), default=1)
VARIANT = child("typed_variant", by_a_variant(converting(lambda v: type_coerce(v, Integer) + 1)))
COMPOSITE = tenant_aware(
    Table(
        "typed_composite",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        Column("parent_id", converting(SHIFTED["of the value"])),
        Column("part", Integer),
        ForeignKeyConstraint(["parent_id", "part"], ["typed_parent.id", "typed_parent.part"]),
    )
)


class Two(Converting):
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return 2 if value is None else value


FROM_NULL = {
    "by its processor": child("typed_null_python", Two),
    "by a variant's": child("typed_null_variant", by_a_variant(Two)),
    "in the database": child(
        "typed_null_sql", converting(lambda v: func.coalesce(type_coerce(v, Integer), 2))
    ),
}
NULL_STAYS = child("typed_null", converting(lambda v: type_coerce(v, Integer) + 1))

SEED = (
    "INSERT INTO typed_parent VALUES (1, 'acme', 1), (2, 'globex', 1)",
    "INSERT INTO typed_map VALUES (0, 1), (1, 2), (2, 1)",
)


class Row:
    """A row of one of the tables."""


def mapped(table: Table) -> type[Any]:
    kind: type[Any] = type("Mapped", (Row,), {})
    registry().map_imperatively(kind, table)
    return kind


def by_orm(connection: Any, table: Table, value: Any) -> None:
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        made = mapped(table)()
        made.id, made.parent_id = 9, value
        session.add(made)
        session.commit()


WRITES: dict[str, Callable[[Any, Table, Any], Any]] = {
    "insert": lambda c, t, v: c.execute(insert(t).values(id=9, parent_id=v)),
    "executemany": lambda c, t, v: c.execute(insert(t), [{"id": 8, "parent_id": v}]),
    "update": lambda c, t, v: c.execute(update(t).values(parent_id=v)),
    "insert from select": lambda c, t, v: c.execute(
        insert(t).from_select(
            ["id", "parent_id"], select(literal(9), literal(v, t.c.parent_id.type))
        )
    ),
    "flush": by_orm,
}


@pytest.fixture(params=NAMES, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with database(request.param) as here:
        made = here.engine()
        METADATA.create_all(made)
        here.run(*SEED)
        yield made
        made.dispose()


def write(engine: Engine, table: Table, value: Any, how: str) -> list[tuple[Any, ...]]:
    """Return what was written, as it would be read back."""
    with tenant_scope("acme"), engine.connect() as connection:
        transaction = connection.begin()
        WRITES[how](connection, table, value)
        cursor = connection.connection.cursor()
        cursor.execute(f"SELECT parent_id FROM {table.name}")
        found = [tuple(row) for row in cursor.fetchall()]
        transaction.rollback()
        return found


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_type_that_makes_another_key_is_refused(engine: Engine, name: str, how: str) -> None:
    for value in (1, 2):
        with pytest.raises(UnguardedStatementError):
            write(engine, REFUSED[name], value, how)


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_error_says_what_to_do(engine: Engine, name: str) -> None:
    with pytest.raises(UnguardedStatementError, match=r"convert the value in process_bind_param"):
        write(engine, REFUSED[name], 1, "insert")


@pytest.mark.parametrize("how", ["insert", "executemany", "flush"])
@pytest.mark.parametrize("name", SHIFTED)
def test_the_key_that_is_written_is_looked_up(engine: Engine, name: str, how: str) -> None:
    with pytest.raises(CrossTenantAccessError):
        write(engine, MOVED[name], 1, how)
    assert write(engine, MOVED[name], 0, how) == [(1,)]


def test_one_of_a_default_is_refused(engine: Engine) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="bind_expression"),
    ):
        connection.execute(insert(BY_DEFAULT).values(id=9))


@pytest.mark.parametrize("how", ["insert", "executemany", "flush"])
def test_so_is_one_of_a_variant_of_the_type(engine: Engine, how: str) -> None:
    with pytest.raises(CrossTenantAccessError):
        write(engine, VARIANT, 1, how)
    assert write(engine, VARIANT, 0, how) == [(1,)]


def test_a_session_that_knows_the_given_key_does_not_prove_the_one_of_a_variant() -> None:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, *SEED)
    parent, kind = mapped(PARENT), mapped(VARIANT)
    with tenant_scope("acme"), Session(engine) as session:
        assert session.get(parent, 1) is not None
        made = kind()
        made.id, made.parent_id = 9, 1
        session.add(made)
        with pytest.raises(CrossTenantAccessError):
            session.flush()


def test_a_composite_key_is_looked_up_as_it_is_written(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises(CrossTenantAccessError):
            connection.execute(insert(COMPOSITE).values(id=9, parent_id=1, part=1))
        connection.execute(insert(COMPOSITE).values(id=9, parent_id=0, part=1))


@pytest.mark.parametrize("how", ["insert", "executemany", "update", "flush"])
@pytest.mark.parametrize("name", FROM_NULL)
def test_a_type_that_makes_a_key_of_none_is_refused(engine: Engine, name: str, how: str) -> None:
    with pytest.raises(CrossTenantAccessError, match=r"is None, and its type|does not have"):
        write(engine, FROM_NULL[name], None, how)


@pytest.mark.parametrize("value", [None, null()])
def test_null_stays_possible(engine: Engine, value: Any) -> None:
    assert write(engine, NULL_STAYS, value, "insert") == [(None,)]
    assert write(engine, FROM_NULL["by its processor"], null(), "insert") == [(None,)]


def test_a_flush_in_a_system_scope_refuses_it_as_well() -> None:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, *SEED)
    table = REFUSED["another value"]
    with system_scope("to fill"), Session(engine) as session:
        made = mapped(table)()
        made.id, made.tenant_id, made.parent_id = 9, "acme", 2
        session.add(made)
        with pytest.raises(UnguardedStatementError, match="bind_expression"):
            session.commit()
    assert rows(engine, f"SELECT * FROM {table.name}") == []
