"""Alembic: operations and autogenerate for tenant-aware tables on PostgreSQL.

Importing this in ``env.py`` is all there is to do::

    import tenantshield_mw.adapters.sqlalchemy.alembic

Then ``alembic revision --autogenerate`` and ``alembic check`` look after the policies
too, and ``op`` has the operations below. They take plain values and no models, so that
a script stays what it was when the models move on. Each enters a system scope of its own.
"""

from __future__ import annotations

from . import autogenerate
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
]
