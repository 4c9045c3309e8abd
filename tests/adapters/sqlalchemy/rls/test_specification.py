"""A tenant column of each type is compared as it is, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, TypeDecorator
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware

from .conftest import Client, Read, by_cursor
from .models import KINDS


@pytest.mark.parametrize("model", KINDS)
def test_a_tenant_column_of_each_type_is_compared_as_it_is(
    app: Client, everything: Read, model: Any
) -> None:
    mine, theirs = KINDS[model]
    for tenant in (mine, theirs):
        with tenant_scope(tenant):

            def add(session: Session) -> None:
                session.add(model())
                session.commit()

            app.session(add)

    assert len(everything(f"SELECT * FROM {model.__tablename__}")) == 2
    for tenant, number in ((mine, 1), (theirs, 2)):
        with tenant_scope(tenant):
            found = app.session(lambda s: by_cursor(s, f"SELECT id FROM {model.__tablename__}"))
        assert found == [(number,)]


class Shouting(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.upper()


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (Shouting(), "changes values"),
        (CITEXT(), "as equal"),
        (String(collation="x"), "as equal"),
    ],
)
def test_a_column_that_the_database_cannot_compare_as_it_is_is_refused(
    type_: Any, reason: str
) -> None:
    metadata = MetaData()
    name = f"floor_odd_{type(type_).__name__}_{getattr(type_, 'collation', None)}".lower()
    tenant_aware(
        Table(name, metadata, Column("id", Integer, primary_key=True), Column("tenant_id", type_))
    )
    with pytest.raises(ConfigurationError, match=reason):
        rls.policy_statements(metadata)
