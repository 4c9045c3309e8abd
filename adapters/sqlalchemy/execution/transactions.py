"""For whom a transaction is, on an engine whose transactions tell the database their tenant.

The part of row-level security that every statement needs; the rest is in ``rls/``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection

from tenantshield_mw.context import current_bound, describe, is_same_scope

from ..errors import ScopeMismatchError

__all__ = ["HELD", "check_held"]

HELD: Final = "_tenantshield_held"
"""The attribute of a dialect whose transactions tell the database their tenant, and the
key in a connection's ``info`` for the one that they told it, in a tuple."""


def check_held(connection: Connection) -> None:
    """Make sure that the transaction is the one of whoever is bound now.

    Raises:
        ScopeMismatchError: it began in another scope.
    """
    if not connection.in_transaction():
        return
    held = connection.info.get(HELD)
    bound = current_bound()
    if held is not None and held[0] is not bound and not is_same_scope(held[0], bound):
        raise ScopeMismatchError(
            f"a transaction that began in {describe(held[0])} is used in {describe(bound)}: "
            "commit it or roll it back in the scope that it belongs to"
        )
