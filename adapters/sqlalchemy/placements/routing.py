"""Sends each statement to the place of the rows that are in scope."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantshield_mw.context import Bound, SystemContext, current_bound
from tenantshield_mw.directory import TenantDirectory
from tenantshield_mw.errors import TenantShieldError
from tenantshield_mw.tenant import TenantContext, TenantId

from ..errors import ConfigurationError, PlacementError, PlacementUnavailableError
from ..transactions import PLACED, transactions_of
from .databases import Databases
from .engines import Engines
from .opening import open_database
from .placement import SHARED, Placement, from_attributes, given_placement
from .schemas import Schemas
from .telling import Telling

if TYPE_CHECKING:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Placements"]

_NO_PLACE = (
    "a system scope is in force, and tenants' rows are in several places: say which, "
    'system_scope("why", at=SHARED) or at=Placement(schema=...), or use for_each_tenant()'
)


class Placements:
    """Let tenants of an engine have a schema or a database of their own.

    From then on, whatever connects with ``engine`` reaches the place of the tenant in scope:
    sessions of every kind, Core, sync and async. Nothing else has to be changed::

        engine = create_engine("postgresql+psycopg:///app")
        Placements(
            engine,
            schemas=Schemas(common=("common",)),
            databases=Databases(url=lambda name: f"postgresql+psycopg:///{name}"),
        )

    In the scope of a tenant, that is the place that ``of`` returns; in a system scope, the one
    that it names, ``system_scope("why", at=Placement(schema="acme"))``; without a scope, the
    shared tables. A ``Placement`` in the attribute ``placement`` of a ``TenantContext`` takes
    precedence over ``of``. Nothing is looked for in another place than this.

    Policies that ``rls.enforce`` sends tenants to on ``engine`` are enforced in the same way in
    the databases of tenants.

    Args:
        engine: the engine of the application, or a ``sessionmaker`` that is bound to it.
        schemas: how schemas of tenants are used, on PostgreSQL; ``None`` if none has its own.
        databases: how databases of tenants are reached; ``None`` if none has its own.
        of: returns the ``Placement`` of a ``TenantContext``; by default, the attributes
            ``schema`` and ``database`` say it. It is called often, and must not block.
        directory: the directory of this process, which forgets a tenant whose rows are being moved
            or have left the place that it has cached; without it, requests of the tenant are
            refused until its ``ttl`` has passed. On PostgreSQL, with ``schemas``.

    Raises:
        ConfigurationError: an argument is invalid, or the engine has placements already.

    What connects with the engine raises

    - :class:`~tenantshield_mw.PlacementError` if the place is unknown, or its name is invalid;
    - :class:`~tenantshield_mw.PlacementUnavailableError` if it cannot be reached, is not finished,
      or too many databases are in use. The adapters for Starlette, FastAPI, Litestar and Flask
      answer it with 503;
    - :class:`~tenantshield_mw.ScopeMismatchError` if a connection to one database is used in the
      scope of another;
    - :class:`~tenantshield_mw.ConfigurationError` if the place of the tenant is not known, or a
      system scope names none, or, with ``schemas``, the connection is in ``AUTOCOMMIT``.
    """

    def __init__(
        self,
        engine: Engine | AsyncEngine | Any,
        *,
        schemas: Schemas | None = None,
        databases: Databases | None = None,
        of: Callable[[TenantContext], Placement] = from_attributes,
        directory: TenantDirectory | None = None,
    ) -> None:
        _check_arguments(schemas, databases, of)
        self._directory = directory
        self.engine = base = _sync_engine(engine)
        if PLACED in base.dialect.__dict__:
            raise ConfigurationError("this engine has Placements already: make one of all of them")
        self._schemas = schemas
        self._databases = databases
        self._of = of
        telling = self._telling(base, None)
        self._engines = Engines(
            self._open,
            0 if databases is None else databases.open_databases,
            asks=schemas is None,
        )
        transactions_of(base.dialect).place = telling
        setattr(base.dialect, PLACED, self)

    def placement_of(self, bound: Bound) -> Placement:
        """Return the place of the rows in a scope.

        Args:
            bound: what is bound in it: a ``TenantContext``, a ``SystemContext`` or ``None``.

        Raises:
            PlacementError: it is invalid.
            ConfigurationError: it is not known.
        """
        if bound is None:
            return SHARED
        if isinstance(bound, SystemContext):
            placement: object = bound.at
            if placement is None:
                raise ConfigurationError(_NO_PLACE)
        else:
            placement = given_placement(bound) or self._of(bound)
        if not isinstance(placement, Placement):
            raise ConfigurationError(
                f"a place of rows is a {type(placement).__name__}: system_scope(at=...) and "
                "Placements(of=...) take a Placement; SHARED means the shared tables"
            )
        if placement.schema is not None and self._schemas is None:
            raise PlacementError(
                f"{placement} cannot be used: Placements(engine, schemas=Schemas(...)) is missing"
            )
        if placement.database is not None and self._databases is None:
            raise PlacementError(
                f"{placement} cannot be used: Placements(engine, databases=...) is missing"
            )
        return placement

    def open_databases(self) -> tuple[str, ...]:
        """Return the databases that have an engine, the one that was used last at the end."""
        return self._engines.names()

    # Neither of these has parameters: frameworks call what is to be called at the end with
    # something of theirs if they find that it takes one.

    def dispose(self) -> None:
        """Close the connections to databases of tenants, and forget their engines.

        They are opened again when they are needed. Those in use are closed when they are returned.
        """
        self._engines.dispose()

    async def adispose(self) -> None:
        """Do the same for an async engine."""
        from sqlalchemy.util import greenlet_spawn

        await greenlet_spawn(self._engines.dispose)

    # -- for the hooks -----------------------------------------------------------

    @contextmanager
    def engine_for(self, engine: Engine) -> Generator[Engine]:
        """Yield the engine to connect with; it is not disposed of before the end of the block.

        Args:
            engine: the engine of the application, perhaps with execution options.
        """
        placement = self.placement_of(current_bound())
        if placement.database is None:
            yield engine
            return
        try:
            with self._engines.pinned(placement.database, placement, engine) as found:
                yield found
        except PoolTimeoutError as error:
            raise PlacementUnavailableError(
                f"all connections to {placement} are in use: raise Databases(connections=...), or "
                "shorten transactions"
            ) from error

    def is_same(self, left: Bound, right: Bound) -> bool:
        """Return whether the rows of two scopes are in the same place."""
        return left is right or self._known(left) == self._known(right)

    def is_same_database(self, left: Bound, right: Bound) -> bool:
        """Return whether the rows of two scopes are in the same database."""
        places = self._known(left), self._known(right)
        return all(places) and places[0].database == places[1].database  # type: ignore[union-attr]

    def _known(self, bound: Bound) -> Placement | None:
        try:
            return self.placement_of(bound)
        except TenantShieldError:
            # Perhaps it is for another engine.
            return None

    def _open(self, name: str) -> Engine:
        assert self._databases is not None
        engine = open_database(name, self._databases, self.engine)
        own, base = transactions_of(engine.dialect), transactions_of(self.engine.dialect)
        if own.tenant is None and base.tenant is not None:
            own.tenant = base.tenant.on(engine.dialect)
        own.place = self._telling(engine, name)
        return engine

    def _telling(self, engine: Engine, database: str | None) -> Telling:
        return Telling(
            engine.dialect,
            database,
            self._schemas,
            router=self,
            placement_of=self.placement_of,
            forget=self._forget,
        )

    def _forget(self, tenant_id: TenantId) -> None:
        if self._directory is not None:
            self._directory.invalidate(tenant_id)


def _check_arguments(schemas: object, databases: object, of: object) -> None:
    if schemas is None and databases is None:
        raise ConfigurationError(
            "Placements() needs schemas=Schemas(...), databases=Databases(...) or both"
        )
    if not isinstance(schemas, Schemas | None) or not isinstance(databases, Databases | None):
        raise ConfigurationError(
            "Placements() takes schemas=Schemas(...) and databases=Databases(...)"
        )
    if not callable(of):
        raise ConfigurationError(
            "the of= of Placements() takes a TenantContext and returns its Placement"
        )


def _sync_engine(given: Any) -> Engine:
    """Return the sync engine of what an application connects with.

    Raises:
        ConfigurationError: it is neither an engine nor bound to one.
    """
    # A sessionmaker, or a scoped_session of one.
    factory = getattr(given, "session_factory", given)
    bind = getattr(factory, "kw", {}).get("bind", factory)
    engine = getattr(bind, "sync_engine", bind)
    if not isinstance(engine, Engine):
        raise ConfigurationError(
            "Placements() takes an Engine, an AsyncEngine, or a sessionmaker that is bound to one"
        )
    return engine
