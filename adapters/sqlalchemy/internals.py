"""Whether SQLAlchemy's private names are what the adapter takes them for.

The guard overrides private methods of the compiler (``compiler.py``, ``marking.py``),
completes compile states (``writes.py``) and hooks into sessions where they offer no
event (here). All of it is checked when the adapter is imported, which fails if
anything is not as expected; the test suite runs on the lowest and the newest supported
version.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Delete, Insert, Update, util
from sqlalchemy.engine import Connection
from sqlalchemy.engine.result import ChunkedIteratorResult
from sqlalchemy.orm import Session, SessionTransaction, loading, strategies
from sqlalchemy.sql import crud
from sqlalchemy.sql.base import HasCompileState
from sqlalchemy.sql.compiler import IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.dml import DeleteDMLState, InsertDMLState, UpdateDMLState

from .errors import ConfigurationError

__all__ = ["HOOKS", "LAZY_LOADER", "check_internals", "hook"]

# private: the strategy classes got an underscore in 2.1.
LAZY_LOADER: Final[Any] = getattr(
    strategies, "_LazyLoader", getattr(strategies, "LazyLoader", None)
)

_EXPECTED: Final[tuple[tuple[Any, str, str], ...]] = (
    (SQLCompiler, "process", "self obj"),
    (SQLCompiler, "visit_select", "self select_stmt"),
    (SQLCompiler, "visit_insert", "self insert_stmt"),
    (SQLCompiler, "visit_update", "self update_stmt"),
    (SQLCompiler, "visit_delete", "self delete_stmt"),
    (SQLCompiler, "visit_join", "self join"),
    (SQLCompiler, "visit_table", "self table asfrom"),
    (SQLCompiler, "visit_alias", "self alias asfrom"),
    (SQLCompiler, "visit_column", "self column"),
    (SQLCompiler, "visit_textclause", "self textclause"),
    (SQLCompiler, "visit_custom_op_binary", "self element operator"),
    (SQLCompiler, "visit_custom_op_unary_operator", "self element operator"),
    (SQLCompiler, "visit_custom_op_unary_modifier", "self element operator"),
    (SQLCompiler, "render_literal_bindparam", "self bindparam"),
    (SQLCompiler, "_setup_select_stack", "self select compile_state"),
    (SQLCompiler, "_compose_select_body", "self text select"),
    (SQLCompiler, "_truncated_identifier", "self ident_class name"),
    (IdentifierPreparer, "quote", "self ident"),
    (IdentifierPreparer, "quote_identifier", "self value"),
    (crud, "_get_crud_params", "compiler stmt compile_state"),
    (Connection, "_execute_clauseelement", "self elem distilled_parameters execution_options"),
    (Connection, "_execute_ddl", "self ddl distilled_parameters execution_options"),
    (Connection, "_execute_default", "self default distilled_parameters execution_options"),
    (Connection, "exec_driver_sql", "self statement parameters execution_options"),
    (Connection, "_exec_single_context", "self dialect context statement parameters"),
    (Connection, "_exec_insertmany_context", "self dialect context"),
    (Connection, "_cursor_execute", "self cursor statement parameters context"),
    (Connection, "_handle_dbapi_exception", "self e statement parameters cursor context"),
    (SessionTransaction, "_connection_for_bind", "self bind execution_options"),
    (Session, "_identity_lookup", "self mapper primary_key_identity"),
    (Session, "_flush", "self objects"),
    (Session, "_merge", "self state state_dict"),
    (Session, "_bulk_save_mappings", "self mapper mappings"),
    (LAZY_LOADER, "_load_for_state", "self state passive"),
    (loading, "instances", "cursor context"),
    (ChunkedIteratorResult, "__init__", "self cursor_metadata chunks"),
)
"""Private methods, and public ones whose use by SQLAlchemy itself is relied on, with
the parameters they must begin with."""


def check_internals() -> None:
    """Make sure that SQLAlchemy's internals are those that the guard relies on.

    Raises:
        ConfigurationError: they are not; the guard could have no effect.
    """
    wrong = [
        f"{owner.__name__}.{name}"
        for owner, name, expected in _EXPECTED
        if not _begins_with(getattr(owner, name, None), expected.split())
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


def _begins_with(function: Any, expected: Sequence[str]) -> bool:
    if function is None:
        return False
    return list(inspect.signature(function).parameters)[: len(expected)] == list(expected)


HOOKS: Final[list[tuple[Any, Callable[..., Any]]]] = []
"""The classes and modules that were hooked into, and the functions that took a method's place; the
method itself is the function's ``__wrapped__``."""


def hook(owner: Any, function: Callable[..., Any]) -> None:
    setattr(owner, function.__name__, function)
    HOOKS.append((owner, function))
