"""The judgement of one write: what it did among everybody's rows, and where the tenant is alone.

Two databases have the same tables. ``mixed`` holds the rows of two tenants, of nobody and the
shared ones, ``alone`` those of one tenant and the shared ones. A write that is executed in the
tenant's scope on ``mixed`` must

1. leave everybody else's rows as they were, give nobody a new one, and let none of the tenant's
   rows refer to another tenant's;
2. if it is accepted, have the effect that it has without a guard on ``alone``, what it returns
   and the number of rows included;
3. if it is refused, be so by an error of this package, or by the one of the database's own that
   ``alone`` raises too, without any value of another tenant's, and change nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy.exc import CompileError, IntegrityError

from tenantshield_mw import TenantShieldError, system_scope, tenant_scope
from tests.databases import DatabaseName, database, memory_engine

from ..oracle import Mismatch
from .rows import SECRET, SECRET_NUMBER, TENANT
from .schema import (
    OWNERS,
    TABLES,
    TENANT_COLUMNS,
    mark,
    references,
    unique_keys,
)
from .sides import COLUMNS, Content, Run, Side, Write, is_of_the_database

__all__ = ["Judge", "Outcome", "Verdict", "judge"]


Verdict: TypeAlias = Literal["accepted", "refused", "rejected"]
"""``rejected`` is what the database, or SQLAlchemy, does not take without a guard either."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write.

    Attributes:
        verdict: in one word.
        why: the error's type and text, where it was refused.
        is_needless: whether it was refused, and does no harm where the tenant is alone.
    """

    verdict: Verdict
    why: str = ""
    is_needless: bool = False


# -- what the rows say -----------------------------------------------------------


_REFERENCES: Final = {table.name: list(references(table)) for table in TABLES}
_UNIQUE: Final = {table.name: list(unique_keys(table)) for table in TABLES}


def _dicts(content: Content, table: str) -> Iterator[dict[str, Any]]:
    for row in content[table]:
        yield dict(zip(COLUMNS[table], row, strict=True))


class _Owners:
    """Whose the rows of a content are."""

    def __init__(self, content: Content) -> None:
        self._rows = {
            table: {row["id"]: row for row in _dicts(content, table)}
            for table, columns in COLUMNS.items()
            if "id" in columns
        }

    def of(self, table: str, row: dict[str, Any]) -> str | None:
        """Return the tenant of ``row``; ``None`` for a row of everybody's or nobody's."""
        if table in TENANT_COLUMNS:
            return str(row[TENANT_COLUMNS[table]])
        owners = {self.of_key(parent, row[c]) for c, parent in OWNERS.get(table, {}).items()}
        return owners.pop() if len(owners) == 1 else None

    def of_key(self, table: str, key: Any) -> str | None:
        row = self._rows[table].get(key)
        return None if row is None else self.of(table, row)


def _secrets(value: Any) -> bool:
    shown = repr(value)
    return SECRET in shown or str(SECRET_NUMBER) in shown


class Judge:
    """The two databases.

    Args:
        mixed: that with everybody's rows.
        alone: that with one tenant's.
        database: their kind.
    """

    def __init__(self, mixed: Side, alone: Side, database: DatabaseName) -> None:
        self._mixed = mixed
        self._alone = alone
        self.database: DatabaseName = database
        self._others = {table: rows - alone.before[table] for table, rows in mixed.before.items()}

    def judge(self, write: Write) -> Outcome:
        """Execute ``write`` on both, undo it, and return what became of it.

        Raises:
            Mismatch: one of the rules does not hold.
        """
        with system_scope("the tenant is alone here"):
            expected = self._alone.run(write)
        with tenant_scope(TENANT):
            actual = self._mixed.run(write)
        if write.generates and self.database == "mariadb":
            self._alone.reset_counters()
            self._mixed.reset_counters()
        try:
            return self._judged(write, actual, expected)
        except Mismatch as found:
            sent = "\n".join(("guarded, sent:", *actual.sent, "alone, sent:", *expected.sent))
            raise Mismatch(f"{write.kind} ({self.database}): {found}\n{sent}") from None

    def _judged(self, write: Write, actual: Run, expected: Run) -> Outcome:
        if isinstance(actual.error, TenantShieldError):
            return self._refused(write, actual, expected)
        if actual.error is not None:
            return self._rejected(write, actual, expected)
        assert actual.after is not None
        self._check_rows(actual.after)
        self._compare(write, actual, expected)
        return Outcome("accepted")

    # -- refused -----------------------------------------------------------------

    def _refused(self, write: Write, actual: Run, expected: Run) -> Outcome:
        error = actual.error
        self._check_error(error)
        is_needless = False
        if expected.error is None and expected.after is not None:
            union = {table: rows + self._others[table] for table, rows in expected.after.items()}
            is_needless = self._problem(union) is None
        if write.is_several and actual.after is not None:
            self._check_rows(actual.after)
        else:
            self._check_unchanged(actual)
        return Outcome("refused", f"{type(error).__name__}: {error}", is_needless)

    def _rejected(self, write: Write, actual: Run, expected: Run) -> Outcome:
        self._check_error(actual.error)
        self._check_unchanged(actual)
        if expected.error is not None and not isinstance(expected.error, IntegrityError):
            # The guard renders some keys in a form that the database takes, up to the next error.
            return Outcome("rejected", f"{type(expected.error).__name__}")
        if type(actual.error) is type(expected.error):
            return Outcome("rejected", f"{type(actual.error).__name__}")
        if isinstance(actual.error, CompileError) and "Unconsumed" in str(actual.error):
            # SQLAlchemy drops a parameter that is no column's, unless it is for a foreign key.
            return Outcome("rejected", "a key that is none")
        if isinstance(actual.error, IntegrityError) and (
            write.collides or self._is_in_the_way(expected)
        ):
            return Outcome("rejected", "a key of another tenant's")
        raise Mismatch(f"the guarded write fails: {actual.error!r}\nthe other: {expected.error!r}")

    def _check_error(self, error: Exception | None) -> None:
        at: BaseException | None = error
        seen: set[int] = set()
        while at is not None and id(at) not in seen:
            seen.add(id(at))
            if _secrets(str(at)) or _secrets(at.args):
                raise Mismatch(f"an error tells what another tenant has: {at}")
            at = at.__cause__ or at.__context__

    def _check_unchanged(self, actual: Run) -> None:
        if actual.after is None:
            return
        if is_of_the_database(actual.error) or not isinstance(actual.error, TenantShieldError):
            # Of several rows the first may be there, until the transaction is rolled back.
            self._check_rows(actual.after)
        elif actual.after != self._mixed.before:
            raise Mismatch(
                f"refused, and something changed: {actual.error}\n"
                f"{_difference(self._mixed.before, actual.after)}"
            )

    def _is_in_the_way(self, expected: Run) -> bool:
        """Return whether rows of others and what is expected cannot be in one database."""
        if expected.after is None or expected.error is not None:
            return False
        for table, others in self._others.items():
            mine = list(_dicts(expected.after, table))
            theirs = list(_dicts(self._others, table))
            for key in _UNIQUE[table]:
                taken = {tuple(row[c] for c in key) for row in theirs}
                if any(tuple(row[c] for c in key) in taken for row in mine):
                    return True
            if not others:
                continue
            for column, parent in _REFERENCES[table]:
                wanted = {row[column] for row in theirs} - {None}
                there = {row["id"] for row in _dicts(expected.after, parent)}
                there |= {row["id"] for row in _dicts(self._others, parent)}
                if wanted - there:
                    return True
        return False

    # -- accepted ----------------------------------------------------------------

    def _check_rows(self, after: Content) -> None:
        """Check the first rule."""
        for table, others in self._others.items():
            if others - after[table]:
                raise Mismatch(f"rows of others in {table} changed: {others - after[table]}")
        problem = self._problem(after)
        if problem is not None:
            raise Mismatch(problem)

    def _problem(self, after: Content) -> str | None:
        """Return how the rows that are not others' break the first rule."""
        owners = _Owners(after)
        for table in COLUMNS:
            mine = {table: after[table] - self._others[table]}
            for row in _dicts(mine, table):
                owned = table in TENANT_COLUMNS or table in OWNERS
                if owned and owners.of(table, row) != TENANT:
                    return f"a row of {table} is not the tenant's: {row}"
                for column, parent in _REFERENCES[table]:
                    if owners.of_key(parent, row[column]) not in (None, TENANT):
                        return f"a row of {table} refers to another tenant's: {row}"
        return None

    def _compare(self, write: Write, actual: Run, expected: Run) -> None:
        """Check the second rule."""
        assert actual.after is not None
        if expected.error is not None or expected.after is None:
            if not isinstance(expected.error, IntegrityError):
                # The guard renders some statements in a form that the database takes.
                return
            if write.is_upsert and write.collides:
                # Another tenant's row was in the way before anything else was.
                return
            raise Mismatch(f"accepted, and fails where the tenant is alone: {expected.error!r}")
        mine = {table: rows - self._others[table] for table, rows in actual.after.items()}
        if write.is_loose or (mine == expected.after and actual.value == expected.value):
            return
        if write.is_upsert and write.collides:
            # A row that is in the way and another tenant's stays as it is.
            for table, rows in mine.items():
                strange = rows - expected.after[table] - self._alone.before[table]
                if strange:
                    raise Mismatch(f"{table} holds {strange}, expected {expected.after[table]}")
            return
        if actual.value != expected.value and mine == expected.after:
            raise Mismatch(f"returned {actual.value!r}, expected {expected.value!r}")
        raise Mismatch(
            f"the effect differs (+ guarded, - alone):\n{_difference(expected.after, mine)}"
        )


def _difference(expected: Content, actual: Content) -> str:
    lines = []
    for table, wanted in expected.items():
        lines += [f"- {table} {row}" for row in wanted - actual[table]]
        lines += [f"+ {table} {row}" for row in actual[table] - wanted]
    return "\n".join(lines)


@contextmanager
def judge(name: DatabaseName) -> Generator[Judge, None, None]:
    """Yield two databases of a kind, with their rows in."""
    mark()
    with ExitStack() as stack:
        sides = []
        for is_alone in (False, True):
            if name == "sqlite":
                engine = memory_engine()
            else:
                engine = stack.enter_context(database(name)).engine()
            stack.callback(engine.dispose)
            sides.append(Side(name, engine, is_alone=is_alone))
        mixed, alone = sides
        yield Judge(mixed, alone, name)
