"""The judgement of raw SQL: what cannot be confined to the tenant is refused."""

from __future__ import annotations

from sqlalchemy.engine import Dialect

from ..errors import UnguardedStatementError
from ..ownership.registry import registry
from .cascades import refuse_cascade_in_text
from .patterns import CHANGES_TENANT, REACHES_UNNAMED, SCHEMA_ONLY, UNNAMED
from .table_names import unmarked_names, without_literals

__all__ = ["check_driver_sql"]


def check_driver_sql(statement: str, dialect: Dialect) -> None:
    """Refuse driver SQL that cannot be confined to the tenant.

    Raises:
        UnguardedStatementError: it cannot.
    """
    if SCHEMA_ONLY.match(statement):
        return
    named = unmarked_names(statement, registry.names(), dialect)
    if named:
        raise UnguardedStatementError(
            f"driver SQL names {', '.join(sorted(named))}, which holds tenants' rows, and "
            "cannot be confined to the tenant: write it with SQLAlchemy's constructs, or, if "
            "it was reviewed, pass execution_options={'tenantshield_reviewed': True}"
        )
    bare = without_literals(statement)
    if REACHES_UNNAMED.search(bare):
        raise UnguardedStatementError(
            f"driver SQL {UNNAMED}, and that cannot be confined to the tenant; if it was "
            "reviewed, pass execution_options={'tenantshield_reviewed': True}"
        )
    if CHANGES_TENANT.search(bare):
        raise UnguardedStatementError(
            "driver SQL changes the role or a setting by which the database knows the tenant: "
            'enter tenant_scope(...) or system_scope("why") instead, or, if it was reviewed, pass '
            "execution_options={'tenantshield_reviewed': True}"
        )
    refuse_cascade_in_text(statement, dialect)
