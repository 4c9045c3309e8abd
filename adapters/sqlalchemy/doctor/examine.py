"""Runs all checks and sorts their findings."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import configure_mappers

from ..errors import ConfigurationError
from ..ownership.model import table_label
from .bypasses import check_bypasses, children_of
from .declarations import declared_tables
from .extensions import check_extensions
from .findings import Finding
from .kinds import SEVERITIES
from .models import check_models
from .policies import check_policies, specs_to_check
from .privileges import read_server
from .reflection import Reflected, reflect
from .roles import check_role, check_settings
from .schema import check_schema, indexed_tenant_columns
from .signing import check_signing, verifier_signatures
from .sql_mode import check_sql_mode

__all__ = ["examine"]


def examine(
    metadata: MetaData, database: Connection | Engine | None = None, *, role: str | None = None
) -> list[Finding]:
    """Return the weaknesses in the isolation of the tables of ``metadata``.

    Nothing is written, and no rows of the application's tables are read.

    Args:
        metadata: the tables, such as ``Base.metadata``, after all modules with models were
            imported.
        database: the database; if left out, only the models are examined. With an
            ``AsyncConnection``: ``await connection.run_sync(lambda c: examine(metadata, c))``.
        role: on PostgreSQL, the role with which the application logs in; the role of
            ``database`` if left out.

    Returns:
        The findings, sorted by table and then by severity. Those without a table come first.

    Raises:
        ConfigurationError: there are no tables, or ``database`` is neither a connection nor
            an engine, or the role does not exist, or the declarations contradict each other, or the
            mappers cannot be configured.
        SQLAlchemyError: the database cannot be reached or read.
    """
    _check_arguments(metadata, database, role)
    _configure()
    found = list(check_models(metadata))
    if isinstance(database, Engine):
        with database.connect() as connection:
            found = _with_database(connection, metadata, role, found)
    elif database is not None:
        found = _with_database(database, metadata, role, found)
    return sorted(set(found), key=_order)


def _configure() -> None:
    """Let extensions add the tables that they make when mappers are configured, such as those of
    an object's history.
    """
    try:
        configure_mappers()
    except ConfigurationError:
        # require_declared() refuses what is about to be listed.
        return
    except InvalidRequestError as error:
        raise ConfigurationError(
            f"the mappers cannot be configured: {error}; import all modules with models"
        ) from error


def _with_database(
    connection: Connection, metadata: MetaData, role: str | None, of_models: list[Finding]
) -> list[Finding]:
    there = reflect(connection, metadata)
    indexed = indexed_tenant_columns(metadata, there)
    return [
        *(
            each
            for each in of_models
            # Migrations may create indexes that the models do not name.
            if each.kind != "tenant-not-indexed" or (each.table, each.column) not in indexed
        ),
        *_check_database(connection, metadata, there, role),
    ]


def _check_arguments(metadata: object, database: object, role: str | None) -> None:
    if not isinstance(metadata, MetaData) or not metadata.tables:
        raise ConfigurationError(
            "examine() was given no tables: import the modules with the models, and pass "
            "Base.metadata"
        )
    if database is None and role is not None:
        raise ConfigurationError("a role requires a database: give that too")
    if database is not None and not isinstance(database, Engine | Connection):
        raise ConfigurationError(
            f"examine() takes an Engine or a Connection, not a {type(database).__name__}; with an "
            "AsyncConnection: await connection.run_sync(lambda c: examine(metadata, c))"
        )


def _order(finding: Finding) -> tuple[str, int, str, str, str]:
    return (
        finding.table or "",
        SEVERITIES.index(finding.severity),
        finding.kind,
        finding.column or "",
        f"{finding.object} {finding.reason}",
    )


def _check_database(
    connection: Connection, metadata: MetaData, there: Reflected, role: str | None
) -> Iterator[Finding]:
    if connection.dialect.name != "postgresql":
        if role is not None:
            raise ConfigurationError(
                f"roles are examined only on PostgreSQL, and this is {connection.dialect.name!r}: "
                "leave the role out"
            )
        yield from check_schema(connection, metadata, there)
        if connection.dialect.name in {"mysql", "mariadb"}:
            yield from check_sql_mode(connection)
        return
    server = read_server(connection, role)
    tables = [
        (table_label(table), found)
        for table, _ in declared_tables(metadata)
        if (found := server.relation(table.schema, table.name)) is not None
    ]
    children = {
        (child.schema, child.name)
        for _, child in children_of(server, [found for _, found in tables])
    }
    yield from check_schema(connection, metadata, there, children=children)
    specs = list(specs_to_check(metadata))
    yield from check_policies(connection, specs, server)
    yield from check_role(server, tables)
    yield from check_bypasses(server, tables, verifier_signatures(specs))
    yield from check_signing(specs, server)
    yield from check_settings(server)
    yield from check_extensions(server)
