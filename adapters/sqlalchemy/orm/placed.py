"""Whether a session that goes on in another scope reaches rows in another place.

It knows what its engines chose their databases and schemas by, so that a session whose engine has
no placements is not concerned with those of another engine.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from tenantshield_mw.context import Bound

from ..transactions import Transactions

__all__ = ["is_elsewhere", "is_in_same_database", "note_router"]

_ROUTERS: Final = "_tenantshield_routers"
setattr(Session, _ROUTERS, ())


def note_router(session: Any, transactions: Transactions) -> None:
    """Note what chose the connection that ``session`` got, if anything did."""
    place = transactions.place
    if place is not None and place.router not in session._tenantshield_routers:
        session._tenantshield_routers += (place.router,)


def is_elsewhere(session: Any, left: Bound, right: Bound) -> bool:
    """Return whether the rows of two scopes are in different places for ``session``."""
    return not all(router.is_same(left, right) for router in session._tenantshield_routers)


def is_in_same_database(session: Any, left: Bound, right: Bound) -> bool:
    """Return whether the rows of two scopes are in the same database for ``session``."""
    return all(router.is_same_database(left, right) for router in session._tenantshield_routers)
