"""What listeners of the application make of a statement, or execute themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, select

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


@path("execute: a listener of the application's that replaces the statement")
def _(hand: Hand, m: Models) -> Any:
    def replace(state: Any) -> None:
        state.statement = select(m.Invoice.note)

    event.listen(hand.session, "do_orm_execute", replace)
    return hand.session.execute(select(m.Currency.name)).all()


@path("execute: a listener of the application's that replaces it on the connection")
def _(hand: Hand, m: Models) -> Any:
    def replace(connection: Any, element: Any, many: Any, one: Any, options: Any) -> Any:
        return select(m.Invoice.__table__.c.note), many, one

    connection = hand.connection
    event.listen(connection, "before_execute", replace, retval=True)
    try:
        return connection.execute(select(m.Currency.__table__.c.name)).all()
    finally:
        event.remove(connection, "before_execute", replace)


@path("execute: driver SQL that a listener of do_execute executes")
def _(hand: Hand, m: Models) -> Any:
    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        cursor.execute(statement, parameters)
        return True

    event.listen(hand.engine, "do_execute", execute)
    try:
        return hand.connection.exec_driver_sql("SELECT note FROM acct_invoice").all()
    finally:
        event.remove(hand.engine, "do_execute", execute)
