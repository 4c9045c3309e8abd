"""The open transaction is told the current scope, whenever that is another than it was told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from tenantshield_mw import TenantContext, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.transactions import HELD, Transactions, hold
from tenantshield_mw.context import current_bound


class Telling(Transactions):
    """Keeps what a database would have been told, as row-level security does."""

    tenant = place = None

    def __init__(self) -> None:  # hooks no dialect
        self.told: list[object] = []

    def has_ended(self, connection: Connection) -> bool:
        return False

    def tell_again(self, connection: Connection) -> None:
        bound = current_bound()
        self.told.append(bound)
        connection.info[HELD] = (bound, None, None)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection
        connection.info.pop(HELD, None)


def test_nothing_is_told_outside_a_transaction(connection: Connection) -> None:
    telling = Telling()
    with tenant_scope("acme"):
        hold(connection, telling)
    assert telling.told == []


def test_each_other_scope_is_told_once(connection: Connection) -> None:
    telling = Telling()
    connection.begin()
    for _ in range(2):
        hold(connection, telling)
    with tenant_scope("acme"):
        for _ in range(2):
            hold(connection, telling)
        with tenant_scope("globex"):
            hold(connection, telling)
        hold(connection, telling)
        with system_scope("a look"):
            hold(connection, telling)
    assert len(telling.told) == 5


def test_the_same_tenant_in_another_scope_is_the_same(connection: Connection) -> None:
    telling = Telling()
    connection.begin()
    for tenant in ("acme", TenantContext("acme", {"plan": "gold"})):
        with tenant_scope(tenant):
            hold(connection, telling)
    assert len(telling.told) == 1
