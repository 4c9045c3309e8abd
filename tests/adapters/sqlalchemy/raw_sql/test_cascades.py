"""Upserts of a shared table that tenants' rows refer to, as constructs and as raw SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, text
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, database, require

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
    Table(
        "upcasc_price",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("code", ForeignKey("upcasc_code.code", onupdate="CASCADE")),
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
