"""Where a tenant's rows are: in shared tables, in a schema or in a database of its own.

Small tenants share tables; a large or regulated one has its own. The application is the same::

    placements = Placements(engine, schemas=Schemas(common=("common",)))

    with tenant_scope(TenantContext("acme", {"schema": "acme"})), Session(engine) as session:
        session.scalars(select(Invoice))  # of acme.invoice

The guard and the policies apply in every place.
"""

from __future__ import annotations

from .databases import Databases
from .placement import SHARED, Placement, from_attributes
from .routing import Placements
from .schemas import Schemas
from .unfinished import UNFINISHED

__all__ = [
    "SHARED",
    "UNFINISHED",
    "Databases",
    "Placement",
    "Placements",
    "Schemas",
    "from_attributes",
]
