"""For whom a transaction is, on an engine whose transactions tell the database their tenant.

The part of the floor that is asked for every statement; the rest is in ``floor/``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection

from tenantshield_mw.context import Bound, SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from .errors import ScopeMismatchError

__all__ = ["HELD", "check_held", "describe", "is_same"]

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
    binding = current_binding()
    bound = None if binding is None else binding[0]
    if held is not None and held[0] is not bound and not is_same(held[0], bound):
        raise ScopeMismatchError(
            f"a transaction that began in {describe(held[0])} is used in {describe(bound)}: "
            "commit it or roll it back in the scope that it belongs to"
        )


def is_same(left: Bound, right: Bound) -> bool:
    """Say whether two bindings are for the same rows."""
    if isinstance(left, SystemContext):
        return isinstance(right, SystemContext)
    return left == right


def describe(bound: Bound) -> str:
    """Return what a binding is, without naming a tenant."""
    if bound is None:
        return "no scope"
    return "one tenant's scope" if isinstance(bound, TenantContext) else "a system scope"
