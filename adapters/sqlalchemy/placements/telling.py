"""What an engine tells its database of the place, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy.engine import Dialect

from tenantshield_mw.context import Bound
from tenantshield_mw.messages import describe
from tenantshield_mw.tenant import TenantContext, TenantId

from ..errors import ConfigurationError, ScopeMismatchError
from ..rls.drivers import SENDERS, check_driver
from ..transactions import Router, Send, Setting
from .placement import Placement
from .schemas import Schemas
from .tables import Tables

__all__ = ["Telling"]

_SETTINGS: Final = 10_000
"""How many tenants' settings are kept."""


class Telling:
    """Tells one database the schema, at the beginning of each transaction.

    Args:
        dialect: the dialect of its engine.
        database: its name; ``None`` for that of the application's own engine.
        schemas: how its schemas are used; ``None`` if they are not.
        router: chooses the engine.
        placement_of: returns the place of the rows in a scope.
        forget: called for a tenant whose rows have left the place.
    """

    def __init__(
        self,
        dialect: Dialect,
        database: str | None,
        schemas: Schemas | None,
        *,
        router: Router,
        placement_of: Callable[[Bound], Placement],
        forget: Callable[[TenantId], None],
    ) -> None:
        self.router = router
        self._dialect = dialect
        self._database = database
        self._schemas = schemas
        self._placement_of = placement_of
        self._forget = forget
        self._settings: dict[tuple[Any, ...], Setting] = {}
        if schemas is None:
            return
        if dialect.name != "postgresql" or dialect.driver not in SENDERS:
            raise ConfigurationError(
                f"schemas of tenants require PostgreSQL with {', '.join(sorted(SENDERS))}, and "
                f"this engine uses {dialect.name!r} with {dialect.driver!r}: give each tenant a "
                "database, Placements(engine, databases=...)"
            )
        check_driver(dialect.driver)
        self._send: Send = SENDERS[dialect.driver]()
        self._tables = Tables(schemas, dialect, self._send)

    def setting(self, dbapi_connection: Any, bound: Bound) -> Setting | None:
        """Return what to send for a scope.

        Raises:
            ScopeMismatchError: the rows are in another database.
            PlacementError: the place is invalid.
            ConfigurationError: the connection is in ``AUTOCOMMIT``, or a tenant's table could be
                found outside of the tenant's schema, or one of its types inside.
        """
        placement = self._placement_of(bound)
        if placement.database != self._database:
            raise ScopeMismatchError(
                f"this connection is to another database than the rows of {describe(bound)} are "
                "in: open a connection, or use a session, in the scope that it is for"
            )
        if self._schemas is None:
            return None
        if dbapi_connection.autocommit:
            if not isinstance(bound, TenantContext) and placement.schema is None:
                return None
            raise ConfigurationError(
                "a connection in AUTOCOMMIT has no transaction that could hold the place of a "
                "tenant: keep the default isolation level, or use a separate engine without "
                "Placements"
            )
        self._check_default_schema(self._schemas.shared)
        if placement.schema is not None:
            self._tables.check(dbapi_connection, placement.schema)
        tenant = bound.tenant_id if isinstance(bound, TenantContext) else None
        key = placement, type(bound), type(tenant), tenant
        found = self._settings.get(key)
        if found is None:
            if len(self._settings) >= _SETTINGS:
                self._settings.clear()
            forget = None if tenant is None else partial(self._forget, tenant)
            found = self._settings[key] = self._schemas.setting(placement, bound, forget)
        return found

    def _check_default_schema(self, shared: str) -> None:
        default = self._dialect.default_schema_name
        if default is not None and default != shared:
            raise ConfigurationError(
                f"without placements, the tables of this engine are in the schema {default!r}: "
                f"Schemas(shared={default!r})"
            )

    def send(self, dbapi_connection: Any, setting: Setting) -> None:
        """Send a setting alone."""
        setting.check(self._send(dbapi_connection, f"SELECT {setting.sql}", setting.values))
