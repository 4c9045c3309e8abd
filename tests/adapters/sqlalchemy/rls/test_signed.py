"""Transactions whose tenant is signed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.rls import transactions
from tests.plans import indexes, plan_of

from . import signed_clients
from .conftest import SIGNING, Client, Driver, RlsDatabase, by_cursor, detached
from .models import KINDS, Bottle, Cellar, Label, Tasting
from .signed_clients import KEY, names

base, client, app = signed_clients.base, signed_clients.client, signed_clients.app


def test_a_cursor_reads_the_tenants_rows(client: Client) -> None:
    for tenant in ("acme", "globex", "acme"):
        with tenant_scope(tenant):
            assert client.session(names) == [tenant]
    assert client.session(names) == []


@pytest.mark.parametrize("model", [Bottle, Tasting])
def test_tied_rows_follow(app: Client, model: Any) -> None:
    with tenant_scope("acme"):
        assert app.session(lambda s: s.scalars(select(model.id)).all()) == [1]
    assert app.session(lambda s: by_cursor(s, f"SELECT * FROM {model.__tablename__}")) == []


@pytest.mark.parametrize("name", ["provider", "template", "offer", "price", "match", "score"])
def test_shared_rows_are_read_and_not_written(app: Client, name: str) -> None:
    def run(session: Session) -> list[Any]:
        by_cursor(session, f"UPDATE sr_{name} SET name = 'acme'")
        return by_cursor(session, f"SELECT name FROM sr_{name} ORDER BY 1")

    with tenant_scope("acme"):
        assert app.session(run) == [("acme",), ("shared",)]
    assert app.session(lambda s: by_cursor(s, f"SELECT name FROM sr_{name}")) == [("shared",)]


def test_a_system_scope_reaches_all_rows_without_bypassing_policies(
    base: RlsDatabase, client: Client
) -> None:
    [(bypasses,)] = base.here.read(
        f"SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = '{base.system}'"
    )
    assert not bypasses
    with system_scope("a report"):
        assert client.session(names) == ["acme", "globex"]
        assert client.session(lambda s: by_cursor(s, "SELECT id FROM floor_tasting")) == [
            (1,),
            (2,),
        ]

        def write(session: Session) -> int:
            return len(by_cursor(session, "UPDATE sr_provider SET name = name RETURNING id"))

        assert client.session(write) == 3
    with tenant_scope("globex"):
        assert client.session(names) == ["globex"]


@pytest.mark.parametrize("model", KINDS)
def test_a_tenant_of_each_type_is_signed(client: Client, model: Any) -> None:
    for tenant in KINDS[model]:
        with tenant_scope(tenant):

            def add(session: Session) -> int:
                session.add(model())
                session.commit()
                return len(by_cursor(session, f"SELECT * FROM {model.__tablename__}"))

            before = client.session(
                lambda s: len(by_cursor(s, f"SELECT * FROM {model.__tablename__}"))
            )
            assert client.session(add) == before + 1


def test_a_connection_that_is_detached_from_its_pool_is_signed_for(client: Client) -> None:
    def detach(_: Session) -> list[list[str]]:
        with detached(client.engine) as connection, Session(connection) as session:
            found = []
            for scope in (tenant_scope("acme"), tenant_scope("globex"), system_scope("a test")):
                with scope:
                    found.append(names(session))
                session.rollback()
            return found

    assert client.session(detach) == [["acme"], ["globex"], ["acme", "globex"]]


def test_the_scope_may_change_within_a_transaction(app: Client) -> None:
    with app.engine.connect() as connection:
        found = []
        for scope in (
            tenant_scope("acme"),
            tenant_scope("globex"),
            system_scope("a test"),
            tenant_scope("acme"),
        ):
            with scope:
                connection.execute(select(Cellar.id))
                cursor = connection.connection.cursor()
                cursor.execute('SELECT name FROM "floor Cellar" ORDER BY 1')
                found.append([name for (name,) in cursor.fetchall()])
    assert found == [["acme"], ["globex"], ["acme", "globex"], ["acme"]]


def test_a_savepoint_that_is_rolled_back_changes_nothing(app: Client) -> None:
    with tenant_scope("acme"), app.engine.connect() as connection:
        with connection.begin_nested() as savepoint:
            connection.execute(select(Cellar.id))
            savepoint.rollback()
        assert connection.execute(select(Cellar.name)).scalars().all() == ["acme"]


def test_two_phase_transactions_are_signed(app: Client) -> None:
    with tenant_scope("acme"), app.engine.connect() as connection:
        transaction = connection.begin_twophase()
        assert connection.execute(select(Cellar.name)).scalars().all() == ["acme"]
        transaction.rollback()


# -- connections -------------------------------------------------------------------


@pytest.mark.parametrize("driver", SIGNING)
def test_each_transaction_of_a_pooled_engine_asks_for_its_backend(
    base: RlsDatabase, driver: Driver
) -> None:
    client = Client(base, driver, key=KEY, pooled=True)
    for tenant in ("acme", "globex"):
        with tenant_scope(tenant):
            assert client.session(names) == [tenant]
    with system_scope("a report"):
        assert client.session(names) == ["acme", "globex"]
    client.close()


@pytest.mark.parametrize("clock", ["monotonic", "time"])
@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_a_clock_that_jumps_is_noticed(
    client: Client, monkeypatch: pytest.MonkeyPatch, clock: str, seconds: float
) -> None:
    with tenant_scope("acme"):
        assert client.session(names) == ["acme"]
        real = getattr(time, clock)
        monkeypatch.setattr(f"{transactions.__name__}.time.{clock}", lambda: real() + seconds)
        assert client.session(names) == ["acme"]
    with system_scope("a report"):
        assert client.session(names) == ["acme", "globex"]


def test_a_role_that_was_left_behind_is_noticed(base: RlsDatabase, app: Client) -> None:
    def leave(session: Session) -> None:
        by_cursor(session, f"SET ROLE {base.system}")
        session.commit()

    with tenant_scope("acme"):
        app.session(leave)
        # That role's policies show it nothing without a signed system scope.
        assert app.session(names) == []
        app.engine.dispose()
        assert app.session(names) == ["acme"]


@pytest.mark.parametrize("isolation_level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_the_isolation_level_is_kept(base: RlsDatabase, isolation_level: str) -> None:
    client = Client(base, "psycopg", key=KEY, isolation_level=isolation_level, pool_size=1)
    for _ in range(2):
        with tenant_scope("acme"):
            found = client.session(lambda s: by_cursor(s, "SHOW transaction_isolation"))
        assert found == [(isolation_level.lower(),)]
    client.close()


def test_a_connection_that_is_gone_is_replaced(base: RlsDatabase) -> None:
    client = Client(base, "psycopg", key=KEY, pool_size=1, pool_pre_ping=True)
    with tenant_scope("acme"):
        for _ in range(2):
            assert client.session(names) == ["acme"]
            base.here.read(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE usename = '{base.app}'"
            )
    client.close()


def test_a_failure_at_the_beginning_is_the_drivers_own_error(base: RlsDatabase) -> None:
    client = Client(base, "psycopg", key=KEY, pool_size=1, max_overflow=0)
    with tenant_scope("acme"):
        assert client.session(names) == ["acme"]
        base.here.read(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{base.app}'"
        )
        with pytest.raises(DBAPIError):
            client.session(names)
        assert client.session(names) == ["acme"]
    client.close()


# -- plans -------------------------------------------------------------------------


def test_the_index_is_searched_by_the_tenant(base: RlsDatabase, app: Client) -> None:
    base.here.run(
        "INSERT INTO floor_label (id, tenant_id) SELECT n, 'tenant ' || n % 50 "
        "FROM generate_series(1000, 6000) n",
        "CREATE INDEX floor_label_page ON floor_label (tenant_id, id)",
        "ANALYZE floor_label",
    )
    sql = "EXPLAIN SELECT id FROM floor_label WHERE id > 2000 ORDER BY id LIMIT 20"
    try:
        with tenant_scope("tenant 7"):
            lines = [line for (line,) in app.session(lambda s: by_cursor(s, sql))]
            both = app.session(
                lambda s: plan_of(
                    s,
                    lambda each: each.execute(
                        select(Label.id).where(Label.id > 2000).order_by(Label.id).limit(20)
                    ),
                )
            )
        (condition,) = (line for line in lines if "Index Cond" in line)
        assert "tenant_id" in condition
        assert "id > 2000" in condition
        assert list(indexes(both)) == ["floor_label_page"]
        # No function is called for each row.
        assert not any("tenantshield_" in line for line in lines if "Filter" in line)
    finally:
        base.here.run("DELETE FROM floor_label WHERE id >= 1000", "DROP INDEX floor_label_page")


def test_a_parallel_plan_checks_the_signature_in_the_leader(base: RlsDatabase, app: Client) -> None:
    base.here.run(
        "INSERT INTO floor_label (id, tenant_id) SELECT generate_series(1000, 9000), 'acme'",
        "ANALYZE floor_label",
    )

    def run(session: Session) -> tuple[str, int]:
        for setting in (
            "parallel_setup_cost = 0",
            "parallel_tuple_cost = 0",
            "min_parallel_table_scan_size = 0",
            "enable_indexscan = off",
            "enable_bitmapscan = off",
        ):
            by_cursor(session, f"SET LOCAL {setting}")
        sql = "SELECT count(*) FROM floor_label WHERE id >= 1000"
        plan = "\n".join(line for (line,) in by_cursor(session, f"EXPLAIN {sql}"))
        [(count,)] = by_cursor(session, sql)
        return plan, count

    try:
        with tenant_scope("acme"):
            plan, count = app.session(run)
        assert count == 8001
        assert "Gather" in plan
    finally:
        base.here.run("DELETE FROM floor_label WHERE id >= 1000")
