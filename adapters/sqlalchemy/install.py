"""Set the listeners and hooks that put statements under the guard, once.

They are set on SQLAlchemy's classes when the adapter is imported, and so hold for every
engine and session of the process, sync and async.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table, event
from sqlalchemy.orm import Mapper

from .execution.hooks import hook_connections, hook_executions, hook_schemas, hook_writes
from .execution.violations import hook_errors
from .internals import HOOKS
from .orm.hooks import hook_sessions
from .orm.objects import listen
from .ownership.declare import mapper_constructed
from .ownership.derivation import is_finished
from .ownership.foreign_key import add_wanted_unique_constraints
from .ownership.registry import registry

__all__ = ["install"]


def install() -> None:
    """Set the listeners and hooks; a second call does nothing."""
    if HOOKS:
        return
    event.listen(Table, "after_parent_attach", after_parent_attach)
    event.listen(Column, "after_parent_attach", part_attached)
    event.listen(ForeignKeyConstraint, "after_parent_attach", part_attached)
    event.listen(Mapper, "after_mapper_constructed", mapper_constructed)
    event.listen(Mapper, "before_configured", registry.check_required)
    listen()
    hook_sessions()
    hook_connections()
    hook_executions()
    hook_writes()
    hook_schemas()
    hook_errors()


def after_parent_attach(table: Table, parent: MetaData) -> None:
    """Tell the registry of a table that was defined after the declarations."""
    registry.table_added(table)
    add_wanted_unique_constraints(table)


def part_attached(part: Column[Any] | ForeignKeyConstraint, table: Table) -> None:
    """Tell the registry of a column or a foreign key that was added to a table.

    It may be added, or replace another, long after the ownership was derived from the
    earlier ones. A table under construction is reported by ``after_parent_attach`` as well.
    """
    if is_finished(table):
        registry.table_added(table)
