"""A schema's name that comes into a compiled statement is a name, or is quoted."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import quoted_name

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.raw_sql.schemas import check_schemas

from ..watching import sent
from .ledgers import RATES

DIALECT = sqlite.dialect()
WIDENING = quoted_name("main.raw_ledger, main", False)


@pytest.mark.parametrize(
    "name",
    ["main", None, "my schema", quoted_name("main", False), quoted_name("a$b", False)],
)
def test_a_name_passes(name: str | None) -> None:
    with tenant_scope("acme"):
        check_schemas({} if name is None else {None: name}, "", DIALECT)


@pytest.mark.parametrize("name", [WIDENING, quoted_name("a b", False), quoted_name("", False)])
def test_anything_else_that_is_not_quoted_is_refused(name: str) -> None:
    with tenant_scope("acme"), pytest.raises(UnguardedStatementError, match="more than a name"):
        check_schemas({None: name}, "", DIALECT)
    with system_scope("a test"):
        check_schemas({None: name}, "", DIALECT)


def test_it_is_refused_before_it_is_sent(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError, match="more than a name"):
            connection.execute(
                select(RATES.c.id), execution_options={"schema_translate_map": {None: WIDENING}}
            )
        assert statements == []
