"""The place of a tenant's rows, and how a tenant's attributes name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from tenantshield_mw.tenant import TenantContext

from ..errors import ConfigurationError, PlacementError

__all__ = ["PLACEMENT", "SHARED", "Placement", "from_attributes", "given_placement"]

PLACEMENT: Final = "placement"
"""The attribute of a ``TenantContext`` that may hold a :class:`Placement`, before all others."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
# PostgreSQL reserves pg_; "tenantshield" has the functions of the policies, and
# "tenantshield_moves" what keeps tenants from places that they have left.
_RESERVED: Final = re.compile(r"pg_.*|information_schema|tenantshield(?:_moves)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Placement:
    """A place for the rows of tenants.

    Without a schema and a database, these are the tables that tenants share, in the engine's own
    database. A schema without a database is in the engine's own, too.

    Args:
        schema: the name of a schema of PostgreSQL, as it is, without quotes: ASCII letters,
            digits, ``_`` and ``-``; at most 63 characters.
        database: the name of a database, for ``Databases(url=...)``: the same characters.
        unfinished: whether it may be used though it is still being made, or emptied, that is,
            while it has a table with the name :data:`UNFINISHED`. For code that does that.

    Raises:
        PlacementError: a name is invalid. The message does not quote it.
    """

    schema: str | None = None
    database: str | None = None
    unfinished: bool = False

    def __post_init__(self) -> None:
        if self.schema is not None:
            _check_schema(self.schema)
        if self.database is not None:
            _check_database(self.database)

    def __str__(self) -> str:
        """Return the place in words, for messages and logs of the server."""
        if self.schema is None and self.database is None:
            return "the shared tables"
        schema = "" if self.schema is None else f"the schema {self.schema!r}"
        database = "" if self.database is None else f"the database {self.database!r}"
        return " in ".join(filter(None, (schema, database)))

    def is_same_place(self, other: Placement) -> bool:
        """Return whether the rows are in the same tables."""
        return self.schema == other.schema and self.database == other.database

    def finished(self) -> Placement:
        """Return the same place, to be used only if it is finished."""
        return replace(self, unfinished=False) if self.unfinished else self


SHARED: Final = Placement()
"""The tables that tenants share, in the engine's own database."""


def _check_schema(name: object) -> None:
    if type(name) is not str or _NAME.fullmatch(name) is None:
        raise PlacementError(
            "the name of a tenant's schema is invalid: it consists of 1 to 63 ASCII letters, "
            "digits, '_' and '-', without quotes; change it where tenants' placements are stored"
        )
    if _RESERVED.fullmatch(name):
        raise PlacementError(
            "the name of a tenant's schema is reserved: choose one that does not begin with 'pg_' "
            "and is none of 'information_schema', 'tenantshield' and 'tenantshield_moves'"
        )


def _check_database(name: object) -> None:
    # It may become the name of a file.
    if type(name) is not str or _NAME.fullmatch(name) is None:
        raise PlacementError(
            "the name of a tenant's database is invalid: it consists of 1 to 63 ASCII letters, "
            "digits, '_' and '-'; change it where tenants' placements are stored"
        )


@lru_cache(maxsize=10_000)
def _placement(schema: str | None, database: str | None) -> Placement:
    return Placement(schema, database)


def given_placement(tenant: TenantContext) -> Placement | None:
    """Return the ``Placement`` that is an attribute of ``tenant`` itself, if there is one."""
    given = tenant.attributes.get(PLACEMENT)
    return given if isinstance(given, Placement) else None


def from_attributes(tenant: TenantContext) -> Placement:
    """Return the placement that the attributes ``schema`` and ``database`` of a tenant name.

    ``None`` means neither. At least one must be there: a tenant whose place is not known is not
    looked for in the shared tables.

    Args:
        tenant: the tenant in scope, as the directory has it.

    Raises:
        ConfigurationError: it has none of these attributes.
        PlacementError: a name is invalid.
    """
    attributes: Any = tenant.attributes
    if "schema" not in attributes and "database" not in attributes:
        raise ConfigurationError(
            "the tenant in scope does not say where its rows are: let the directory return the "
            "attribute 'schema' or 'database', None for the shared tables, as with "
            "tenants_in(..., attributes=(Tenant.schema,)), and enter scopes with "
            "SessionScope(tenant, directory=directory); or give Placements(engine, of=...)"
        )
    schema, database = attributes.get("schema"), attributes.get("database")
    try:
        return _placement(schema, database)
    except TypeError:  # not hashable
        return Placement(schema, database)
