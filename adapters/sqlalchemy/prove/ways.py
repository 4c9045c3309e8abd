"""The generic ways: what can be tried on any table to reach another tenant's rows.

Each is a function of a :class:`~.target.Target`. What a read returns is searched for the other
tenant's values; after a write, the contents of the database are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import (
    ForeignKeyConstraint,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from .target import NotApplicableError, Target

__all__ = ["Way", "ways_for"]

Run: TypeAlias = Callable[[Target], Any]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        name: what it is, in SQLAlchemy's words.
        kind: what it tries.
        run: tries it.
        is_open: whether only the policies of the database close it.
    """

    name: str
    kind: Literal["read", "write"]
    run: Run
    is_open: bool = False


def _execute(t: Target, statement: Any) -> Any:
    return t.connection.execute(statement)


def _if_any(t: Target, found: Any) -> Any:
    return t.key_of(t.theirs) if found else ()


def _name(t: Target) -> str:
    return t.connection.dialect.identifier_preparer.format_table(t.table)


def _cross_join(t: Target) -> Any:
    left, right = t.table.alias(), t.table.alias()
    return _execute(t, select(left, right).join_from(left, right, true())).all()


def _outer_join(t: Target) -> Any:
    left, right = t.table.alias(), t.table.alias()
    return _execute(t, select(right).join_from(left, right, true(), isouter=True)).all()


def _count(t: Target) -> Any:
    counted = select(func.count()).select_from(t.table).where(t.is_row(t.theirs))
    return _if_any(t, _execute(t, counted).scalar_one())


def _scalar(t: Target) -> Any:
    column = next(iter(t.table.c))
    subquery = select(column).where(t.is_row(t.theirs)).limit(1).scalar_subquery()
    return [_execute(t, select(subquery)).scalar()]


def _cursor(t: Target) -> Any:
    # So that policies know the scope; a cursor does not tell it.
    t.connection.exec_driver_sql("SELECT 1")
    cursor = t.connection.connection.cursor()
    cursor.execute(f"SELECT * FROM {_name(t)}")
    return cursor.fetchall()


def _key(t: Target) -> dict[str, Any]:
    return {column.key: t.theirs[column.key] for column in t.table.primary_key}


def _refresh(t: Target) -> Any:
    made = t.detached(t.theirs)
    t.session.add(made)
    t.session.refresh(made)
    return t.values_of([made])


_READS: Final[dict[str, Run]] = {
    "select()": lambda t: _execute(t, select(t.table)).all(),
    "select().where(their key)": lambda t: _execute(
        t, select(t.table).where(t.is_row(t.theirs))
    ).all(),
    "select().where(or_(..., true()))": lambda t: _execute(
        t, select(t.table).where(or_(t.is_row(t.theirs), true()))
    ).all(),
    "alias()": lambda t: _execute(t, select(t.table.alias())).all(),
    "subquery()": lambda t: _execute(t, select(select(t.table).subquery())).all(),
    "cte()": lambda t: _execute(t, select(select(t.table).cte())).all(),
    "union_all()": lambda t: _execute(t, union_all(select(t.table), select(t.table))).all(),
    "join(true())": _cross_join,
    "outerjoin(true())": _outer_join,
    "scalar_subquery()": _scalar,
    "exists()": lambda t: _if_any(
        t, _execute(t, select(exists().where(t.is_row(t.theirs)))).scalar()
    ),
    "count()": _count,
    "text(SELECT)": lambda t: _execute(t, text(f"SELECT * FROM {_name(t)}")).all(),
    "exec_driver_sql(SELECT)": lambda t: t.connection.exec_driver_sql(
        f"SELECT * FROM {_name(t)}"
    ).all(),
    "Session.get()": lambda t: t.values_of([t.session.get(t.model, t.key_of(t.theirs))]),
    "Session.scalars(select(Model))": lambda t: t.values_of(
        t.session.scalars(select(t.model)).unique()
    ),
    "select(aliased(Model))": lambda t: t.values_of(
        t.session.scalars(select(aliased(t.model))).unique()
    ),
    "Query.all()": lambda t: t.values_of(t.session.query(t.model).all()),
    "Session.merge()": lambda t: t.values_of([t.session.merge(t.object(_key(t)))]),
    "Session.refresh()": _refresh,
}


def _upsert(t: Target) -> None:
    module = {"sqlite": "sqlite", "postgresql": "postgresql"}.get(t.connection.dialect.name)
    if module is None:
        raise NotApplicableError
    if module == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as inserted
    else:
        from sqlalchemy.dialects.postgresql import insert as inserted  # type: ignore[assignment]
    row = {**t.new(), **_key(t)}
    _execute(
        t,
        inserted(t.table)
        .values(row)
        .on_conflict_do_update(index_elements=[*t.table.primary_key], set_=t.changed()),
    )


def _flush_deleted(t: Target) -> None:
    made = t.detached(t.theirs)
    t.session.add(made)
    t.session.delete(made)
    t.session.flush()


def _merge_changed(t: Target) -> None:
    t.session.merge(t.object({**t.new(), **_key(t)}))
    try:
        t.session.flush()
    except IntegrityError:
        # It was not found, so it was to be inserted, under a key that is taken.
        t.session.rollback()


def _add(t: Target, row: dict[str, Any]) -> None:
    t.session.add(t.object(row))
    t.session.flush()


def _with_their_tenant(t: Target) -> dict[str, Any]:
    return {**t.new(), t.tenant_column.key: t.theirs[t.tenant_column.key]}


def _query_update(t: Target) -> None:
    values: dict[Any, Any] = {**t.attributes(t.changed())}
    found = t.session.query(t.model).filter(t.is_row(t.theirs))
    found.update(values, synchronize_session=False)


def _bulk_update(t: Target) -> None:
    t.session.bulk_update_mappings(t.model, [t.attributes({**_key(t), **t.changed()})])


_WRITES: Final[dict[str, Run]] = {
    "update().where(their key)": lambda t: _execute(
        t, update(t.table).where(t.is_row(t.theirs)).values(t.changed())
    ),
    "update()": lambda t: _execute(t, update(t.table).values(t.changed())),
    "update(their tenant)": lambda t: _execute(
        t,
        update(t.table)
        .where(t.is_row(t.mine))
        .values({t.tenant_column.key: t.theirs[t.tenant_column.key]}),
    ),
    "delete().where(their key)": lambda t: _execute(t, delete(t.table).where(t.is_row(t.theirs))),
    "delete()": lambda t: _execute(t, delete(t.table)),
    "insert(their tenant)": lambda t: _execute(t, insert(t.table).values(_with_their_tenant(t))),
    "on_conflict_do_update(their key)": _upsert,
    "text(DELETE)": lambda t: _execute(t, text(f"DELETE FROM {_name(t)}")),
    "exec_driver_sql(DELETE)": lambda t: t.connection.exec_driver_sql(f"DELETE FROM {_name(t)}"),
    "Session.add(their tenant)": lambda t: _add(t, _with_their_tenant(t)),
    "Session.delete(detached)": _flush_deleted,
    "Session.merge(changed)": _merge_changed,
    "Query.update()": _query_update,
    "Query.delete()": lambda t: (
        t.session.query(t.model).filter(t.is_row(t.theirs)).delete(synchronize_session=False)
    ),
    "bulk_update_mappings()": _bulk_update,
    "bulk_insert_mappings(their tenant)": lambda t: t.session.bulk_insert_mappings(
        t.model, [t.attributes(_with_their_tenant(t))]
    ),
}


def ways_for(references: list[ForeignKeyConstraint]) -> Iterator[Way]:
    """Yield the ways, with those of each foreign key."""
    for name, run in _READS.items():
        yield Way(name, "read", run)
    for name, run in _WRITES.items():
        yield Way(name, "write", run)
    for constraint in references:
        yield from _by_reference(constraint)
    yield Way("cursor.execute(SELECT)", "read", _cursor, is_open=True)


def _by_reference(constraint: ForeignKeyConstraint) -> Iterator[Way]:
    names = ", ".join(constraint.column_keys)

    def inserted(t: Target) -> None:
        _execute(t, insert(t.table).values({**t.new(), **t.to_theirs(constraint)}))

    def updated(t: Target) -> None:
        own = update(t.table).where(t.is_row(t.mine))
        _execute(t, own.values(t.to_theirs(constraint)))

    def added(t: Target) -> None:
        _add(t, {**t.new(), **t.to_theirs(constraint)})

    yield Way(f"insert({names} of theirs)", "write", inserted)
    yield Way(f"update({names} of theirs)", "write", updated)
    yield Way(f"Session.add({names} of theirs)", "write", added)
