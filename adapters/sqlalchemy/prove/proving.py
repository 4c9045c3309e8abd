"""Try every way on every table, and judge each by what it returned and what it left behind."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Engine, MetaData, Table, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SAWarning
from sqlalchemy.orm import Mapper, Session, configure_mappers
from sqlalchemy.orm.exc import StaleDataError

from tenantshield_mw.context import system_scope, tenant_scope
from tenantshield_mw.errors import TenantShieldError

from ..databases import sqlstate
from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, table_label
from ..ownership.registry import registry
from ..rls.transactions import enforce
from ..testing.tables import tables
from ..testing.transactions import outer_transaction
from .rows import MINE, REASON, THEIRS, Row, Rows
from .target import NotApplicableError, Target
from .ways import Way, ways_for

__all__ = ["Outcome", "Verdict", "prove"]

Verdict: TypeAlias = Literal["leak", "refused", "confined", "error", "n/a"]

Contents: TypeAlias = dict[Table, list[Row]]

_NOT_FOUND: Final = (InvalidRequestError, StaleDataError)
"""What SQLAlchemy raises for a row that is not there."""

_INSUFFICIENT_PRIVILEGE: Final = "42501"
"""What PostgreSQL raises for a policy. An upsert over another tenant's row gets it on 15, and does
nothing on 18.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one way on one table.

    Attributes:
        table: its name.
        way: the name of the way; empty if the table as a whole could not be tried.
        verdict: ``error`` is neither a leak nor a refusal, and proves nothing.
        detail: more, for people.
        is_open: whether only the policies of the database close the way.
    """

    table: str
    way: str
    verdict: Verdict
    detail: str = ""
    is_open: bool = False


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
            column, or their types differ; or see :func:`~tenantshield_mw.adapters.sqlalchemy.rls
            .enforce`.
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
    with engine.connect() as connection:
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
    return (
        _created(owner, metadata)
        if system_role is None
        else tables(owner, metadata, role=system_role)
    )


@contextmanager
def _created(owner: Engine, metadata: MetaData) -> Generator[None]:
    with system_scope(REASON), owner.begin() as connection:
        metadata.create_all(connection)
    try:
        yield
    finally:
        with system_scope(REASON), owner.begin() as connection:
            metadata.drop_all(connection)


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
    contents = _contents(connection, rows)
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
            for way in ways_for(_target(table, mappers, rows, connection).references):
                in_vain = _in_vain(way, _target(table, mappers, rows, connection), contents)
                yield in_vain or _tried(way, _target(table, mappers, rows, connection), contents)


def _by_table(mappers: Iterable[Mapper[Any]]) -> dict[Table, Mapper[Any]]:
    return {
        mapper.local_table: mapper
        for mapper in mappers
        # A subclass's columns are in two tables.
        if isinstance(mapper.local_table, Table) and mapper.inherits is None
    }


def _target(
    table: Table, mappers: dict[Table, Mapper[Any]], rows: Rows, connection: Connection
) -> Target:
    session = Session(connection, join_transaction_mode="create_savepoint")
    return Target(table, mappers.get(table), rows, connection, session)


def _in_vain(way: Way, target: Target, before: Contents) -> Outcome | None:
    """Try the way without protection: one that reaches nothing there proves nothing."""
    outcome = _tried(way, target, before, system_scope(REASON))
    # A system scope checks what objects refer to, too.
    if outcome.verdict in ("leak", "refused"):
        return None
    return replace(
        outcome, verdict="n/a", detail=f"without protection: {outcome.detail or 'nothing'}"
    )


def _tried(
    way: Way, target: Target, before: Contents, scope: AbstractContextManager[Any] | None = None
) -> Outcome:
    label = table_label(target.table)
    savepoint = target.connection.begin_nested()
    verdict: Verdict = "confined"
    detail = ""
    try:
        with scope or tenant_scope(target.rows.tenants[MINE]):
            found = way.run(target)
            returned = _plain(found) if way.kind == "read" else []
        if way.kind == "read":
            detail = _told(target, returned)
        else:
            detail = _left(target.rows, before, _contents(target.connection, target.rows))
        verdict = "leak" if detail else "confined"
    except NotApplicableError:
        verdict = "n/a"
    except TenantShieldError as error:
        verdict, detail = "refused", str(error)
    except _NOT_FOUND:
        verdict = "confined"
    except DBAPIError as error:
        # Without protection it is a privilege that the role lacks.
        by_policy = scope is None and sqlstate(error.orig) == _INSUFFICIENT_PRIVILEGE
        verdict, detail = "refused" if by_policy else "error", _describe(error)
    # An error of the database or of the models; it is shown.
    except Exception as error:  # noqa: BLE001
        verdict, detail = "error", _describe(error)
    finally:
        target.session.close()
        if savepoint.is_active:
            savepoint.rollback()
    return Outcome(label, way.name, verdict, detail, way.is_open)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'orig', error)}"


def _plain(values: Any) -> list[Any]:
    """Return the values of rows of any depth."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return [values]
    return [plain for each in values for plain in _plain(each)]


def _told(target: Target, values: Iterable[Any]) -> str:
    """Return which value only the other tenant's row has; nothing if there is none."""
    mine, theirs = (
        {value for row in rows for value in row.values() if _is_telling(value)}
        for rows in target.rows.made[target.table]
    )
    found = [each for each in values if _is_telling(each) and each in theirs - mine]
    return f"returned {found[0]!r}" if found else ""


def _is_telling(value: Any) -> bool:
    return isinstance(value, str | int | bytes | UUID) and not isinstance(value, bool)


def _contents(connection: Connection, rows: Rows) -> Contents:
    with system_scope(REASON):
        return {
            table: [
                dict(zip(table.c.keys(), row, strict=True))
                for row in connection.execute(select(table))
            ]
            for table in rows.made
        }


def _left(rows: Rows, before: Contents, after: Contents) -> str:
    """Return what a write did to the other tenant; nothing if it did nothing."""
    for table, (_, theirs) in rows.made.items():
        if rule_of(table) is None:
            continue
        keys = [_key(table, row) for row in theirs]
        now = {_key(table, row): row for row in after[table]}
        if any(now.get(key) != row for key, row in zip(keys, theirs, strict=True)):
            return f"changed or deleted a row of {table_label(table)}"
        for key, row in now.items():
            if key in keys or row in before[table]:
                continue
            rule = rule_of(table)
            if isinstance(rule, ColumnOwnership) and row[rule.key] == rows.tenants[THEIRS]:
                return f"made a row of {table_label(table)} for the other tenant"
            if _refers_to_theirs(rows, table, row):
                return f"let a row of {table_label(table)} refer to the other tenant's"
    return ""


def _refers_to_theirs(rows: Rows, table: Table, row: Row) -> bool:
    for constraint in table.foreign_key_constraints:
        parent = constraint.referred_table
        if rule_of(parent) is None or parent not in rows.made:
            continue
        for theirs in rows.made[parent][THEIRS]:
            if all(
                row[element.parent.key] == theirs[element.column.key]
                for element in constraint.elements
            ):
                return True
    return False


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    columns = [*table.primary_key] or [*table.c]
    return tuple(_hashable(row[column.key]) for column in columns)


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, dict | list) else value
