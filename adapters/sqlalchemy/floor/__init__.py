"""The floor: PostgreSQL's row-level security, from the same declarations as the guard.

The guard confines what SQLAlchemy compiles. The floor confines whatever reaches the
database on the application's connections: a raw cursor, a stored function, a view::

    with owner_engine.begin() as connection:  # once, as the owner of the tables
        floor.create_policies(connection, Base.metadata)

    floor.hold_tenant(engine)  # the application's own engine, sync or async
"""

from __future__ import annotations

from .create import create_policies, drop_policies, policy_statements
from .inspection import Difference, find_differences
from .tables import Along, TableFloor, TenantColumn, floor_of
from .transactions import hold_tenant

__all__ = [
    "Along",
    "Difference",
    "TableFloor",
    "TenantColumn",
    "create_policies",
    "drop_policies",
    "find_differences",
    "floor_of",
    "hold_tenant",
    "policy_statements",
]
