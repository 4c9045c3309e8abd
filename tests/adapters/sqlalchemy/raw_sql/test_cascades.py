"""Upserts of a shared table that tenants' rows refer to, as constructs and as raw SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import (
    DDL,
    Column,
    Engine,
    ForeignKey,
    MetaData,
    String,
    Table,
    event,
    text,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import DropTable

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, database, memory_engine, require

from ..schemas import tenant_table
from ..watching import fill, rows

METADATA = MetaData()
CODE = shared_across_tenants(
    Table(
        "upcasc_code",
        METADATA,
        Column("code", String(9), primary_key=True),
        Column("label", String(9)),
    )
)
PRICE = tenant_aware(
    tenant_table(
        "upcasc_price", METADATA, Column("code", ForeignKey("upcasc_code.code", onupdate="CASCADE"))
    )
)

STOCK = tenant_aware(
    tenant_table(
        "upcasc_stock", METADATA, Column("code", ForeignKey("upcasc_code.code", ondelete="CASCADE"))
    )
)


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        METADATA.create_all(engine)
        here.run(
            "INSERT INTO upcasc_code VALUES ('eur', 'Euro')",
            "INSERT INTO upcasc_price VALUES (1, 'globex', 'eur')",
        )
        yield engine
        assert here.read("SELECT code FROM upcasc_price") == [("eur",)]
        engine.dispose()


def upsert(engine: Engine, **values: Any) -> Any:
    makers: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}
    statement = makers[engine.dialect.name].insert(CODE).values(code="eur", label="new")
    if engine.dialect.name == "mariadb":
        return statement.on_duplicate_key_update(**values)
    return statement.on_conflict_do_update(index_elements=["code"], set_=values)


def test_an_upsert_that_leaves_the_key_alone_is_executed(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(upsert(engine, label="changed"))
        assert connection.execute(CODE.select()).all() == [("eur", "changed")]


def test_one_that_changes_the_key_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        with pytest.raises(UnguardedStatementError, match="upcasc_price"):
            connection.execute(upsert(engine, code="usd"))
        assert connection.execute(CODE.select()).all() == [("eur", "Euro")]


def test_what_the_table_does_not_list_is_not_left_out_silently() -> None:
    require("mariadb")
    with database("mariadb") as here:
        engine = here.engine()
        METADATA.create_all(engine)
        upsert_ = mysql.insert(PRICE).values(id=1).on_duplicate_key_update(id=1, cod="eur")
        with (
            tenant_scope("acme"),
            engine.begin() as connection,
            pytest.warns(SAWarning, match="cod"),
        ):
            connection.execute(upsert_)
        engine.dispose()


def test_a_raw_one_beside_it_is_refused(engine: Engine) -> None:
    raw = {
        "mariadb": "ON DUPLICATE KEY UPDATE code = 'usd'",
        "postgresql": "ON CONFLICT (code) DO UPDATE SET code = 'usd'",
        "sqlite": "ON CONFLICT (code) DO UPDATE SET code = 'usd'",
    }[engine.dialect.name]
    plain: Any = CODE.insert().values(code="eur", label="new")
    with tenant_scope("acme"), engine.begin() as connection:
        for statement in (
            plain.prefix_with(raw),
            text(f"INSERT INTO upcasc_code VALUES ('eur', 'new') {raw}"),
            upsert(engine, label=text(f"'x' /* {raw} */")),
        ):
            with pytest.raises(UnguardedStatementError):
                connection.execute(statement)
        with pytest.raises(UnguardedStatementError):
            connection.exec_driver_sql(f"INSERT INTO upcasc_code VALUES ('eur', 'new') {raw}")


# -- dropping the shared table ---------------------------------------------------------


DROPS: dict[str, Any] = {
    "DropTable": lambda c: c.execute(DropTable(CODE)),
    "if it is there": lambda c: c.execute(DropTable(CODE, if_exists=True)),
    "Table.drop": CODE.drop,
    "drop_all": lambda c: METADATA.drop_all(c, tables=[CODE]),
    "text": lambda c: c.execute(text("DROP TABLE upcasc_code")),
    "text, if it is there": lambda c: c.execute(text("drop  table if exists upcasc_code")),
    "driver SQL": lambda c: c.exec_driver_sql("DROP/**/TABLE upcasc_code"),
    "DDL": lambda c: c.execute(made("DROP TABLE upcasc_code")),
    "another construct": lambda c: Table("UPCASC_code", MetaData(), quote=False).drop(c),
}


def made(sql: str) -> Any:
    make: Any = DDL
    return make(sql)


@pytest.mark.parametrize("drop", DROPS.values(), ids=DROPS)
@pytest.mark.parametrize("scoped", [True, False])
def test_a_shared_table_is_not_dropped_with_tenants_rows(drop: Any, scoped: bool) -> None:
    engine = memory_engine()
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys = ON"))
    METADATA.create_all(engine)
    fill(
        engine,
        "INSERT INTO upcasc_code VALUES ('eur', 'Euro')",
        "INSERT INTO upcasc_price VALUES (1, 'globex', 'eur')",
        "INSERT INTO upcasc_stock VALUES (1, 'globex', 'eur')",
    )
    scope = tenant_scope("acme") if scoped else nullcontext()
    refusal = pytest.raises(UnguardedStatementError, match="upcasc_stock")
    with scope, engine.begin() as connection, refusal:
        drop(connection)
    assert rows(engine, "SELECT code FROM upcasc_stock") == [("eur",)]
