"""Makes a place for the rows of tenants: created, migrated, examined, and only then open.

Until the last step, the place has the table :data:`~..placements.unfinished.UNFINISHED`, so that
the application does not use it. Whoever is interrupted calls it again: each step is one that has
been done, or is done.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tenantshield_mw.context import system_scope

from ..doctor.examine import examine
from ..doctor.findings import Finding
from ..doctor.targets import label_of, without_secrets
from ..errors import ConfigurationError
from ..placements.placement import SHARED, Placement
from ..placements.unfinished import UNFINISHED
from ..rls.create import create_policies
from .fleet import Fleet
from .migrating import migrate_one

__all__ = ["make"]

_REASON = "make a place for a tenant's rows"


def make(fleet: Fleet, placement: Placement) -> None:
    """Make a place, or bring one that exists up to date.

    Args:
        fleet: the fleet.
        placement: the place.

    Raises:
        ConfigurationError: it cannot be made, or is not as it should be. It stays closed.
    """
    if placement.database is not None:
        _create_database(fleet, placement)
    engine = fleet.engine_at(Placement(database=placement.database))
    try:
        is_marked = _create(engine, fleet, placement)
    finally:
        engine.dispose()
    engine = fleet.engine_at(placement)
    try:
        _fill(engine, fleet, placement)
        _verify(engine, fleet, placement)
        if is_marked:
            with system_scope(_REASON), engine.begin() as connection:
                connection.execute(text(f"DROP TABLE {UNFINISHED}"))
    finally:
        engine.dispose()


def _create_database(fleet: Fleet, placement: Placement) -> None:
    """Create the database, if there is none."""
    url = fleet.url_of(placement)
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database:
            raise ConfigurationError(f"{placement} is in memory: give it a file")
        sqlite3.connect(url.database).close()
        return
    if not url.database:
        raise ConfigurationError(
            f"the URL for {placement} names no database: give it one in Databases(url=...)"
        )
    # One from which others can be created.
    server = url.set(database="postgres" if backend == "postgresql" else "")
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect():
            return
    except SQLAlchemyError:
        # It does not exist, or what follows says why it cannot be used.
        pass
    finally:
        engine.dispose()
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with system_scope(_REASON), engine.connect() as connection:
            quoted = connection.dialect.identifier_preparer.quote_identifier(url.database)
            connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    except SQLAlchemyError as error:
        reason = without_secrets(str(getattr(error, "orig", None) or error), url).strip()
        raise ConfigurationError(
            f"could not reach {label_of(url)}, and could not create it: {reason}"
        ) from None
    finally:
        engine.dispose()


def _create(engine: Engine, fleet: Fleet, placement: Placement) -> bool:
    """Create the schema, and mark a new place; return whether it has the mark."""
    with system_scope(_REASON), engine.begin() as connection:
        names = _schemas(fleet, placement)
        there = set(inspect(connection).get_schema_names()) if names else set[str]()
        for each in names:
            if each not in there:
                connection.exec_driver_sql(f'CREATE SCHEMA "{each}"')
                _grant_use(connection, each, fleet.role)
        tables = set(inspect(connection).get_table_names(placement.schema))
        if UNFINISHED in tables:
            return True
        if tables:
            _check_ours(tables, fleet, placement)
            return False
        prefix = "" if placement.schema is None else f'"{placement.schema}".'
        connection.exec_driver_sql(f"CREATE TABLE {prefix}{UNFINISHED} (id integer)")
    return True


def _schemas(fleet: Fleet, placement: Placement) -> tuple[str, ...]:
    if fleet.schemas is None:
        return ()
    if placement.schema is None:
        return fleet.schemas.common
    return (*fleet.schemas.common, placement.schema)


def _check_ours(tables: set[str], fleet: Fleet, placement: Placement) -> None:
    if tables.isdisjoint(each.name for each in fleet.plan().tables):
        raise ConfigurationError(
            f"{placement} has tables that are not those of tenants: choose a name that is free"
        )


def _fill(engine: Engine, fleet: Fleet, placement: Placement) -> None:
    """Create the tables, or migrate them, and let the application use them."""
    if fleet.alembic is not None:
        outcome = migrate_one(fleet, placement)
        if outcome.error is not None:
            raise ConfigurationError(f"{placement} cannot be migrated: {outcome.error}")
    with system_scope(_REASON), engine.begin() as connection:
        if fleet.alembic is None:
            fleet.metadata.create_all(connection)
            if fleet.policies:
                create_policies(connection, fleet.metadata)
        if fleet.schemas is not None:
            _grant_rows(connection, placement.schema or fleet.schemas.shared, fleet.role)


def _grant_use(connection: Connection, schema: str, role: str | None) -> None:
    if role is not None:
        connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{schema}" TO {_quoted(role)}')


def _grant_rows(connection: Connection, schema: str, role: str | None) -> None:
    if role is None:
        return
    for kind, rights in (
        ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
        ("SEQUENCES", "USAGE, SELECT"),
    ):
        connection.exec_driver_sql(
            f'GRANT {rights} ON ALL {kind} IN SCHEMA "{schema}" TO {_quoted(role)}'
        )
        # Those of later migrations.
        connection.exec_driver_sql(
            f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT {rights} ON {kind} '
            f"TO {_quoted(role)}"
        )


def _verify(engine: Engine, fleet: Fleet, placement: Placement) -> None:
    """Check that the place is as safe as the shared tables, and complete."""
    shared = fleet.engine_at(SHARED)
    try:
        known = _errors_at(shared, fleet)
    finally:
        shared.dispose()
    errors = [each for each in _errors_at(engine, fleet) if not _is_everywhere(each, known, fleet)]
    if errors:
        listed = "; ".join(
            f"{each.kind}: {each.table or each.object}. {each.reason} {each.fix}" for each in errors
        )
        raise ConfigurationError(f"{placement} stays closed, since doctor finds: {listed}")


def _is_everywhere(finding: Finding, known: list[Finding], fleet: Fleet) -> bool:
    """Return whether a finding is not the fault of this place."""
    if finding.kind == "table-missing" or (finding.kind == "policies-missing" and fleet.policies):
        return False
    # Where all tenants have places of their own, there may be no shared tables to compare with.
    absent = {each.table for each in known if each.kind == "table-missing"}
    return finding in known or (finding.kind == "policies-missing" and finding.table in absent)


def _errors_at(engine: Engine, fleet: Fleet) -> list[Finding]:
    with system_scope(_REASON), engine.connect() as connection:
        found = examine(fleet.metadata, connection, role=fleet.role)
    return [each for each in found if each.severity == "error"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
