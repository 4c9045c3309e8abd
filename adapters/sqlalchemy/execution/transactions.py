"""The tenant of an open transaction, on an engine that sends the tenant to the database.

This is the part of row-level security that every statement needs; the rest is in ``rls/``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection

from tenantshield_mw.context import current_bound, describe, is_same_scope

from ..errors import ScopeMismatchError

__all__ = ["HELD", "check_held"]

HELD: Final = "_tenantshield_held"
"""The attribute of a dialect whose transactions send the tenant to the database, and the key in
a connection's ``info`` for a tuple with the binding that was sent."""


def check_held(connection: Connection) -> None:
    """Check that the open transaction, if any, belongs to the current scope.

    Raises:
        ScopeMismatchError: the transaction began in another scope.
    """
    if not connection.in_transaction():
        return
    held = connection.info.get(HELD)
    bound = current_bound()
    if held is not None and held[0] is not bound and not is_same_scope(held[0], bound):
        raise ScopeMismatchError(
            f"a transaction that began in {describe(held[0])} is used in {describe(bound)}: "
            "commit it or roll it back in its own scope"
        )
