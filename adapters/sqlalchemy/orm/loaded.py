"""Which objects of a session were read from their tables, or inserted, in this transaction.

Only these prove that a foreign key that refers to them refers to one of the tenant's rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import InstanceState, Mapper, Session, context
from sqlalchemy.orm.attributes import instance_state

from tenantshield_mw.context import current_bound
from tenantshield_mw.tenant import TenantContext

from ..compiler.joins import base_table
from ..transactions import drivers_own, moment_of
from .mappers import info_of

__all__ = [
    "commits_each",
    "distrust",
    "is_strange",
    "note_inserted",
    "note_load",
    "was_loaded_here",
]

# private: the ORM's side of a compiled SELECT; renamed with an underscore in 2.1.
_Selected: Final[Any] = getattr(
    context, "_ORMSelectCompileState", getattr(context, "ORMSelectCompileState", None)
)

MOST_LOADS: Final = 1_000
"""How many queries and new objects a session remembers; older keys are looked up again."""

_LOADS: Final = "_tenantshield_loads"
setattr(Session, _LOADS, None)


@dataclass(slots=True)
class Loads:
    """The queries and flushes of one transaction whose objects are rows of their tables.

    Attributes:
        transaction: the session's transaction.
        runs: the connection of each query, which may be to another database, with the moment in
            its transaction, by SQLAlchemy's run id of the query.
        inserted: the same for each new object that was written.
    """

    transaction: Any
    runs: dict[int, Any] = field(default_factory=dict)
    inserted: dict[InstanceState[Any], Any] = field(default_factory=dict)


def note_load(cursor: Any, query: Any) -> None:
    """Note a query if its objects must be rows of their table.

    Args:
        cursor: SQLAlchemy's result, whose rows are about to become objects.
        query: the ORM's context of the query.
    """
    session = query.session
    if _is_strange(query.compile_state):
        _note_strange(session, query.runid)
    if not _is_ordinary(cursor, query.compile_state):
        return
    loads = _loads(session)
    if len(loads.runs) >= MOST_LOADS:
        loads.runs.clear()
    loads.runs[query.runid] = moment_of(cursor.context.root_connection)


def note_inserted(session: Any, connection: Any, states: list[InstanceState[Any]]) -> None:
    """Note the new objects of a flush whose rows were inserted over ``connection``."""
    if states:
        loads = _loads(session)
        if len(loads.inserted) + len(states) > MOST_LOADS:
            loads.inserted.clear()
        loads.inserted.update(dict.fromkeys(states[:MOST_LOADS], moment_of(connection)))


def _loads(session: Any) -> Loads:
    transaction = _transaction(session)
    loads: Loads | None = session._tenantshield_loads
    if loads is None or loads.transaction is not transaction:
        loads = session._tenantshield_loads = Loads(transaction)
    return loads


_STRANGE: Final = "_tenantshield_strange"
setattr(Session, _STRANGE, None)


def _note_strange(session: Any, runid: int) -> None:
    strange = session._tenantshield_strange
    if strange is None:
        strange = session._tenantshield_strange = set()
    elif len(strange) >= MOST_LOADS:
        strange.intersection_update(each.runid for each in session.identity_map.all_states())
    strange.add(runid)


def _is_strange(compiled: Any) -> bool:
    """Return whether a query may fill objects with other values than those of their table.

    An object of a shared table may so have values that were computed from a tenant's rows.
    """
    if type(compiled) is not _Selected:
        return True
    for entity in compiled._entities:
        mapper = getattr(entity, "mapper", None)
        selectable = getattr(entity, "selectable", None)
        if mapper is None or selectable is None or selectable is mapper.local_table:
            continue
        if base_table(selectable) not in mapper.tables:
            return True
    return False


def is_strange(session: Any, state: InstanceState[Any]) -> bool:
    """Return whether an object was last filled by such a query."""
    strange: set[int] | None = session._tenantshield_strange
    return strange is not None and state.runid in strange


def distrust(session: Any, state: InstanceState[Any]) -> None:
    """Note that an object enters ``session`` without having been loaded."""
    loads = session._tenantshield_loads
    if loads is not None:
        # The whole query, since an object keeps its run id whatever happens to it.
        loads.runs.pop(state.runid, None)
        loads.inserted.pop(state, None)


def _transaction(session: Session) -> Any:
    # The savepoint's own, since rows that were read in it may be undone with it.
    return session.get_nested_transaction() or session.get_transaction()


def _is_ordinary(cursor: Any, compiled: Any) -> bool:
    """Return whether a query loads one mapper from its own table, in the ordinary way.

    An alias, a ``from_statement()``, an option or a CTE of the table's name may put any
    value in the place of a primary key; a ``schema_translate_map``, those of another schema.
    """
    if type(compiled) is not _Selected or len(compiled._entities) != 1:
        return False
    (entity,) = compiled._entities
    statement = compiled.select_statement
    if compiled.eager_joins or statement._with_options or statement._memoized_select_entities:
        return False
    mapper = getattr(entity, "entity_zero", None)
    return (
        isinstance(mapper, Mapper)
        and info_of(mapper).is_referred_to
        # An entity that is a single column has no selectable.
        and getattr(entity, "selectable", None) is mapper.local_table
        and not cursor.context.compiled.ctes
        and not cursor.context.execution_options.get("schema_translate_map")
    )


def commits_each(connection: Any) -> bool:
    """Return whether each statement over ``connection`` is a transaction of its own."""
    # private: what SQLAlchemy was told. The driver may have been told on its own.
    if connection._is_autocommit_isolation():
        return True
    own = drivers_own(connection.connection)
    if getattr(own, "autocommit", None) is True:
        return True
    get_autocommit = getattr(own, "get_autocommit", None)
    if get_autocommit is not None:
        return bool(get_autocommit())
    # SQLite: without a BEGIN of the driver's, somebody else may have sent one.
    return getattr(own, "isolation_level", "") is None and not getattr(own, "in_transaction", True)


def was_loaded_here(session: Any, connection: Any, mapper: Mapper[Any], instance: Any) -> bool:
    """Return whether ``instance`` was read, or inserted, in this transaction over ``connection``,
    and belongs to the tenant in scope.

    Its presence in the identity map proves nothing: an object can be put there by hand,
    with any primary key, or remain there from an earlier transaction after its row was
    deleted and the key was given to another tenant's row.
    """
    bound = current_bound()
    own = info_of(mapper).own
    loads: Loads | None = session._tenantshield_loads
    if not isinstance(bound, TenantContext) or own is None or loads is None:
        return False
    attribute = own[1]
    state: Any = instance_state(instance)
    tenant_id = state.dict.get(attribute)
    return (
        loads.transaction is _transaction(session)
        # A row may be gone by now.
        and not commits_each(connection)
        # private: the query that made the object from a row.
        and moment_of(connection) in (loads.runs.get(state.runid), loads.inserted.get(state))
        and attribute not in state.committed_state
        and own[0].is_same_tenant(tenant_id, bound.tenant_id)
    )
