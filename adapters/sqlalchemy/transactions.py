"""The tenant of an open transaction, on an engine that sends the tenant to the database.

This is the part of row-level security that every statement needs; the rest is in ``rls/``.
"""

from __future__ import annotations

from typing import Final, Protocol

from sqlalchemy.engine import Connection

from tenantshield_mw.context import current_bound, is_same_scope

__all__ = ["HELD", "Transactions", "hold"]

HELD: Final = "_tenantshield_held"
"""The attribute of a dialect whose transactions send the tenant to the database, and the key in
a connection's ``info`` for a tuple with the binding that was sent."""


class Transactions(Protocol):
    """What such a dialect has in that attribute."""

    def tell_again(self, connection: Connection) -> None:
        """Tell the database the current scope, in a transaction that began in another."""


def hold(connection: Connection, transactions: Transactions) -> None:
    """Make the open transaction, if any, that of the current scope.

    Args:
        connection: the connection that is about to execute a statement.
        transactions: what tells its database.
    """
    if not connection.in_transaction():
        return
    held = connection.info.get(HELD)
    bound = current_bound()
    if held is None or (held[0] is not bound and not is_same_scope(held[0], bound)):
        transactions.tell_again(connection)
