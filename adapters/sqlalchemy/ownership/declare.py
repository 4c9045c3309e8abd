"""The declarations: which tables hold tenants' rows, and how.

Each stands next to a model or a ``Table`` and takes effect at once, for every engine of
the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar, overload

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import registry as orm_registry
from sqlalchemy.sql.elements import Null

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..snapshots import mappers_of
from .registry import registry

__all__ = ["mapper_constructed", "require_declared", "shared_across_tenants", "tenant_aware"]

T = TypeVar("T")

DEFAULT_COLUMN: Final = "tenant_id"

_MARKING: Final = "__tenantshield_marking__"


@overload
def tenant_aware(target: T, /) -> T: ...
@overload
def tenant_aware(
    target: None = None,
    /,
    *,
    column: str = ...,
    through: str | None = ...,
    check_references: bool = ...,
    shared_rows: Null | TenantId | None = ...,
) -> Callable[[T], T]: ...
@overload
def tenant_aware(
    target: T,
    /,
    *,
    column: str = ...,
    through: str | None = ...,
    check_references: bool = ...,
    shared_rows: Null | TenantId | None = ...,
) -> T: ...
def tenant_aware(
    target: Any = None,
    /,
    *,
    column: str = DEFAULT_COLUMN,
    through: str | None = None,
    check_references: bool = True,
    shared_rows: Null | TenantId | None = None,
) -> Any:
    """Mark a model, a mixin or a Core ``Table`` whose rows belong to tenants.

    ::

        @tenant_aware
        class Invoice(Base): ...

        @tenant_aware(column="org_id")
        class Customer(Base): ...

        @tenant_aware(through="invoice")
        class InvoiceLine(Base): ...

        @tenant_aware(shared_rows=null())
        class Template(Base): ...

        tenant_aware(notes_table)

    A base covers its subclasses: in single-table and joined inheritance through its table,
    in concrete inheritance by their own column. On a mixin or an abstract base, the mark
    applies to every model that derives from it and is not marked otherwise itself.

    Args:
        target: a mapped class, a mixin, an abstract base or a ``Table``.
        column: the name of the column that holds the tenant's identifier: a ``String``,
            an ``Integer`` or a ``Uuid``.
        through: where the table has no tenant column, the name of the tenant-aware table
            that one of its foreign keys refers to.
        check_references: whether foreign keys of this table that refer to tenant-aware
            tables are looked up before they are written. Those through which its rows
            belong to a tenant are always looked up.
        shared_rows: what the tenant column holds in the rows that every tenant reads and refers
            to, and that only a system scope writes: :func:`sqlalchemy.null`, or a value that is
            no tenant's identifier. ``None`` if there are no such rows. A row that a system scope
            writes without a tenant is one of them if this is ``null()``.

    Returns:
        ``target``, or a decorator if it was left out.

    Raises:
        ConfigurationError: there is no such column or foreign key, the column has another
            type, or the table was declared differently before; or the column cannot hold
            ``shared_rows``.
    """
    marking = _Marking(column, through, check_references, shared_rows)
    if target is None:
        return lambda each: _mark(each, marking)
    return _mark(target, marking)


class _Marking(NamedTuple):
    column: str
    through: str | None
    check_references: bool
    shared_rows: Null | TenantId | None


def _mark(target: Any, marking: _Marking) -> Any:
    column, through, _, shared_rows = marking
    if through is not None and column != DEFAULT_COLUMN:
        raise ConfigurationError(
            "tenant_aware() takes a column or a parent, not both: a row that has its own "
            "tenant column does not need through="
        )
    if through is not None and shared_rows is not None:
        raise ConfigurationError(
            "tenant_aware() takes shared_rows for a table with a tenant column: a row of a table "
            "that is declared through a parent is shared if its parent is"
        )
    table = _table_of(target)
    if table is not None:
        _declare(table, marking)
    if isinstance(target, type):
        setattr(target, _MARKING, marking)
        for each in _subclasses(target):
            # A subclass that was mapped before its base was marked.
            if "__mapper__" in vars(each):
                mapper_constructed(each.__mapper__, each)
    elif table is None:
        raise ConfigurationError(
            f"tenant_aware() marks a class or a Table, not a {type(target).__name__}"
        )
    return target


def _subclasses(class_: type[Any]) -> Iterator[type[Any]]:
    for each in class_.__subclasses__():
        yield each
        yield from _subclasses(each)


def _declare(table: Table, marking: _Marking, *, implied: bool = False) -> None:
    if marking.through is None:
        registry.declare_column(table, marking.column, marking.shared_rows, implied=implied)
    else:
        registry.declare_through(table, marking.through, implied=implied)
    if not marking.check_references:
        registry.leave_references_unchecked(table)


def _table_of(target: Any) -> Table | None:
    if isinstance(target, Table):
        return target
    table = getattr(target, "__table__", None) if isinstance(target, type) else None
    return table if isinstance(table, Table) else None


def mapper_constructed(mapper: Mapper[Any], class_: type[Any]) -> None:
    """Declare the table of a class whose base or mixin is marked."""
    marked = getattr(class_, _MARKING, None)
    if marked is None or not isinstance(mapper.local_table, Table):
        return
    if mapper.inherits is not None and not mapper.concrete:
        # Single-table: it has the base's table. Joined: its own is tied by the foreign key.
        return
    if not registry.says_shared(mapper.local_table):
        _declare(mapper.local_table, marked, implied=_MARKING not in vars(class_))


@overload
def shared_across_tenants(target: T, /, *, in_another_database: bool = ...) -> T: ...
@overload
def shared_across_tenants(
    target: None = None, /, *, in_another_database: bool = ...
) -> Callable[[T], T]: ...
def shared_across_tenants(target: Any = None, /, *, in_another_database: bool = False) -> Any:
    """Mark a model or a ``Table`` that is the same for all tenants, on purpose.

    Args:
        target: a mapped class or a ``Table``.
        in_another_database: whether it may have the name of a tenant-aware table, since it is in
            another database, with an engine and a ``MetaData`` of its own. Only this very
            ``Table`` is shared then; any other of that name is the tenant-aware one.

    Returns:
        ``target``, or a decorator if it was left out.

    Raises:
        ConfigurationError: ``target`` is neither; or the table was declared tenant-aware, also if
            that was in another ``MetaData``; or it is said to be in another database and has the
            tenant column.
    """
    if target is None:
        return partial(shared_across_tenants, in_another_database=in_another_database)
    table = _table_of(target)
    if table is None:
        raise ConfigurationError(
            "shared_across_tenants() marks a mapped class or a Table, not a "
            f"{type(target).__name__ if not isinstance(target, type) else target.__name__}"
        )
    if in_another_database:
        registry.declare_apart(table)
    else:
        registry.declare_shared(table)
    return target


def require_declared(target: Any) -> None:
    """Require every table to be declared: tenant-aware, tied to such a table, or shared.

    This is checked whenever mappers are configured, so that a forgotten model is an error
    at start-up and not a leak. While there is an undeclared table, no statement is executed: not in
    another thread either, while a class is defined and its decorator has not been called yet. So
    define all models before the application serves.

    Args:
        target: a declarative base, a ``MetaData``, or an object with one in ``metadata``, such as
            Flask-SQLAlchemy's ``db``.

    Raises:
        ConfigurationError: ``target`` is none of these, or its mappers are configured already
            and a table is undeclared. Mappers that are configured later raise it too. The
            message lists the tables.
    """
    metadata = target if isinstance(target, MetaData) else getattr(target, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            "require_declared() takes a declarative base or a MetaData, not a "
            f"{type(target).__name__}"
        )
    registry.require(metadata)
    mapped = getattr(target, "registry", None)
    # Flask-SQLAlchemy's db has SQLAlchemy's class of that name.
    mappers = mappers_of(mapped) if isinstance(mapped, orm_registry) else ()
    if mappers and all(mapper.configured for mapper in mappers):
        # They will not be configured again, so check now.
        registry.check_required()
