"""A statement is confined when it is executed, whenever it was compiled."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import ObjectNotExecutableError

from tenantshield_mw import MissingTenantContextError, system_scope, tenant_scope

from ..watching import rows
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


def test_literal_binds_at_execution_cannot_fix_a_tenant(engine: Engine) -> None:
    compiled = select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True})
    assert "acme" not in str(compiled)
