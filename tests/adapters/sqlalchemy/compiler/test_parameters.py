"""The parameter that holds the tenant: its types, and that nothing can replace it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import CHAR, TypeDecorator

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    TenantContext,
    TenantId,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.execution.dialects import guarded_dialect
from tests.databases import NAMES, DatabaseName, database, require

from ..watching import engine_in_memory, fill, rows, sent
from .bound import NOTE, NUMBERED, marked, seed

engine = engine_in_memory(seed)

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


class Prefixed(TypeDecorator[str]):
    """A string that is stored with a prefix."""

    impl = String(60)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else f"t:{value}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.removeprefix("t:")


class UuidAsText(TypeDecorator[uuid.UUID]):
    """The usual recipe for UUIDs on all databases."""

    impl = CHAR(32)
    cache_ok = True

    @property
    def python_type(self) -> type[uuid.UUID]:
        return uuid.UUID

    def process_bind_param(self, value: uuid.UUID | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex

    def process_result_value(self, value: str | None, dialect: Dialect) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


TYPES: list[tuple[str, Any, TenantId, TenantId]] = [
    ("string", String(50), "acme", "globex"),
    ("text", Text(), "acme", "globex"),
    ("integer", Integer(), 7, 8),
    ("big", BigInteger(), 7_000_000_000, 8_000_000_000),
    ("uuid", Uuid(), ONE, OTHER),
    ("uuid_native_off", Uuid(native_uuid=False), ONE, OTHER),
    ("uuid_as_string", Uuid(as_uuid=False), str(ONE), str(OTHER)),
    ("decorated", Prefixed(), "acme", "globex"),
    ("decorated_uuid", UuidAsText(), ONE, OTHER),
]


# -- types -----------------------------------------------------------------------


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(("kind", "type_", "one", "other"), TYPES, ids=[each[0] for each in TYPES])
def test_a_tenant_of_the_columns_type_is_stamped_and_filtered(
    where: DatabaseName, kind: str, type_: Any, one: TenantId, other: TenantId
) -> None:
    require(where)
    table = marked(f"bind_type_{kind}", type_)
    with database(where) as here:
        engine = here.engine()
        table.metadata.create_all(engine)
        for number, tenant in ((1, one), (2, other)):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(insert(table).values(id=number))
                connection.execute(insert(table), [{"id": number + 10}, {"id": number + 20}])
                connection.execute(insert(table).values(id=number + 30, tenant_id=tenant))
        for number, tenant in ((1, one), (2, other)):
            with tenant_scope(tenant), engine.begin() as connection:
                found = connection.execute(select(table.c.id, table.c.tenant_id)).all()
                assert {row.tenant_id for row in found} == {tenant}
                assert sorted(row.id for row in found) == [number + n for n in (0, 10, 20, 30)]
                assert connection.execute(update(table).values(name="x")).rowcount == 4
        with system_scope("count what is there"), engine.connect() as connection:
            assert len(connection.execute(select(table)).all()) == 8
        engine.dispose()


@pytest.mark.parametrize("tenant", ["7", "acme", ONE])
@pytest.mark.parametrize(
    "statement",
    [
        select(NUMBERED),
        insert(NUMBERED).values(id=3),
        update(NUMBERED).values(name="x"),
        NUMBERED.delete(),
    ],
    ids=["select", "insert", "update", "delete"],
)
def test_a_tenant_of_another_type_is_a_configuration_error_and_never_coerced(
    engine: Engine, tenant: TenantId, statement: Any
) -> None:
    before = rows(engine, "SELECT * FROM bind_numbered")
    with (
        tenant_scope(tenant),
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(ConfigurationError, match=r"type= of the resolver, that type"),
    ):
        connection.execute(statement)
    assert statements == []
    assert rows(engine, "SELECT * FROM bind_numbered") == before


@pytest.mark.parametrize("tenant", [7, ONE])
def test_an_integer_or_a_uuid_never_matches_a_string_column(
    engine: Engine, tenant: TenantId
) -> None:
    fill(engine, f"INSERT INTO bind_note VALUES (7, '{tenant}', 'looks alike')")
    with (
        tenant_scope(tenant),
        engine.connect() as connection,
        pytest.raises(ConfigurationError, match="tenant_id holds str;"),
    ):
        connection.execute(select(NOTE))


def test_the_message_on_a_wrong_type_does_not_repeat_the_identifier(engine: Engine) -> None:
    with (
        tenant_scope("very-secret-name"),
        engine.connect() as connection,
        pytest.raises(ConfigurationError) as caught,
    ):
        connection.execute(select(NUMBERED))
    assert "very-secret-name" not in str(caught.value)
    assert "bind_numbered" in str(caught.value)


def test_a_given_tenant_of_an_equal_value_and_another_type_is_refused(engine: Engine) -> None:
    # True == 1 in Python, and a database would store it as 1.
    with tenant_scope(1), engine.begin() as connection:
        for value in (True, 1.0):
            with pytest.raises(CrossTenantAccessError):
                connection.execute(insert(NUMBERED).values(id=3, tenant_id=value))
            with pytest.raises(CrossTenantAccessError):
                connection.execute(insert(NUMBERED), {"id": 3, "tenant_id": value})
    assert rows(engine, "SELECT id FROM bind_numbered ORDER BY id") == [(1,), (2,)]


# -- values given by the caller --------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["tenant", "tenant_1", "tenant_2", "tenant_id_1", "tenantshield", "tenantshield_1"],
)
def test_a_parameter_under_the_name_of_the_tenants_does_not_take_its_place(
    engine: Engine, name: str
) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        try:
            found = connection.execute(select(NOTE.c.name), {name: "globex"}).scalars().all()
        except CrossTenantAccessError as error:
            assert "rename it" in str(error)  # noqa: PT017
            assert "globex" not in str(error)  # noqa: PT017
        else:
            assert found == ["ours"]


@pytest.mark.parametrize("name", ["tenant", "tenant_1"])
def test_a_bindparam_of_the_tenants_name_is_a_parameter_of_its_own(
    engine: Engine, name: str
) -> None:
    statement = select(NOTE.c.name).where(NOTE.c.name == bindparam(name))
    with tenant_scope("acme"), engine.connect() as connection:
        assert connection.execute(statement, {name: "ours"}).scalars().all() == ["ours"]
        assert connection.execute(statement, {name: "theirs"}).scalars().all() == []


@pytest.mark.parametrize("name", ["tenant", "tenant_1"])
def test_an_update_cannot_be_given_another_tenant_as_a_parameter(engine: Engine, name: str) -> None:
    statement = update(NOTE).where(NOTE.c.id == bindparam("wanted")).values(name="changed")
    with tenant_scope("acme"), engine.begin() as connection:
        for parameters in ({"wanted": 2, name: "globex"}, [{"wanted": 2, name: "globex"}] * 2):
            try:
                connection.execute(statement, parameters)
            except (CrossTenantAccessError, SQLAlchemyError) as error:
                refused = isinstance(error, CrossTenantAccessError)
                assert not (refused and "globex" in str(error))  # noqa: PT017
    assert rows(engine, "SELECT name FROM bind_note WHERE id = 2") == [("theirs",)]


@pytest.mark.parametrize("given", ["globex", None, "", "ACME", b"acme"])
def test_a_wrong_tenant_in_an_insert_is_refused_in_every_form(engine: Engine, given: Any) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        forms: list[tuple[Any, Any]] = [
            (insert(NOTE).values(id=3, tenant_id=given), None),
            (insert(NOTE), {"id": 3, "tenant_id": given}),
            (insert(NOTE), [{"id": 3, "tenant_id": "acme"}, {"id": 4, "tenant_id": given}]),
            (
                insert(NOTE).values(
                    [{"id": 3, "tenant_id": "acme"}, {"id": 4, "tenant_id": given}]
                ),
                None,
            ),
            (insert(NOTE).values(id=3, tenant_id=bindparam("other")), {"other": given}),
        ]
        for statement, parameters in forms:
            with pytest.raises(CrossTenantAccessError, match="bind_note"):
                connection.execute(statement, parameters)
    assert rows(engine, "SELECT id FROM bind_note ORDER BY id") == [(1,), (2,)]


def test_a_left_out_tenant_is_filled_in_every_form(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(NOTE).values(id=3))
        connection.execute(insert(NOTE), {"id": 4})
        connection.execute(insert(NOTE), [{"id": 5}, {"id": 6}])
        connection.execute(insert(NOTE).values([{"id": 7}, {"id": 8, "tenant_id": "acme"}]))
        connection.execute(insert(NOTE).returning(NOTE.c.id), [{"id": 9}, {"id": 10}])
        connection.execute(insert(NOTE))
    stamped = rows(engine, "SELECT DISTINCT tenant_id FROM bind_note WHERE id > 2")
    assert stamped == [("acme",)]
    assert rows(engine, "SELECT count(*) FROM bind_note") == [(11,)]


# -- what SQLAlchemy reads among the values --------------------------------------


def keyed(name: str, type_: Any) -> Table:
    """Return a table with the tenant in its key, and a default that is computed from it."""

    def told(context: Any) -> str:
        return f"of {context.get_current_parameters()['tenant_id']}"

    return tenant_aware(
        Table(
            name,
            MetaData(),
            Column("tenant_id", type_, primary_key=True),
            Column("code", String(20), primary_key=True),
            Column("name", String(60), default=told),
        )
    )


# MariaDB has no key of type TEXT.
KEYS = [each[:3] for each in TYPES if each[0] != "text"]


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(("kind", "type_", "tenant"), KEYS, ids=[each[0] for each in KEYS])
def test_the_tenant_that_is_filled_in_is_among_what_sqlalchemy_reads(
    where: DatabaseName, kind: str, type_: Any, tenant: TenantId
) -> None:
    require(where)
    table = keyed(f"bind_keyed_{kind}", type_)
    with database(where) as here:
        engine = here.engine()
        table.metadata.create_all(engine)
        in_order = insert(table).returning(table.c.code, table.c.name, sort_by_parameter_order=True)
        with tenant_scope(tenant), engine.begin() as connection:
            made: Any = connection.execute(insert(table).values(code="a"))
            assert tuple(made.inserted_primary_key) == (tenant, "a")
            assert made.last_inserted_params()["tenant_id"] == tenant
            found = connection.execute(in_order, [{"code": each} for each in "dcb"]).all()
            assert [tuple(each) for each in found] == [(each, f"of {tenant}") for each in "dcb"]
            names = connection.scalars(select(table.c.name).distinct()).all()
            assert names == [f"of {tenant}"]
        engine.dispose()


def test_a_statement_that_shows_its_parameters_needs_no_tenant(engine: Engine) -> None:
    compiled = insert(NOTE).values(id=3).compile(dialect=guarded_dialect(engine.dialect))
    assert str(compiled.params["tenant_id"]) == "<tenant in scope>"
    with tenant_scope("acme"):
        assert compiled.params["tenant_id"] == "acme"


# -- read when it is executed ----------------------------------------------------


def test_the_tenant_is_that_of_the_moment_of_execution(engine: Engine) -> None:
    with tenant_scope("acme"):
        statement = select(NOTE.c.name)
    with engine.connect() as connection:
        for tenant, expected in (("globex", ["theirs"]), ("acme", ["ours"])):
            with tenant_scope(tenant):
                assert connection.execute(statement).scalars().all() == expected
        with pytest.raises(MissingTenantContextError):
            connection.execute(statement)


def test_the_tenants_attributes_play_no_part(engine: Engine) -> None:
    with tenant_scope(TenantContext("acme", {"plan": "gold"})), engine.connect() as connection:
        assert connection.execute(select(NOTE.c.name)).scalars().all() == ["ours"]


@pytest.mark.parametrize("where", NAMES)
def test_a_type_of_the_statement_stores_no_other_tenant(where: DatabaseName) -> None:
    table = marked("bind_type_given", String(50))
    given = literal("acme", Prefixed())
    with database(where) as here:
        engine = here.engine()
        table.metadata.create_all(engine)
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(insert(table).values(id=1, tenant_id=given))
            connection.execute(insert(table).values([{"id": 2, "tenant_id": given}]))
            by_name = insert(table).values(id=3, tenant_id=bindparam("x", type_=Prefixed()))
            connection.execute(by_name, {"x": "acme"})
        assert set(here.read(f"SELECT tenant_id FROM {table.name}")) == {("acme",)}
        engine.dispose()
