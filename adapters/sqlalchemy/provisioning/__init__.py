"""A tenant's place is made, migrated and moved, while the application serves.

A project names what belongs together once, in a module of its own::

    # myapp/fleet.py
    fleet = Fleet(
        os.environ["OWNER_URL"],
        Base.metadata,
        directory,
        schemas=Schemas(common=("common",)),
        alembic="alembic.ini",
        role="app",
    )

``tenantshield-mw place``, ``migrate`` and ``move`` take it as ``myapp.fleet:fleet``. See
``docs/moving-tenants.md``.
"""

from __future__ import annotations

from .fleet import Fleet

__all__ = ["Fleet"]
