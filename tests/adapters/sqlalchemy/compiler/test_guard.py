"""A statement is confined when it is executed, whenever it was compiled."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, delete, insert, literal, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ObjectNotExecutableError

from tenantshield_mw import MissingTenantContextError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.execution.dialects import guarded_dialect
from tests.databases import memory_engine

from ..watching import rows
from .parents import OWN
from .shop import SHOP, refused

# -- stored, compiled and new forms ----------------------------------------------


def test_a_statement_compiled_beforehand_is_confined_or_not_executable(engine: Engine) -> None:
    before: Any = select(SHOP.c.id).compile(engine)
    with tenant_scope("acme"), engine.connect() as connection:
        try:
            assert sorted(connection.execute(before).scalars()) == [1, 2]
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    with (
        engine.connect() as connection,
        pytest.raises((MissingTenantContextError, ObjectNotExecutableError)),
    ):
        connection.execute(before)


def test_a_statement_compiled_in_the_system_scope_is_confined_outside(engine: Engine) -> None:
    with system_scope("prepare a statement"):
        before: Any = update(SHOP).values(name="hit").compile(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        try:
            assert connection.execute(before, {"name": "hit"}).rowcount == 2
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    assert rows(engine, "SELECT id FROM comp_shop WHERE name = 'hit' AND id > 2") == []


def test_a_statement_compiled_with_literals_is_confined_when_it_is_executed(
    engine: Engine,
) -> None:
    literal_sql = str(select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True}))
    refused(engine, text(literal_sql), match="comp_shop")


def test_what_a_compiled_statement_renders_later_leaves_its_checks() -> None:
    dialect = guarded_dialect(memory_engine().dialect)
    statement = sqlite.insert(OWN).values(id=1, parent_id=2).on_conflict_do_nothing()
    compiled: Any = statement.compile(dialect=dialect)
    compiled.process(literal(1))
    assert compiled.tenantshield_skips_rows


def test_literal_binds_at_execution_cannot_fix_a_tenant(engine: Engine) -> None:
    compiled = select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True})
    assert "acme" not in str(compiled)


@pytest.mark.parametrize(
    "statement",
    [
        select(SHOP.c.id).where(SHOP.c.name == "x"),
        select(select(SHOP.c.id).subquery()),
        insert(SHOP).values(id=9, name="new"),
        update(SHOP).values(name="hit"),
        delete(SHOP).where(SHOP.c.id == 9),
    ],
    ids=["select", "subquery", "insert", "update", "delete"],
)
def test_a_compiled_statement_is_freed_without_the_garbage_collector(
    engine: Engine, statement: Any
) -> None:
    cache: dict[Any, Any] = {}
    with tenant_scope("acme"), engine.begin() as connection:
        # private: the execution option for SQLAlchemy's own cache.
        connection.execute(statement, execution_options={"compiled_cache": cache})
    kept = [weakref.ref(compiled) for compiled in cache.values()]
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        cache.clear()
        assert kept
        assert not any(compiled() for compiled in kept)
    finally:
        if was_collecting:
            gc.enable()
