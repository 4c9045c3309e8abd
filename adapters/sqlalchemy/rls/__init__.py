"""PostgreSQL row-level security, built from the same declarations as the guard.

The guard confines what SQLAlchemy compiles. The policies confine everything that reaches
the database on the application's connections: raw cursors, stored functions, views::

    with owner_engine.begin() as connection:  # once, as the owner of the tables
        rls.create_policies(connection, Base.metadata)

    rls.enforce(engine)  # the application's own engine, sync or async
"""

from __future__ import annotations

from .create import create_policies, drop_policies, policy_statements
from .differences import Difference, find_differences
from .specification import ParentLink, TablePolicySpec, TenantColumn, configure, specs_of
from .transactions import enforce
from .verifier import store_keys

__all__ = [
    "Difference",
    "ParentLink",
    "TablePolicySpec",
    "TenantColumn",
    "configure",
    "create_policies",
    "drop_policies",
    "enforce",
    "find_differences",
    "policy_statements",
    "specs_of",
    "store_keys",
]
