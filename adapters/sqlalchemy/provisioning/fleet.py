"""What belongs together to make, migrate and move tenants' places."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, MetaData, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import configure_mappers
from sqlalchemy.pool import QueuePool

from tenantshield_mw.directory import TenantDirectory

from ..doctor.targets import label_of, object_at
from ..errors import ConfigurationError
from ..lifecycle.exact import keep_documents
from ..lifecycle.opening import has_policies
from ..lifecycle.plan import Plan, plan_of
from ..placements.databases import Databases
from ..placements.placement import Placement
from ..placements.schemas import Schemas
from ..rls.signing import Key
from ..rls.transactions import enforce
from ..tenants.table import table_of
from .paths import engine_at, path_of

__all__ = ["Fleet", "fleet_at"]

_SYNC: Final = "a sync driver, whatever driver the application has"

_NO_DATABASES: Final = "the fleet has no databases: Fleet(databases=...)"


class Fleet:
    """The places of all tenants, for the commands that make, migrate and move them.

    Args:
        url: the database of the shared tables, as the role that creates and owns tables, with a
            sync driver.
        metadata: the tables, such as ``Base.metadata``.
        directory: the ``TenantDirectory``, whose lookup is ``tenants_in(...)`` with the columns
            ``schema`` and ``database`` among its attributes, or one of them.
        schemas: as for ``Placements``.
        databases: as for ``Placements``, with URLs of the owner's role and a sync driver.
        alembic: the path of ``alembic.ini``; ``None`` if the project has no Alembic, so that
            tables are created from ``metadata``.
        policies: whether tables have the policies of ``rls.create_policies``. Without Alembic,
            new tables get them.
        role: on PostgreSQL, the role of the application, which is granted the use of new tables;
            ``None`` if you grant it, or if it is the owner.
        key: on PostgreSQL with signed tenants, as for ``rls.enforce``.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    def __init__(
        self,
        url: str | URL,
        metadata: MetaData,
        directory: TenantDirectory,
        *,
        schemas: Schemas | None = None,
        databases: Databases | None = None,
        alembic: str | Path | None = None,
        policies: bool = False,
        role: str | None = None,
        key: Key | None = None,
    ) -> None:
        self.url: Final = _sync_url(url)
        if not isinstance(metadata, MetaData):
            raise ConfigurationError("Fleet() takes a MetaData, such as Base.metadata")
        if not isinstance(directory, TenantDirectory) or table_of(directory.lookup) is None:
            raise ConfigurationError(
                "Fleet() takes a TenantDirectory whose lookup is tenants_in(...): the commands "
                "write its table"
            )
        if schemas is None and databases is None:
            raise ConfigurationError(
                "Fleet() needs schemas=Schemas(...), databases=Databases(...) or both"
            )
        self.is_postgresql: Final = self.url.get_backend_name() == "postgresql"
        if not self.is_postgresql and (schemas is not None or role is not None or policies):
            raise ConfigurationError("schemas=, role= and policies= of Fleet() require PostgreSQL")
        if alembic is not None and not Path(alembic).is_file():
            raise ConfigurationError(f"there is no file {str(alembic)!r}: correct Fleet(alembic=)")
        self.metadata: Final = metadata
        self.directory: Final = directory
        self.schemas: Final = schemas
        self.databases: Final = databases
        self.alembic: Final = None if alembic is None else Path(alembic)
        self.policies: Final = policies
        self.role: Final = role
        self._key = key

    def plan(self) -> Plan:
        """Return the tables that hold tenants' rows, in order.

        Raises:
            ConfigurationError: a table is not declared.
        """
        configure_mappers()
        return plan_of(self.metadata)

    def check(self, placement: Placement) -> None:
        """Check that a place can be used.

        Raises:
            ConfigurationError: the fleet has no such places.
        """
        if placement.schema is not None and self.schemas is None:
            raise ConfigurationError("the fleet has no schemas: Fleet(schemas=Schemas(...))")
        if placement.database is not None and self.databases is None:
            raise ConfigurationError(_NO_DATABASES)
        if self.schemas is not None and placement.schema is not None:
            # Refuses the schemas that are not a tenant's own.
            self.schemas.setting(placement)

    def url_of(self, placement: Placement) -> URL:
        """Return the URL of the database that a place is in.

        Raises:
            ConfigurationError: there is none, or it is of another kind than that of the fleet.
        """
        if placement.database is None:
            return self.url
        if self.databases is None:
            raise ConfigurationError(_NO_DATABASES)
        try:
            url = _sync_url(self.databases.url(placement.database), "Fleet(databases=...)")
        except LookupError:
            raise ConfigurationError(
                f"{placement} is unknown: Databases(url=...) of the fleet has no URL for it"
            ) from None
        if url.get_backend_name() != self.url.get_backend_name():
            raise ConfigurationError(f"{placement} is of another kind than {label_of(self.url)}")
        return url

    def how_rows_move(self) -> str:
        """Return how a tenant's rows get to another place, for messages."""
        if self.schemas is not None:
            return "a tenant's rows are moved with tenantshield-mw move"
        return (
            "without Fleet(schemas=...), suspend the tenant, tenantshield-mw export, erase its "
            "rows, let the directory name no place, then place and import"
        )

    def engine_at(self, placement: Placement) -> Engine:
        """Return an engine for the tables of a place; it tells no tenant."""
        return engine_at(self.url_of(placement), path_of(placement, self.schemas))

    def rows_at(self, placement: Placement, plan: Plan) -> Engine:
        """Return an engine for the rows of a tenant in scope; it tells the tenant to policies, and
        keeps connections open until it is disposed of.

        On PostgreSQL, its documents of JSON are texts, which are written back as they are: in
        Python, they would lose digits, keys that are there twice, and their order.
        """
        path = path_of(placement, self.schemas)
        texts = {"json_serializer": _as_text, "json_deserializer": _as_text}
        options = texts if self.is_postgresql else {}
        engine = engine_at(self.url_of(placement), path, QueuePool, **options)
        if self.is_postgresql:
            keep_documents(engine.dialect)
        if has_policies(engine, plan):
            enforce(engine, key=self._key)
        return engine


def fleet_at(target: str) -> Fleet:
    """Return the fleet that ``module:attribute`` names.

    Raises:
        ConfigurationError: it is none.
    """
    found: Any = object_at(target)
    if not isinstance(found, Fleet):
        raise ConfigurationError(
            f"{target!r} is a {type(found).__name__}, not a Fleet: name the object that "
            "Fleet(...) returned, such as myapp.fleet:fleet"
        )
    return found


def _as_text(document: str | bytes) -> str:
    return document if isinstance(document, str) else bytes(document).decode()


def _sync_url(given: str | URL, of: str = "Fleet()") -> URL:
    try:
        url = make_url(given)
        is_async = url.get_dialect().is_async
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"a URL of {of} is not one that SQLAlchemy understands") from None
    except ImportError as error:
        raise ConfigurationError(f"the driver of a URL of {of} is missing: {error}") from None
    if is_async:
        raise ConfigurationError(f"{label_of(url)} names an async driver: {of} takes {_SYNC}")
    return url
