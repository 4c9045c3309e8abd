"""What keeps transactions away from a place that a tenant's rows leave.

Processes may remember for a while where the rows of a tenant were. So each transaction asks the
database, in the message that it sends first anyway, and what the database says is the last word:

- It takes a lock on the tenant, shared by all transactions of the tenant. Whoever moves the rows
  holds the lock alone: has waited for the transactions that had begun, and lets none begin.
- Then it looks for a mark, a table in :data:`SCHEMA`. The mark is set while the lock is held, and
  stays, so that nothing depends on whether the mover is alive.

In a system scope, which may reach rows of all tenants, a transaction waits for the lock instead.

PostgreSQL looks a table's name up in a cache, which is brought up to date when a relation is
locked. The function between the two locks one.

https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

from tenantshield_mw.context import Bound, SystemContext
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = ["AWAY", "MOVING", "SCHEMA", "fence", "lock_of", "mark_of"]

SCHEMA: Final = "tenantshield_moves"
"""The schema of the marks, and of the journal of moves."""

AWAY: Final = "away"
MOVING: Final = "moving"

_ASK: Final = (
    "CASE WHEN {lock} THEN CASE WHEN pg_catalog.pg_relation_is_updatable("
    "'pg_catalog.pg_class'::pg_catalog.regclass, false) IS NULL "
    f"OR pg_catalog.to_regclass(%s) IS NOT NULL THEN '{AWAY}' ELSE {{state}} END "
    f"ELSE '{MOVING}' END"
)
_TRY: Final = "pg_catalog.pg_try_advisory_xact_lock_shared(%s::pg_catalog.text::pg_catalog.int8)"
_WAIT: Final = (
    "pg_catalog.pg_advisory_xact_lock_shared(%s::pg_catalog.text::pg_catalog.int8) IS NOT NULL"
)


def lock_of(tenant: TenantId | None) -> int:
    """Return the key of the lock on a tenant; of ``None``, that of system scopes."""
    digest = hashlib.sha256(f"lock {_name_of(tenant)}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def mark_of(schema: str, tenant: TenantId | None) -> str:
    """Return the name of the table that marks a tenant as away from a schema, quoted.

    Args:
        schema: the schema with the tables.
        tenant: the tenant; ``None`` for all system scopes.
    """
    digest = hashlib.sha256(f"mark {schema} {_name_of(tenant)}".encode()).hexdigest()
    return f'"{SCHEMA}"."away_{digest[:32]}"'


def _name_of(tenant: TenantId | None) -> str:
    if tenant is None:
        return "system"
    # Drivers have subclasses of UUID.
    kind = "UUID" if isinstance(tenant, uuid.UUID) else type(tenant).__name__
    return f"{kind} {tenant}"


def fence(state: str, schema: str, bound: Bound) -> tuple[str, tuple[str, ...]]:
    """Return an expression that is ``state`` where a scope may use a schema, and its first values.

    Args:
        state: an expression.
        schema: the schema with the tables.
        bound: what is bound in the scope.
    """
    if isinstance(bound, TenantContext):
        tenant, lock = bound.tenant_id, _TRY
    elif isinstance(bound, SystemContext):
        tenant, lock = None, _WAIT
    else:
        return state, ()
    return _ASK.format(lock=lock, state=state), (str(lock_of(tenant)), mark_of(schema, tenant))
