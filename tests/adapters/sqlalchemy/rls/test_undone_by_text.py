"""SQL text that ends a transaction, or undoes a part of it, takes the tenant back with it, and so
does a driver's own connection.
"""

from __future__ import annotations

from typing import Final

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, tenant_scope

from .conftest import Client, Driver, RlsDatabase, by_cursor
from .models import Cellar

pytestmark = pytest.mark.usefixtures("rows")

NAMES: Final = 'SELECT name FROM "floor Cellar" ORDER BY 1'
TO_SAVEPOINTS: Final = [
    "ROLLBACK TO SAVEPOINT here",
    "rollback to here",
    "ROLLBACK WORK TO here",
    "SELECT 1; /* back */ ROLLBACK TO here",
]
ENDS: Final = ["COMMIT", "rollback", "ABORT", "END", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"]


def sees(session: Session, tenant: str) -> None:
    """Check what is seen, on the driver's own cursor and by the guard, and what is changed."""
    # The guard's statement tells the database, if need be.
    assert session.scalars(select(Cellar.name)).all() == [tenant]
    assert by_cursor(session, NAMES) == [(tenant,)]
    assert session.execute(update(Cellar).values(name=Cellar.name)).rowcount == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("undo", TO_SAVEPOINTS)
def test_a_savepoint_undone_by_text_undoes_no_scope(client: Client, undo: str) -> None:
    if ";" in undo and client.driver in ("asyncpg", "pg8000"):
        undo = undo.rpartition(";")[2]

    def change(session: Session) -> None:
        with tenant_scope("acme"):
            session.execute(text("SAVEPOINT here"))
        with tenant_scope("globex"):
            sees(session, "globex")
            session.connection().exec_driver_sql(undo)
            sees(session, "globex")
            session.execute(text("SAVEPOINT here"))
        with tenant_scope("acme"):
            sees(session, "acme")
            session.execute(text(undo).execution_options(tenantshield_reviewed=True))
            sees(session, "acme")

    client.session(change)


@pytest.mark.parametrize("end", ENDS)
def test_after_a_transaction_ended_by_text_the_tenant_is_told_or_an_error_raised(
    client: Client, end: str
) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            session.execute(text("SELECT 1"))
            session.connection().exec_driver_sql(end)
            if client.driver in ("asyncpg", "psycopg2") and "CHAIN" not in end:
                with pytest.raises(ConfigurationError, match=r"commit\(\) or rollback\(\)"):
                    session.scalars(select(Cellar.name)).all()
            else:
                sees(session, "acme")

    client.session(change)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_after_a_transaction_ended_by_the_driver_the_tenant_is_told(
    client: Client, end: str
) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            sees(session, "acme")
            getattr(session.connection().connection.dbapi_connection, end)()
            sees(session, "acme")

    client.session(change)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_transaction_in_two_phases_ends_in_both(
    base: RlsDatabase, driver: Driver, *, is_kept: bool
) -> None:
    if base.here.read("SHOW max_prepared_transactions") == [("0",)]:
        pytest.skip("max_prepared_transactions is 0; it is not with make test-postgresql")
    client = Client(base, driver)
    try:
        with tenant_scope("acme"), client.engine.connect() as connection:
            transaction = connection.begin_twophase()
            connection.execute(update(Cellar).values(name="new"))
            transaction.prepare()
            transaction.commit() if is_kept else transaction.rollback()
            expected = "new" if is_kept else "acme"
            assert connection.execute(select(Cellar.name)).scalars().all() == [expected]
    finally:
        client.close()
