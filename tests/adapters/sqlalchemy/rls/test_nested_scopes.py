"""A statement that is executed in another scope, in the midst of one, takes no tenant from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope

from .conftest import Client
from .models import Cellar

pytestmark = pytest.mark.usefixtures("rows")

# Without a condition: the policies alone decide what it reads.
NAMES: Final = text('SELECT name FROM "floor Cellar" ORDER BY 1').execution_options(
    tenantshield_reviewed=True
)
OTHERS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "another tenant": lambda: tenant_scope("globex"),
    "a system scope": lambda: system_scope("to count all"),
}


def before(connection: Connection, verb: str, other: str, sql: Any) -> None:
    """Execute ``sql`` in another scope when a statement is about to be sent, once."""
    waiting = [OTHERS[other]]

    def listen(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
        if waiting and statement.startswith(verb):
            with waiting.pop()():
                connection.execute(sql)

    event.listen(connection, "before_cursor_execute", listen)


@pytest.mark.parametrize("other", OTHERS)
def test_a_listener_that_reads_in_another_scope(client: Client, other: str) -> None:
    def read(session: Session) -> None:
        with tenant_scope("acme"):
            connection = session.connection()
            before(connection, "SELECT", other, select(func.count()).select_from(Cellar))
            assert session.execute(NAMES).all() == [("acme",)]

    client.session(read)


@pytest.mark.parametrize("verb", ["RELEASE", "ROLLBACK TO"])
def test_a_listener_that_reads_while_a_savepoint_ends(client: Client, verb: str) -> None:
    def read(session: Session) -> None:
        with tenant_scope("acme"):
            connection = session.connection()
            savepoint = connection.begin_nested()
            assert session.execute(NAMES).all() == [("acme",)]
        with tenant_scope("globex"):
            before(connection, verb, "another tenant", NAMES)
            savepoint.commit() if verb == "RELEASE" else savepoint.rollback()
            assert session.execute(NAMES).all() == [("globex",)]
        with tenant_scope("acme"):
            assert session.execute(NAMES).all() == [("acme",)]

    client.session(read)
