"""The tables of a tenant, in the order in which their rows can be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, ParentOwnership, table_label
from ..ownership.registry import registry
from ..snapshots import foreign_keys_of

__all__ = ["Later", "Plan", "plan_of"]


@dataclass(frozen=True, slots=True)
class Later:
    """A foreign key that is written when all rows are there, or emptied before any is deleted.

    Attributes:
        constraint: the foreign key.
        columns: the columns of it that are ``NULL`` until then.
    """

    constraint: ForeignKeyConstraint
    columns: tuple[Column[Any], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The tables that hold tenants' rows.

    Attributes:
        tables: them, each after those that it refers to.
        later: the foreign keys that this order does not serve: those to a later table, and those
            to the table itself.
        rigid: the foreign keys to the table itself of which no column can be ``NULL``.
        shared: the other tables, which are the same for all tenants.
        elsewhere: tables that hold tenants' rows and are in another ``MetaData``.
    """

    tables: tuple[Table, ...]
    later: Mapping[Table, tuple[Later, ...]]
    rigid: Mapping[Table, tuple[ForeignKeyConstraint, ...]]
    shared: tuple[Table, ...]
    elsewhere: tuple[Table, ...]

    @property
    def tenant_type(self) -> type:
        """The type of the tenant columns: ``str``, ``int`` or ``UUID``.

        Raises:
            ConfigurationError: they have several types.
        """
        kinds = {
            rule.python_type
            for table in self.tables
            if isinstance(rule := rule_of(table), ColumnOwnership)
        }
        if len(kinds) != 1:
            found = ", ".join(sorted(each.__name__ for each in kinds))
            raise ConfigurationError(
                f"the command needs tenant columns of one type, and their types are: {found}"
            )
        return kinds.pop()


def plan_of(metadata: MetaData) -> Plan:
    """Return the tables of ``metadata`` that hold tenants' rows, in order.

    Raises:
        ConfigurationError: a table is not declared, or there is none with tenants' rows, or tables
            refer to each other by foreign keys that cannot be ``NULL``.
    """
    tables = sorted(metadata.tables.values(), key=lambda each: each.fullname)
    shared = [each for each in tables if registry.is_shared(each)]
    owned = [each for each in tables if each not in shared and rule_of(each) is not None]
    undeclared = [each for each in tables if each not in shared and each not in owned]
    if undeclared:
        raise ConfigurationError(
            "it cannot be told whose rows these tables hold: "
            f"{', '.join(map(table_label, undeclared))}; mark each with @tenant_aware or "
            "@shared_across_tenants"
        )
    if not owned:
        raise ConfigurationError("no table holds tenants' rows: mark them with @tenant_aware")
    ordered, broken = _ordered(owned)
    later: dict[Table, tuple[Later, ...]] = {}
    rigid: dict[Table, tuple[ForeignKeyConstraint, ...]] = {}
    for table in ordered:
        own = [each for each in _keys_of(table) if each.referred_table is table]
        found = [
            Later(each, columns)
            for each in (*own, *broken.get(table, ()))
            if (columns := _emptied(each))
        ]
        if found:
            later[table] = tuple(found)
        if fixed := [each for each in own if not _emptied(each)]:
            rigid[table] = tuple(fixed)
    elsewhere = [
        each
        for each in registry.tables()
        if each.metadata is not metadata and rule_of(each) is not None
    ]
    return Plan(tuple(ordered), later, rigid, tuple(shared), tuple(elsewhere))


def _keys_of(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(foreign_keys_of(table), key=lambda each: [*each.column_keys])


def _ordered(
    tables: Iterable[Table],
) -> tuple[list[Table], dict[Table, list[ForeignKeyConstraint]]]:
    """Return the tables in order, and the foreign keys that are against it."""
    remaining = dict.fromkeys(tables)
    ordered: list[Table] = []
    broken: dict[Table, list[ForeignKeyConstraint]] = {}
    while remaining:
        waiting = {table: _unserved(table, remaining) for table in remaining}
        ready = [table for table, keys in waiting.items() if not keys]
        if not ready:
            table = _to_break(waiting)
            broken.setdefault(table, []).extend(waiting[table])
            ready = [table]
        for table in ready:
            ordered.append(table)
            del remaining[table]
    return ordered, broken


def _unserved(table: Table, remaining: Mapping[Table, None]) -> list[ForeignKeyConstraint]:
    return [
        each
        for each in _keys_of(table)
        if each.referred_table in remaining and each.referred_table is not table
    ]


def _to_break(waiting: Mapping[Table, list[ForeignKeyConstraint]]) -> Table:
    """Return the table of a circle that has the fewest foreign keys to be written later."""
    found = [
        table
        for table, keys in waiting.items()
        if all(map(_emptied, keys)) and _is_in_circle(table, waiting)
    ]
    if not found:
        names = ", ".join(map(table_label, waiting))
        raise ConfigurationError(
            f"these tables refer to each other by foreign keys that cannot be NULL: {names}; let "
            "one of them be NULL"
        )
    return min(found, key=lambda table: len(waiting[table]))


def _is_in_circle(table: Table, waiting: Mapping[Table, list[ForeignKeyConstraint]]) -> bool:
    seen: set[Table] = set()
    ahead = [key.referred_table for key in waiting[table]]
    while ahead:
        each = ahead.pop()
        if each is table:
            return True
        if each not in seen:
            seen.add(each)
            ahead += [key.referred_table for key in waiting[each]]
    return False


def _emptied(constraint: ForeignKeyConstraint) -> tuple[Column[Any], ...]:
    """Return the columns of a foreign key that may be ``NULL`` for a while."""
    table = constraint.table
    rule = rule_of(table)
    if isinstance(rule, ParentOwnership) and any(
        each.columns == tuple(column.name for column in constraint.columns)
        for each in rule.parent_keys
    ):
        # Without it, the row would be nobody's.
        return ()
    tenant = rule.column if isinstance(rule, ColumnOwnership) else None
    found = [
        column
        for column in constraint.columns
        if column.nullable and not column.primary_key and column.name != tenant
    ]
    # Rather those that no other foreign key has.
    fewest = min((len(column.foreign_keys) for column in found), default=0)
    return tuple(column for column in found if len(column.foreign_keys) == fewest)
