"""One connection serves one scope at a time, also if several tasks or threads share it.

SQLAlchemy's connections are not made to be shared by tasks or threads that run at the same time,
and do not always notice it. What one of them has told the connection, such as the tenant and how
its statement is rendered, would then be in effect for the other's statement. While one is at work,
the others may only do the same: in the same scope, under the same guard.

This is done for every statement, and so without what would make it shorter to write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy.engine import Connection, Dialect

from tenantshield_mw.context import Bound, current_bound, is_same_scope
from tenantshield_mw.forking import forkable_lock
from tenantshield_mw.messages import describe

from .errors import ScopeMismatchError

try:
    # An async connection does each of its calls in one of its own.
    from greenlet import getcurrent
except ImportError:  # pragma: no cover  # SQLAlchemy 2.1 has it for asyncio alone.
    from threading import get_ident as getcurrent

__all__ = ["Use", "begin_use", "end_use", "running", "use_dialect"]

running: Final[Callable[[], object]] = getcurrent
"""Return the task or thread that runs."""

_USES: Final = "_tenantshield_uses"
"""The attribute of a connection with the :class:`Use` of each task or thread that uses it."""

_ENTERING: Final = forkable_lock()
"""Held while a use is noted, and while the last one gives the connection's dialect back: a thread
that begins in between would render with that one. A finalizer may execute a statement within."""


class Use:
    """What a task or thread uses a connection for.

    Attributes:
        bound: what was bound when it began.
        by: the task or thread.
        outer: what it uses the connection for, if this is a part of that.
        uses: those of the connection, by the task or thread.
        before: the connection's dialect before.
        dialect: what renders the statement; ``None`` until that is known.
    """

    __slots__ = ("before", "bound", "by", "dialect", "outer", "uses")

    def __init__(self, bound: Bound, by: object, uses: dict[object, Use], before: Dialect) -> None:
        self.bound = bound
        self.by = by
        self.uses = uses
        self.before = before
        self.outer = outer = uses.get(by)
        self.dialect: Dialect | None = None if outer is None else outer.dialect


def begin_use(connection: Connection) -> Use:
    """Begin to use a connection in the current scope.

    Returns:
        What to give to :func:`use_dialect` and :func:`end_use`.

    Raises:
        ScopeMismatchError: another task or thread is using it in another scope.
    """
    attributes = connection.__dict__
    found: dict[object, Use] | None = attributes.get(_USES)
    uses: dict[object, Use] = attributes.setdefault(_USES, {}) if found is None else found
    by = running()
    with _ENTERING:
        use = Use(current_bound(), by, uses, connection.dialect)
        # Noted before others are looked for: of two that begin at once, one at least sees the
        # other.
        uses[by] = use
    if len(uses) > 1:
        if use.outer is None:
            # The connection has the other's.
            use.before = connection.engine.dialect
        try:
            _check_others(use)
        except BaseException:
            end_use(connection, use)
            raise
    return use


def use_dialect(connection: Connection, use: Use, dialect: Dialect) -> None:
    """Let a connection render by ``dialect`` until :func:`end_use`.

    Raises:
        ScopeMismatchError: another task or thread is using it under another guard.
    """
    use.dialect = dialect
    if len(use.uses) > 1:
        _check_others(use)
    connection.dialect = dialect


def end_use(connection: Connection, use: Use) -> None:
    """End what :func:`begin_use` has begun."""
    uses, outer = use.uses, use.outer
    with _ENTERING:
        if outer is None:
            del uses[use.by]
        else:
            uses[use.by] = outer
        if len(uses) == (outer is not None):
            connection.dialect = use.before
        # Otherwise it is the others' now, each of which renders by the same dialect.


def _check_others(use: Use) -> None:
    for innermost in list(use.uses.values()):
        # Those of this task or thread follow each other, those of another one go on beside it.
        other: Use | None = innermost if innermost.by != use.by else None
        while other is not None:
            _check_beside(use, other)
            other = other.outer


def _check_beside(use: Use, other: Use) -> None:
    if not is_same_scope(other.bound, use.bound):
        raise ScopeMismatchError(
            f"another task or thread is using this connection in {describe(other.bound)} while "
            f"it is used in {describe(use.bound, other.bound)}: give each a connection or "
            "session of its own"
        )
    if None not in (other.dialect, use.dialect) and other.dialect is not use.dialect:
        raise ScopeMismatchError(
            "another task or thread is using this connection for a statement that is guarded "
            "in another way, such as a reviewed one or DDL: give each a connection or session "
            "of its own"
        )
