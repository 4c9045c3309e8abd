"""With guard and policies, PostgreSQL searches the same index as for a careful filter by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Index, String, Uuid, delete, func, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import TenantId, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.plans import Plan, indexes, nodes, plan_of, scanned

from .conftest import Client, RlsDatabase, by_cursor

ROWS: Final = 50_000
TENANTS: Final = 500


class Base(DeclarativeBase):
    pass


@tenant_aware
class ByName(Base):
    __tablename__ = "planned_by_name"
    __table_args__ = (Index("planned_by_name_page", "tenant_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str]


@tenant_aware
class ByNumber(Base):
    __tablename__ = "planned_by_number"
    __table_args__ = (Index("planned_by_number_page", "tenant_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    name: Mapped[str]


@tenant_aware
class ByUuid(Base):
    __tablename__ = "planned_by_uuid"
    __table_args__ = (Index("planned_by_uuid_page", "tenant_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str]


# By the model: what makes the tenant of a row, as SQL, and one of them.
MODELS: Final[dict[Any, tuple[str, TenantId]]] = {
    ByName: (f"'t' || n % {TENANTS}", "t7"),
    ByNumber: (f"n % {TENANTS}", 7),
    ByUuid: (f"lpad((n % {TENANTS})::text, 32, '0')::uuid", uuid.UUID("7".zfill(32))),
}

STATEMENTS: Final[dict[str, Callable[[Any], Any]]] = {
    "a page": lambda t: select(t.c.id).where(t.c.id > 900).order_by(t.c.id).limit(20),
    "the last": lambda t: select(func.max(t.c.id)),
    "update": lambda t: update(t).where(t.c.id > 49_000).values(name="y"),
    "delete": lambda t: delete(t).where(t.c.id > 49_000),
}


@pytest.fixture(scope="module", autouse=True)
def tables(base: RlsDatabase) -> None:
    base.create(Base.metadata)
    for model, (tenant, _) in MODELS.items():
        name = model.__tablename__
        base.here.run(
            f"INSERT INTO {name} SELECT n, {tenant}, 'x' FROM generate_series(1, {ROWS}) n",
            f"ANALYZE {name}",
        )


@pytest.fixture(scope="module")
def app(base: RlsDatabase) -> Iterator[Client]:
    client = Client(base, "psycopg", pool_size=1)
    yield client
    client.close()


def by_hand(base: RlsDatabase, statement: Any) -> Plan:
    """Return the plan of the unchanged statement, for a role to which no policy applies."""
    with system_scope("as it is"), Session(base.engine("postgres")) as session:
        return plan_of(session, lambda s: s.execute(statement))


def guarded(base: RlsDatabase, statement: Any, tenant: TenantId) -> Plan:
    with tenant_scope(tenant), Session(base.engine("postgres")) as session:
        return plan_of(session, lambda s: s.execute(statement))


def both(app: Client, statement: Any, tenant: TenantId) -> Plan:
    with tenant_scope(tenant):
        return app.session(lambda s: plan_of(s, lambda each: each.execute(statement)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_the_same_index_is_searched_by_the_tenant(
    base: RlsDatabase, app: Client, model: Any, name: str
) -> None:
    _, tenant = MODELS[model]
    statement = STATEMENTS[name](model.__table__)
    condition = model.__table__.c.tenant_id == tenant
    index = f"{model.__tablename__}_page"
    expected = indexes(by_hand(base, statement.where(condition)))
    assert list(expected) == [index]
    assert "tenant_id" in expected[index]
    plans = [guarded(base, statement, tenant), both(app, statement, tenant)]
    # The same condition, too: the index is not searched by the policies' value.
    assert [indexes(plan) for plan in plans] == [expected] * 2
    assert [scanned(plan) for plan in plans] == [[model.__tablename__]] * 2


@pytest.mark.parametrize("model", MODELS)
def test_policies_alone_search_it_too(app: Client, model: Any) -> None:
    _, tenant = MODELS[model]
    name = model.__tablename__
    sql = f"EXPLAIN SELECT id FROM {name} WHERE id > 900 ORDER BY id LIMIT 20"
    with tenant_scope(tenant):
        lines = [line for (line,) in app.session(lambda s: by_cursor(s, sql))]
    (condition,) = (line for line in lines if "Index Cond" in line)
    assert any(f"using {name}_page on {name}" in line for line in lines)
    assert "tenant_id" in condition


def test_the_tenant_is_compared_once_for_a_statement_and_not_for_each_row(app: Client) -> None:
    plan = both(app, select(ByName.__table__.c.id), "t7")
    filters = [node["Filter"] for node in nodes(plan) if "Filter" in node]
    once = [node["One-Time Filter"] for node in nodes(plan) if "One-Time Filter" in node]
    assert filters == []
    assert len(once) == 1


def test_a_prepared_statement_with_a_plan_for_any_tenant_searches_it(app: Client) -> None:
    def run(session: Session) -> Plan:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        cursor = session.connection().connection.cursor()
        cursor.execute(
            "PREPARE page(text) AS SELECT id FROM planned_by_name WHERE tenant_id = $1 AND id > 900"
        )
        cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE page('t7')")
        ((explained,),) = cursor.fetchall()
        plan: Plan = explained[0]["Plan"]
        return plan

    with tenant_scope("t7"):
        plan = app.session(run)
    assert list(indexes(plan)) == ["planned_by_name_page"]
    assert [node["Filter"] for node in nodes(plan) if "Filter" in node] == []
