"""Tables that belong to a tenant through a foreign key: which, and along which keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from sqlalchemy import (
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    event,
)
from sqlalchemy.exc import NoReferencedTableError

from ..errors import ConfigurationError
from .model import Ownership, ParentKey, ParentOwnership, TableKey, table_key, table_label

__all__ = ["Find", "foreign_keys", "is_finished", "names_parent", "settle", "ties_of"]

Find: TypeAlias = Callable[[TableKey], Table | None]
"""Returns a known table by schema and name."""

_UNFINISHED: Final = "_tenantshield_unfinished"


def _begin(table: Table, metadata: MetaData) -> None:
    table.__dict__[_UNFINISHED] = True


def _finish(table: Table, metadata: MetaData) -> None:
    table.__dict__.pop(_UNFINISHED, None)


# A table is in its MetaData, where another thread finds it, before it has as much as a name.
# Set here and not by install(), whose listener calls table_added(): in that moment the table
# must count as finished already.
event.listen(Table, "before_parent_attach", _begin)
event.listen(Table, "after_parent_attach", _finish)


def is_finished(table: Table) -> bool:
    """Say whether the constructor of ``table`` has come to its end, in whichever thread."""
    return _UNFINISHED not in table.__dict__


def settle(
    own: Mapping[TableKey, Ownership], tables: Iterable[tuple[Table, str | None]], find: Find
) -> dict[TableKey, Ownership]:
    """Return the rules of all known tables.

    A table can only be tied to one that has a rule already, so that the chain from any
    tied table ends at a tenant column: tables that refer to each other in a circle are
    tied through the one from which a way leads out.

    Args:
        own: the rules of the tables that have a tenant column.
        tables: the others that are not shared, each with the name of the parent
            through which it was marked, if it was.
        find: looks up a known table.

    Raises:
        ConfigurationError: a table is marked as tied to one that has no rule, or is tied
            by what more than one tenant may have.
    """
    rules = dict(own)
    tables = list(tables)
    while True:
        found = {
            table_key(table): ties
            for table, through in tables
            if table_key(table) not in rules
            and (ties := ties_of(table, through, rules, find)) is not None
        }
        if not found:
            break
        rules.update(found)
    for table, through in tables:
        if through is not None and table_key(table) not in rules:
            raise ConfigurationError(
                f"{table_label(table)} is tenant-aware through {through!r}, which is not "
                "tenant-aware itself: mark that table too"
            )
        _tie_to_all(table, through, rules, find)
    return rules


def _tie_to_all(
    table: Table, through: str | None, rules: dict[TableKey, Ownership], find: Find
) -> None:
    """Tie ``table`` to its other parents too, where that makes no circle."""
    rule = rules.get(table_key(table))
    if not isinstance(rule, ParentOwnership):
        return
    ties = ties_of(table, through, rules, find)
    more = [
        tie
        for tie in (() if ties is None else ties.ties)
        if tie not in rule.ties and not _leads_to(table_key(tie.parent), table_key(table), rules)
    ]
    rules[table_key(table)] = ParentOwnership(table, (*rule.ties, *more))


def ties_of(
    table: Table, through: str | None, rules: Mapping[TableKey, Ownership], find: Find
) -> ParentOwnership | None:
    """Return how ``table`` is tied to tables that have a rule; ``None`` if it is not.

    Args:
        table: a table without a tenant column.
        through: the name of the parent through which it was marked, if it was.
            Otherwise it is tied by all foreign keys that cannot be ``NULL``, and an
            association table by all that it has.
        rules: the rules that are known already.
        find: looks up a known table.

    Raises:
        ConfigurationError: it refers to what more than one tenant may have.
    """
    ties = [
        (constraint, tie)
        for constraint, tie in foreign_keys(table, find)
        if tie.parent is not table
        and (through is None or through in (tie.parent.name, tie.parent.fullname))
        and table_key(tie.parent) in rules
    ]
    owning = [
        tie for constraint, tie in ties if through is not None or not _is_nullable(constraint)
    ]
    if not owning and _is_association(table):
        owning = [tie for _, tie in ties]
    for tie in owning:
        _check_unique(table, tie)
    return ParentOwnership(table, tuple(owning)) if owning else None


def _check_unique(table: Table, tie: ParentKey) -> None:
    """Raise if the rows of two tenants may be what a row of ``table`` is tied to."""
    columns = set(tie.parent_columns)
    keys = [
        {column.name for column in each.columns}
        for each in tie.parent.constraints
        if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
    ]
    keys += [
        {column.name for column in each.columns}
        for each in tie.parent.indexes
        # An expression among its columns, or a condition, makes it unique for some rows only.
        if each.unique
        and len(each.columns) == len(each.expressions)
        and not any(
            option.endswith("_where") and value is not None
            for option, value in each.dialect_kwargs.items()
        )
    ]
    if not any(key and key <= columns for key in keys):
        parent, names = table_label(tie.parent), ", ".join(tie.parent_columns)
        raise ConfigurationError(
            f"{table_label(table)} belongs to a tenant through {', '.join(tie.columns)}, which "
            f"refers to {names} of {parent}, and nothing says that this is unique: rows of two "
            f"tenants may have the same. Refer to the primary key of {parent}, or give it a "
            f"UniqueConstraint of exactly {names}, or give {table_label(table)} a tenant column "
            "and a tenant_foreign_key()"
        )


def foreign_keys(table: Table, find: Find) -> Iterator[tuple[ForeignKeyConstraint, ParentKey]]:
    """Return the foreign keys of ``table`` whose parent is known."""
    for constraint in sorted(
        table.foreign_key_constraints, key=lambda each: [c.name for c in each.columns]
    ):
        columns = tuple(element.parent.name for element in constraint.elements)
        target = constraint.elements[0].target_fullname.rpartition(".")[0]
        try:
            if _is_being_defined(target, table.metadata):
                # SQLAlchemy itself would make a mess of it.
                raise NoReferencedTableError("being defined", target)
            parent = constraint.referred_table
            referred = tuple(element.column.name for element in constraint.elements)
        except NoReferencedTableError:
            # The table alone was reflected, say. Its parent is found by name among
            # the known tables; one that is not there is not tenant-aware.
            schema, _, name = target.rpartition(".")
            known = find((schema or None, name))
            if known is None:
                continue
            parent = known
            referred = tuple(
                element.target_fullname.rpartition(".")[2] for element in constraint.elements
            )
        yield constraint, ParentKey(columns, parent, referred)


def _is_being_defined(target: str, metadata: MetaData) -> bool:
    # A target without a schema is in that of the MetaData, if it has one.
    found = map(metadata.tables.get, (target, f"{metadata.schema}.{target}"))
    return any(each is not None and not is_finished(each) for each in found)


def _leads_to(start: TableKey, goal: TableKey, rules: Mapping[TableKey, Ownership]) -> bool:
    rule = rules.get(start)
    return start == goal or (
        isinstance(rule, ParentOwnership)
        and any(_leads_to(table_key(tie.parent), goal, rules) for tie in rule.ties)
    )


def _is_nullable(constraint: ForeignKeyConstraint) -> bool:
    return any(column.nullable for column in constraint.columns)


def _is_association(table: Table) -> bool:
    """Say whether ``table`` only connects others: every column is part of a foreign key."""
    return len(table.foreign_key_constraints) > 1 and all(c.foreign_keys for c in table.columns)


def names_parent(table: Table, parent: str) -> bool:
    """Say whether a foreign key of ``table`` refers to a table called ``parent``."""
    for constraint in table.foreign_key_constraints:
        # The text of the target, since the parent's class may not be defined yet.
        target = constraint.elements[0].target_fullname.rpartition(".")[0]
        if parent in (target, target.rpartition(".")[2]):
            return True
    return False
