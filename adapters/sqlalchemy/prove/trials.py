"""Ways, tried one after the other on one connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.exc import StaleDataError

from tenantshield_mw.context import system_scope, tenant_scope
from tenantshield_mw.errors import TenantShieldError

from ..databases import sqlstate
from ..ownership.model import table_label
from .contents import Contents
from .rows import MINE, REASON, Rows
from .target import NotApplicableError, Target
from .ways import Way, ways_for

__all__ = ["Outcome", "Trials", "Verdict"]

Verdict: TypeAlias = Literal["leak", "refused", "confined", "error", "n/a"]

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


class Trials:
    """Tries ways on tables, and judges each by what it returned and what it left behind.

    Args:
        connection: a connection in a transaction that is rolled back at the end.
        rows: the rows of both tenants, which are in the tables.
    """

    def __init__(self, connection: Connection, rows: Rows) -> None:
        self._connection = connection
        self._rows = rows
        self._contents = Contents(connection, rows)
        self._savepoint = connection.begin_nested()

    def on(self, table: Table, mapper: Mapper[Any] | None) -> Iterator[Outcome]:
        """Try all ways on a table."""
        if unreadable := self._unreadable(table):
            yield unreadable
            return
        for way in ways_for(self._target(table, mapper).references):
            yield self._in_vain(way, table, mapper) or self._tried(way, table, mapper)

    def _unreadable(self, table: Table) -> Outcome | None:
        """Read one's own rows: where that fails, what is refused proves nothing."""

        def read(t: Target) -> None:
            if t.connection.execute(select(t.table).limit(1)).first() is None:
                raise LookupError("no tenant can read its own rows")

        outcome = self._tried(Way("", "read", read), table, None)
        return None if outcome.verdict == "confined" else replace(outcome, verdict="error")

    def _in_vain(self, way: Way, table: Table, mapper: Mapper[Any] | None) -> Outcome | None:
        """Try the way without protection: one that reaches nothing there proves nothing."""
        outcome = self._tried(way, table, mapper, system_scope(REASON))
        # A system scope checks what objects refer to, too.
        if outcome.verdict in ("leak", "refused"):
            return None
        return replace(
            outcome, verdict="n/a", detail=f"without protection: {outcome.detail or 'nothing'}"
        )

    def _tried(
        self,
        way: Way,
        table: Table,
        mapper: Mapper[Any] | None,
        scope: AbstractContextManager[Any] | None = None,
    ) -> Outcome:
        target = self._target(table, mapper)
        is_read = way.kind == "read"
        verdict: Verdict = "confined"
        detail = ""
        # A savepoint costs more than many a way, and a read that raises nothing needs none.
        is_changed = True
        try:
            with scope or tenant_scope(self._rows.tenants[MINE]):
                found = way.run(target)
                returned = _plain(found) if is_read else []
            detail = _told(target, returned) if is_read else self._contents.left(table)
            verdict = "leak" if detail else "confined"
            is_changed = not is_read
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
        target.session.close()
        if is_changed:
            self._roll_back()
        return Outcome(table_label(table), way.name, verdict, detail, way.is_open)

    def _target(self, table: Table, mapper: Mapper[Any] | None) -> Target:
        # It begins no savepoint of its own; no way commits.
        session = Session(self._connection, join_transaction_mode="rollback_only")
        return Target(table, mapper, self._rows, self._connection, session)

    def _roll_back(self) -> None:
        if self._savepoint.is_active:
            self._savepoint.rollback()
        self._savepoint = self._connection.begin_nested()


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
