"""What a declaration changes of a state.

These functions are pure: what they return is put into effect by the registry, which calls one again
if another declaration came first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import MetaData, Table

from ..errors import ConfigurationError
from .declaration import Declaration, Shared, agree, said_by
from .model import ColumnOwnership, table_key, table_label
from .state import State

__all__ = ["Changes", "adding", "declaring", "declaring_apart", "requiring"]

Changes: TypeAlias = Mapping[str, Any] | None
"""The new values of a state's attributes, by their names; ``None`` if there is nothing to do."""


def declaring(state: State, table: Table, declaration: Declaration, *, implied: bool) -> Changes:
    """Return what a declaration of ``table`` changes.

    Args:
        state: what was declared before.
        table: the table.
        declaration: what is said of it.
        implied: whether a mixin or a base says so, which gives way to what the model says.

    Raises:
        ConfigurationError: the table was declared differently.
    """
    key = table_key(table)
    earlier = state.declared.get(key)
    if earlier is not None and earlier.table is table:
        if implied and key not in state.implied:
            return None
        if key in state.implied:
            earlier = None
    if earlier is not None and not agree(earlier, declaration):
        raise ConfigurationError(
            f"{table_label(table)} is declared twice and differently: {said_by(earlier)}, "
            f"and {said_by(declaration)}. A table is either tenant-aware (by one column, "
            "or through one parent, and with the same shared_rows) or shared across "
            "tenants, in every MetaData that has it. If the shared one is in another "
            "database, mark it with shared_across_tenants(in_another_database=True)"
        )
    for each in state.apart:
        if table_key(each) == key:
            _check_apart(each, declaration)
    if isinstance(declaration, Shared):
        declaration = declaration.after(earlier)
    return {
        "declared": {**state.declared, key: declaration},
        "implied": state.implied | {key} if implied else state.implied - {key},
        "metadatas": state.metadatas_with(table.metadata),
    }


def declaring_apart(state: State, table: Table) -> Changes:
    """Return what it changes that ``table`` is a shared one of another database.

    Raises:
        ConfigurationError: it is the one of its name that belongs to tenants.
    """
    if state.is_apart(table):
        return None
    declared = state.declared.get(table_key(table))
    if declared is not None:
        _check_apart(table, declared)
    return {"apart": (*state.apart, table)}


def requiring(state: State, metadata: MetaData) -> Changes:
    """Return what it changes that every table of ``metadata`` has to be declared."""
    if metadata in state.required:
        return None
    return {"required": (*state.required, metadata), "metadatas": state.metadatas_with(metadata)}


def adding(state: State, table: Table, *, counts: bool) -> Changes:
    """Return what a new table changes.

    Args:
        state: what was declared before.
        table: the table.
        counts: whether it may reach tenants' rows although nothing was declared beside it.
    """
    if table.metadata in state.known:
        # What is derived is derived again.
        return {}
    return {"others": state.others_with(table.metadata)} if counts else None


def _check_apart(table: Table, declared: Declaration) -> None:
    """Check that a table of another database is not the one of its name that belongs to tenants.

    Raises:
        ConfigurationError: it has the tenant column, or is of the same ``MetaData``.
    """
    names = {each.name.casefold() for each in table.columns}
    has_column = isinstance(declared, ColumnOwnership) and declared.column.casefold() in names
    if declared.table.metadata is table.metadata or has_column:
        raise ConfigurationError(
            f"{table_label(table)} is declared twice and differently: {said_by(declared)}, and "
            f"{said_by(Shared(table))} in another database. That one is in a MetaData of its own "
            "and has no tenant column"
        )
