"""What each transaction sends so that its statements reach the tables of one schema.

``SET LOCAL search_path`` lasts until the end of the transaction, so neither a pool nor PgBouncer
in transaction mode carries it to another tenant. It is sent for the shared tables too, so that
nothing depends on what a connection had before.

The path of a tenant in a schema has this schema and those that are common to all tenants, and
never the schema of the shared tables: a table that is missing would be found there. A schema that
does not exist, or that the role may not use, would be skipped without an error; so the same
message asks for it.

https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from tenantshield_mw.context import Bound

from ..errors import ConfigurationError, PlacementError, PlacementUnavailableError
from ..transactions import Setting
from .fences import AWAY, MOVING, fence
from .placement import Placement
from .unfinished import UNFINISHED

__all__ = ["Schemas"]

_SET: Final = "pg_catalog.set_config('search_path', %s, true), "
_STATE: Final = (
    "CASE WHEN pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace(%s), 'USAGE') "
    "THEN CASE WHEN pg_catalog.to_regclass(%s) IS NULL THEN 'ready' ELSE 'unfinished' END "
    "WHEN pg_catalog.to_regnamespace(%s) IS NULL THEN 'unknown' ELSE 'closed' END"
)


@dataclass(frozen=True, slots=True)
class Schemas:
    """How the schemas of one PostgreSQL database are used.

    Args:
        shared: the schema with the tables that tenants share.
        common: schemas that each tenant uses besides its own: those of tables that belong to no
            tenant, of types, and of extensions. A table of a tenant must not be in them.

    Raises:
        PlacementError: a name is invalid.
        ConfigurationError: a schema is named twice.
    """

    shared: str = "public"
    common: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.shared, *self.common)
        for name in names:
            Placement(schema=name)
        if len(set(names)) < len(names):
            raise ConfigurationError(
                "Schemas() names a schema twice: the schema of the shared tables must not be one "
                "that all tenants use, since a table that a tenant's schema lacks would be found "
                "there"
            )

    def setting(
        self, placement: Placement, bound: Bound = None, forget: Callable[[], None] | None = None
    ) -> Setting:
        """Return what a transaction at ``placement`` sends first.

        Args:
            placement: the place.
            bound: what is bound in the scope that the transaction begins in.
            forget: called if the rows of the tenant have left the place.

        Raises:
            PlacementError: the tenant's schema is one of those that all use.
        """
        name = placement.schema
        if name is None:
            name = self.shared
        elif name == self.shared or name in self.common:
            raise PlacementError(
                f"{placement} is not a tenant's own: a tenant whose rows are in the shared tables "
                "has no schema, None"
            )
        quoted = f'"{name}"'
        path = ", ".join((quoted, *(f'"{each}"' for each in self.common), "pg_temp"))
        # Whoever makes or empties a place may use it while others may not.
        asks = None if placement.unfinished else bound
        state, asked = fence(_STATE, name, asks)
        values = (path, *asked, quoted, f"{quoted}.{UNFINISHED}", quoted)
        return Setting(f"{_SET}{state}", values, lambda row: _check(row[-1], placement, forget))


def _check(state: object, placement: Placement, forget: Callable[[], None] | None) -> None:
    if state == "ready" or (state == "unfinished" and placement.unfinished):
        return
    if state in (AWAY, MOVING) and forget is not None:
        forget()
    _refuse(state, placement)


def _refuse(state: object, placement: Placement) -> NoReturn:
    if state == "unfinished":
        raise PlacementUnavailableError(
            f"{placement} is being made or emptied: it can be used when its table "
            f"{UNFINISHED!r} is dropped, which is the last step of that"
        )
    if state in (AWAY, MOVING):
        raise PlacementUnavailableError(
            f"rows are being moved from or to {placement}, or have left it: try again, with what "
            "the directory says then"
        )
    if state == "closed":
        raise PlacementError(
            f"{placement} is closed to the role of this connection: GRANT USAGE ON SCHEMA"
        )
    raise PlacementError(
        f"{placement} does not exist: create it with its tables, or correct the attribute of the "
        "tenant that names it"
    )
