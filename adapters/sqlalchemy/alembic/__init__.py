"""Alembic: operations and autogenerate for tenant-aware tables on PostgreSQL.

To activate it, import this in ``env.py``::

    import tenantshield_mw.adapters.sqlalchemy.alembic

Then ``alembic revision --autogenerate`` and ``alembic check`` cover the policies too, and
``op`` has the operations below. They take plain values, not models, so that a script keeps
its meaning when the models change. Each operation enters its own system scope.

Alembic also refuses to start while a table is undeclared that ``require_declared()`` requires. On
PostgreSQL, a statement in a migration reaches all rows or raises: policies hide none silently.
"""

from __future__ import annotations

from . import autogenerate, starting
from .columns import AddTenantColumnOp, FillTenantColumnOp, RequireTenantColumnOp
from .constraints import CreateTenantForeignKeyOp, CreateTenantIndexOp, CreateTenantUniqueOp
from .policies import DropTenantPoliciesOp, PutTenantPoliciesOp

__all__ = [
    "AddTenantColumnOp",
    "CreateTenantForeignKeyOp",
    "CreateTenantIndexOp",
    "CreateTenantUniqueOp",
    "DropTenantPoliciesOp",
    "FillTenantColumnOp",
    "PutTenantPoliciesOp",
    "RequireTenantColumnOp",
    "autogenerate",
    "starting",
]
