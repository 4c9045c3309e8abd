"""Fill the tables, and try every way on every table."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, MetaData, Table, inspect, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Mapper, configure_mappers

from tenantshield_mw.context import system_scope

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import table_label
from ..ownership.registry import registry
from ..rls.transactions import enforce
from ..testing.tables import grant, tables
from ..testing.transactions import outer_transaction
from .rows import REASON, Rows
from .trials import Outcome, Trials, Verdict

__all__ = ["Outcome", "Verdict", "prove"]


def prove(
    engine: Engine,
    metadata: MetaData,
    mappers: Iterable[Mapper[Any]] = (),
    *,
    owner: Engine | None = None,
    system_role: str | None = None,
) -> list[Outcome]:
    """Fill the tables with rows of two tenants, and try to reach those of the one in the scope of
    the other. All of it is rolled back.

    Args:
        engine: an engine on a database without rows. Where it has no tables either, they are
            created, and dropped at the end.
        metadata: the tables.
        mappers: the mappers of the classes for them, such as ``Base.registry.mappers``; for a table
            without one, the ways of the ORM are ``n/a``.
        owner: on PostgreSQL, an engine that creates the tables, if it is another one.
        system_role: on PostgreSQL, a role with ``BYPASSRLS`` of which the role of ``engine`` is a
            member. The policies are then proved, too: tables that are created get them.

    Raises:
        ConfigurationError: the database has rows, or some of the tables; or no table has a tenant
            column, or their types differ; or see
            :func:`~tenantshield_mw.adapters.sqlalchemy.rls.enforce`.
    """
    configure_mappers()
    with _existing(engine, metadata, owner or engine, system_role):
        if system_role is not None:
            enforce(engine, system_role=system_role)
        with outer_transaction(engine) as connection:
            rows = Rows(metadata)
            _check_empty(connection, metadata)
            with warnings.catch_warnings():
                # The order of tables that refer to each other.
                warnings.simplefilter("ignore", SAWarning)
                rows.fill(connection)
            found = [*_tables(connection, rows, _by_table(mappers))]
    return found if system_role is None else [replace(each, is_open=False) for each in found]


def _existing(
    engine: Engine, metadata: MetaData, owner: Engine, system_role: str | None
) -> AbstractContextManager[None]:
    """Return a context in which the tables exist."""
    user: str | None = None
    with engine.connect() as connection:
        if system_role is not None:
            user = connection.execute(text("SELECT current_user")).scalar_one()
        found = inspect(connection)
        there = [
            found.has_table(table.name, schema=table.schema) for table in metadata.tables.values()
        ]
    if all(there):
        return nullcontext()
    if any(there):
        raise ConfigurationError(
            "the database has some of the tables and lacks others: give an empty one, or one that "
            "has all of them, without rows"
        )
    if user is None or system_role is None:
        return _created(owner, metadata)
    return _created_with_policies(owner, metadata, (user, system_role))


@contextmanager
def _created(owner: Engine, metadata: MetaData) -> Generator[None]:
    with system_scope(REASON), owner.begin() as connection:
        metadata.create_all(connection)
    try:
        yield
    finally:
        with system_scope(REASON), owner.begin() as connection:
            metadata.drop_all(connection)


@contextmanager
def _created_with_policies(
    owner: Engine, metadata: MetaData, roles: tuple[str, str]
) -> Generator[None]:
    application, system = roles
    with tables(owner, metadata, role=application):
        # The one role need not inherit what the other may.
        with system_scope(REASON), owner.begin() as connection:
            grant(connection, metadata, system)
        yield


def _check_empty(connection: Connection, metadata: MetaData) -> None:
    with system_scope(REASON):
        for table in metadata.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is not None:
                raise ConfigurationError(
                    f"{table_label(table)} has rows: give a database without any"
                )


def _tables(
    connection: Connection, rows: Rows, mappers: dict[Table, Mapper[Any]]
) -> Iterator[Outcome]:
    """Try all ways on all tables."""
    trials = Trials(connection, rows)
    for table in rows.metadata.sorted_tables:
        label = table_label(table)
        if registry.is_shared(table):
            continue
        if rule_of(table) is None:
            detail = "it is not declared, so every tenant reads and writes all of its rows"
            yield Outcome(label, "", "leak", detail)
        elif table in rows.failed:
            yield Outcome(label, "", "error", f"no rows could be made: {rows.failed[table]}")
        else:
            yield from trials.on(table, mappers.get(table))


def _by_table(mappers: Iterable[Mapper[Any]]) -> dict[Table, Mapper[Any]]:
    return {
        mapper.local_table: mapper
        for mapper in mappers
        # A subclass's columns are in two tables.
        if isinstance(mapper.local_table, Table) and mapper.inherits is None
    }
