"""Whether SQLAlchemy's private names are what the adapter takes them for.

The guard overrides private methods of the compiler (``compiler.py``, ``marking.py``),
completes compile states (``writes.py``) and hooks into sessions where they offer no
event (here). All of it is checked when the adapter is imported, which fails if
anything is not as expected; the test suite runs on the lowest and the newest supported
version.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Delete, Insert, Update, util
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.sql import crud
from sqlalchemy.sql.base import HasCompileState
from sqlalchemy.sql.compiler import IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.dml import DeleteDMLState, InsertDMLState, UpdateDMLState

from .errors import ConfigurationError
from .sessions import serve, serve_lookup

__all__ = ["check_internals", "hook_sessions"]

_EXPECTED: Final[dict[Callable[..., Any], tuple[str, ...]]] = {
    SQLCompiler.process: ("self", "obj"),
    SQLCompiler.visit_select: ("self", "select_stmt"),
    SQLCompiler.visit_insert: ("self", "insert_stmt"),
    SQLCompiler.visit_update: ("self", "update_stmt"),
    SQLCompiler.visit_delete: ("self", "delete_stmt"),
    SQLCompiler.visit_join: ("self", "join"),
    SQLCompiler.visit_table: ("self", "table", "asfrom"),
    SQLCompiler.visit_alias: ("self", "alias", "asfrom"),
    SQLCompiler.visit_column: ("self", "column"),
    SQLCompiler.visit_textclause: ("self", "textclause"),
    SQLCompiler.visit_custom_op_binary: ("self", "element", "operator"),
    SQLCompiler.visit_custom_op_unary_operator: ("self", "element", "operator"),
    SQLCompiler.visit_custom_op_unary_modifier: ("self", "element", "operator"),
    SQLCompiler.render_literal_bindparam: ("self", "bindparam"),
    SQLCompiler._setup_select_stack: ("self", "select", "compile_state"),
    SQLCompiler._compose_select_body: ("self", "text", "select"),
    SQLCompiler._truncated_identifier: ("self", "ident_class", "name"),
    IdentifierPreparer.quote: ("self", "ident"),
    IdentifierPreparer.quote_identifier: ("self", "value"),
    crud._get_crud_params: ("compiler", "stmt", "compile_state"),
    Connection._execute_clauseelement: ("self", "elem"),
    SessionTransaction._connection_for_bind: ("self", "bind", "execution_options"),
    Session._identity_lookup: ("self", "mapper", "primary_key_identity"),
    Session._merge: ("self", "state", "state_dict"),
}
"""Private methods, and public ones whose use by SQLAlchemy itself is relied on, with
the parameters they must begin with."""


def check_internals() -> None:
    """Make sure that SQLAlchemy's internals are those that the guard relies on.

    Raises:
        ConfigurationError: they are not; the guard could have no effect.
    """
    wrong = [
        function.__qualname__
        for function, expected in _EXPECTED.items()
        if tuple(inspect.signature(function).parameters)[: len(expected)] != expected
    ]
    processors = inspect.getattr_static(SQLCompiler, "_bind_processors")
    if not isinstance(processors, util.memoized_property):
        wrong.append("SQLCompiler._bind_processors")
    wrong += [
        statement.__qualname__
        for statement in (Insert, Update, Delete)
        if not issubclass(statement, HasCompileState)
    ]
    wrong += [
        state.__qualname__
        for state in (InsertDMLState, UpdateDMLState, DeleteDMLState)
        if not hasattr(state, "_dict_parameters") or not hasattr(state, "_no_parameters")
    ]
    if wrong:
        raise ConfigurationError(
            "this version of SQLAlchemy is not supported, since the guard could have no effect: "
            f"{', '.join(wrong)} changed; install sqlalchemy>=2.0.36,<2.2"
        )


def hook_sessions() -> None:
    """Have every session ask :func:`serve` before it answers."""
    # private: every statement, flush and bulk operation of a session gets its
    # connection here. The public event for it, do_orm_execute, misses bulk operations
    # and makes each query work out its options twice.
    _before(SessionTransaction, "_connection_for_bind", _serve_transaction)
    # private: get() and many-to-one loading look here, and send no SQL on a hit.
    _before(Session, "_identity_lookup", _serve_identity_lookup)
    # private: merge() takes what it finds in the identity map.
    _before(Session, "_merge", _serve_merge)


def _serve_transaction(transaction: SessionTransaction, *_: Any, **__: Any) -> None:
    serve(transaction.session)


def _serve_identity_lookup(session: Session, mapper: Any, *_: Any, **__: Any) -> None:
    serve_lookup(session, mapper)


def _serve_merge(session: Session, state: Any, *_: Any, **__: Any) -> None:
    serve_lookup(session, state.mapper)


def _before(owner: type[Any], name: str, check: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def guarded(self: Any, *args: Any, **kw: Any) -> Any:
        check(self, *args, **kw)
        return original(self, *args, **kw)

    setattr(owner, name, guarded)
