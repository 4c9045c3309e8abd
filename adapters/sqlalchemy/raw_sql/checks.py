"""Check raw SQL, and refuse what cannot be confined to the tenant.

The raw parts of statements, driver SQL and DDL that is given as text all go through one list of
checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn, TypeAlias

from sqlalchemy import util
from sqlalchemy.engine import Dialect

from tenantshield_mw.context import current_bound

from ..errors import UnguardedStatementError
from ..ownership.registry import registry
from ..transactions import HELD, Transactions
from .cascades import cascade_in
from .functions import sql_for_a_function
from .marks import MARKED, without_confined_names
from .patterns import (
    CHANGES_SCHEMA,
    CHANGES_TENANT,
    HIDES,
    REACHES_UNNAMED,
    REPLACES_ROWS,
    SCHEMA_ONLY,
    UNNAMED,
    WRITES_OVER,
)
from .quiet import names_in_quiet
from .table_names import misplaced, unmarked_names, without_literals

__all__ = ["REVIEWED", "RawText", "Source", "check", "check_unnamed", "refuse", "refuse_named"]

REVIEWED: Final = "tenantshield_reviewed"
"""The execution option of a statement whose raw SQL was reviewed. It has an effect on the
statement and in the call that executes it, but not on a connection, an engine or a session, where
it would let all raw SQL through."""

_NAME: Final = rf"{MARKED.pattern}(?:\.{MARKED.pattern})*"
_ASSIGNS: Final = re.compile(
    rf"\bUPDATE\s+(?:{_NAME}\s+(?:AS\s+{_NAME}\s+)?)?SET\s+{_NAME}\s*=", re.DOTALL
)
"""The beginning of what an ``UPDATE`` or an upsert assigns, as SQLAlchemy renders it: ``SET role``
is then a column."""


class Source(Enum):
    """The source of raw SQL: its name in messages, and how to mark it as reviewed."""

    STATEMENT = (
        "raw SQL",
        "mark the statement with .execution_options(tenantshield_reviewed=True)",
    )
    DRIVER_SQL = ("driver SQL", "pass execution_options={'tenantshield_reviewed': True}")
    DDL = ("DDL", "execute it with execution_options={'tenantshield_reviewed': True}")

    def __init__(self, label: str, review: str) -> None:
        self.label = label
        self.review = review


@dataclass(frozen=True)
class RawText:
    """SQL that is, or contains, raw SQL.

    Attributes:
        text: the whole text, with marks around identifiers that were compiled, see ``marks.py``.
        source: its source.
        dialect: the dialect that it is for.
        covers: whether its compiled part reads or changes tenants' rows.
        writes: whether its compiled part writes them.
        open_ended: whether a raw part could affect the SQL around it.
        guarded_upserts: the number of confined clauses that write over an existing row.
    """

    text: str
    source: Source
    dialect: Dialect
    covers: bool = False
    writes: bool = False
    open_ended: bool = False
    guarded_upserts: int = 0

    # Not functools.cached_property, which holds a lock meanwhile in Python 3.11.
    @util.ro_memoized_property
    def sent(self) -> str:
        """The text that is sent to the database, with other names for confined tables."""
        return without_confined_names(self.text, registry.names())

    @util.ro_memoized_property
    def bare(self) -> str:
        """The same without string literals, if their boundaries are certain."""
        return without_literals(self.sent)


def check(raw: RawText) -> None:
    """Refuse SQL whose raw parts cannot be confined to the tenant.

    Raises:
        UnguardedStatementError: a part cannot be confined.
    """
    _changes_schema(raw)
    names = registry.names()
    if raw.source is Source.STATEMENT and not raw.writes:
        # Each new statement comes here, and RawText.sent costs more.
        named = names_in_quiet(raw.text, names)
        if named is not None:
            refuse_named(misplaced(raw.text, named) if named else named, raw.source)
            _reaches_out(raw)
            return
    _hides(raw)
    # Reflection needs these, which read the schema and never rows. Only in driver SQL, where the
    # text is certain to be one complete statement.
    if raw.source is Source.DRIVER_SQL and SCHEMA_ONLY.match(raw.text):
        return
    for each in _CHECKS:
        each(raw)


def check_unnamed(raw: RawText) -> None:
    """Refuse SQL that could reach tables that it does not name.

    Raises:
        UnguardedStatementError: it could.
    """
    for each in (_hides, _reaches_unnamed, _hands_sql_to_a_function, _changes_tenant):
        each(raw)


def refuse(source: Source, what: str, remedy: str = "") -> NoReturn:
    """Refuse raw SQL.

    Args:
        source: its source.
        what: the reason, which follows the source's name in the message.
        remedy: how to write it instead.

    Raises:
        UnguardedStatementError: always.
    """
    # A tenant's scope alone would not help: it is refused there, too.
    missing, enter = "", ""
    if current_bound() is None:
        missing, enter = "no tenant is in scope and ", "enter tenant_scope(...) and "
    reviewed = f"if it was reviewed, {enter}{source.review}"
    remedies = f"{remedy}; or, {reviewed}" if remedy else reviewed
    raise UnguardedStatementError(
        f"{missing}{source.label} {what}: {remedies}; or, if it is meant for the rows of all "
        'tenants, do it inside system_scope("why"), which sees them all'
    )


def refuse_named(names: Collection[str], source: Source) -> None:
    """Refuse raw SQL that names tables with tenants' rows.

    Args:
        names: the tables; if there are none, the raw SQL passes.
        source: its source.

    Raises:
        UnguardedStatementError: ``names`` is not empty.
    """
    if names:
        refuse(
            source,
            f"names {', '.join(sorted(names))}, which holds tenants' rows, and cannot be confined "
            "to the tenant",
            "write it with SQLAlchemy's constructs",
        )


def _hides(raw: RawText) -> None:
    if HIDES.search(raw.sent):
        refuse(
            raw.source,
            "has a nested comment, or one that MySQL and MariaDB execute (/*! ... */), and cannot "
            "be confined to the tenant, since the comment may hide SQL",
            "write it without that comment",
        )


def _names_a_table(raw: RawText) -> None:
    refuse_named(unmarked_names(raw.text, registry.names(), raw.dialect), raw.source)


def _reaches_unnamed(raw: RawText) -> None:
    if REACHES_UNNAMED.search(raw.bare):
        refuse(raw.source, f"{UNNAMED}, and that cannot be confined to the tenant")


def _hands_sql_to_a_function(raw: RawText) -> None:
    name = sql_for_a_function(raw.sent)
    if name is not None:
        refuse(
            raw.source,
            f"passes a string that looks like SQL to the function {name}, which may execute it, "
            "and that cannot be confined to the tenant",
            "pass the string as a bound parameter if it is a value",
        )


def _changes_tenant(raw: RawText) -> None:
    if not CHANGES_TENANT.search(raw.bare):
        return
    assigned = _ASSIGNS.sub("UPDATE", raw.text)
    if CHANGES_TENANT.search(without_literals(without_confined_names(assigned, registry.names()))):
        refuse(
            raw.source,
            "changes the role or a setting from which the database knows the tenant",
            "enter tenant_scope(...) instead",
        )


def _changes_schema(raw: RawText) -> None:
    held: Transactions | None = raw.dialect.__dict__.get(HELD)
    is_placed = held is not None and held.place is not None
    if not (is_placed or registry.has_namesakes) or not CHANGES_SCHEMA.search(raw.bare):
        return
    if is_placed:
        refuse(
            raw.source,
            "changes the search path, which leads to the place of the tenant's rows",
            "enter the scope of another tenant instead",
        )
    refuse(
        raw.source,
        "changes what a table's name without a schema stands for, and tables of one name "
        "belong to tenants in different ways",
        "give the tables their schema",
    )


def _reaches_out(raw: RawText) -> None:
    if raw.open_ended and (raw.covers or raw.writes):
        refuse(
            raw.source,
            "on tenants' rows could undo the condition that confines it: it has an unbalanced "
            "parenthesis, quote or comment, is more than one value, ends the SELECT that it is a "
            "part of, or follows the criteria without beginning a clause",
            "complete it",
        )


def _cascades(raw: RawText) -> None:
    what = cascade_in(raw.text, raw.dialect, upserts_are_raw=_has_raw_upserts(raw))
    if what is not None:
        refuse(raw.source, what)


_UPSERT: Final = "use insert(...).on_conflict_do_update(...) or on_duplicate_key_update(...)"


def _replaces(raw: RawText) -> None:
    # If the compiled part does not write tenants' rows, the raw part must name the table, which
    # another check finds.
    if raw.writes and REPLACES_ROWS.search(raw.bare):
        refuse(
            raw.source,
            "makes it a REPLACE, which deletes conflicting rows, even another tenant's",
            _UPSERT,
        )


def _writes_over(raw: RawText) -> None:
    # The same applies here.
    if raw.writes and _has_raw_upserts(raw):
        refuse(
            raw.source,
            "on tenants' rows makes an INSERT write over conflicting rows, even another tenant's",
            _UPSERT,
        )


def _has_raw_upserts(raw: RawText) -> bool:
    return len(WRITES_OVER.findall(raw.bare)) > raw.guarded_upserts


_Check: TypeAlias = Callable[[RawText], None]

_CHECKS: Final[tuple[_Check, ...]] = (
    _names_a_table,
    _reaches_unnamed,
    _hands_sql_to_a_function,
    _changes_tenant,
    _reaches_out,
    _cascades,
    _replaces,
    _writes_over,
)
