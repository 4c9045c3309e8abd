"""The tenant on objects, before any SQL is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from sqlalchemy import event, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import EXT_CONTINUE, InstanceState, Mapper, Session

from tenantshield_mw.context import Bound, SystemContext, current_bound
from tenantshield_mw.tenant import TenantContext, TenantId

from ..compiler.parameters import tenant_id_for
from ..errors import CrossTenantAccessError
from ..ownership.model import ColumnOwnership
from ..ownership.registry import registry
from .agreement import check_agreement, note_written
from .flush import end_flush, flush_of
from .loaded import distrust
from .mappers import MapperInfo, info_of
from .moving import (
    come_back,
    forget_computed,
    forget_scope,
    has_left,
    is_unknown,
    is_unseen,
    read_again,
)
from .sessions import after_undoing, refuse_object_of_other_tenant, serve

__all__ = ["LISTENERS", "listen"]


def before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Set the tenant in scope on a new object, or refuse another tenant."""
    bound = current_bound()
    if registry.is_empty:
        return EXT_CONTINUE
    if type(bound) is SystemContext:
        note_written(mapper, connection, state, is_new=True)
        return EXT_CONTINUE
    info = info_of(mapper)
    values = state.dict
    if info.is_noted:
        flush = flush_of(connection, state)
        if flush is not None:
            flush.note(info, state, values, is_new=True)
    if info.own is None:
        return EXT_CONTINUE
    ownership, attribute = info.own
    _fill_in(ownership, attribute, values, bound)
    for ownership, attribute in info.further:
        _fill_in(ownership, attribute, values, bound)
    return EXT_CONTINUE


def _fill_in(
    ownership: ColumnOwnership, attribute: str, values: dict[str, Any], bound: Bound
) -> None:
    """Set the tenant in scope on a new object, unless it has it.

    Raises:
        CrossTenantAccessError: it has another one.
    """
    if (
        type(bound) is TenantContext
        and type(bound.tenant_id) is ownership.python_type
        and ownership.accepts is None
    ):
        tenant_id = bound.tenant_id
    else:
        tenant_id = tenant_id_for(ownership, "INSERT")
    given = values.get(attribute)
    if given is None:
        # Written to the object's state without an event: the current flush reads it from
        # there, and a new row has no earlier value to record.
        values[attribute] = tenant_id
    elif type(given) is type(tenant_id) and given == tenant_id:
        pass
    elif ownership.is_same_tenant(given, tenant_id):
        # The column's type returns another type than it takes from the scope.
        values[attribute] = tenant_id
    else:
        raise CrossTenantAccessError(
            f"INSERT on {ownership.label}: {attribute} of the new object is not the tenant in "
            "scope; leave it out and it is filled in"
        )


def before_update(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Refuse to update an object whose tenant is not the one in scope."""
    if _is_system():
        forget_scope(state)
        if not registry.is_empty:
            note_written(mapper, connection, state, is_new=False)
    elif not registry.is_empty:
        info = info_of(mapper)
        if info.references:
            flush = flush_of(connection, state)
            if flush is not None:
                flush.note(info, state, state.dict, is_new=False)
        if _is_written(info, state):
            _check_own(info, state, "UPDATE", connection)
    return EXT_CONTINUE


def before_delete(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Refuse to delete an object whose tenant is not the one in scope."""
    if not registry.is_empty and not _is_system():
        if is_unseen(state):
            # A DELETE that finds no row would only be a warning; this raises.
            cast("Session", state.session).refresh(state.obj())
        _check_own(info_of(mapper), state, "DELETE", connection)
    return EXT_CONTINUE


def _is_written(info: MapperInfo, state: InstanceState[Any]) -> bool:
    """Return whether a flush could send an UPDATE of an object.

    A shared row is flushed without one if it was only put into a collection, or got new ones.
    """
    if info.own is None or info.own[0].shared_rows is None:
        return True
    return cast("Session", state.session).is_modified(state.obj(), include_collections=False)


def _check_own(
    info: MapperInfo, state: InstanceState[Any], operation: str, connection: Connection
) -> None:
    if info.own is None:
        return
    for ownership, attribute in (info.own, *info.further):
        _check_column(ownership, attribute, state, operation, connection)


def _check_column(
    ownership: ColumnOwnership,
    attribute: str,
    state: InstanceState[Any],
    operation: str,
    connection: Connection,
) -> None:
    tenant_id = tenant_id_for(ownership, operation)
    if ownership.shared_rows is not None:
        _refuse_shared(ownership, attribute, state, operation, connection)
    given = state.dict.get(attribute)
    if attribute in state.committed_state and not _is_set_to_itself(
        ownership, attribute, state, tenant_id
    ):
        raise CrossTenantAccessError(
            f"{operation} on {ownership.label}: {attribute} of the object was changed; a row never "
            "changes tenant"
        )
    if given is not None and not ownership.is_same_tenant(given, tenant_id):
        raise CrossTenantAccessError(
            f"{operation} on {ownership.label}: {attribute} of the object is not the tenant in "
            "scope"
        )


def _refuse_shared(
    ownership: ColumnOwnership,
    attribute: str,
    state: InstanceState[Any],
    operation: str,
    connection: Connection,
) -> None:
    """Refuse to write an object that is a row which every tenant reads."""
    if ownership.is_shared(_tenant_before(attribute, state, connection)):
        raise CrossTenantAccessError(
            f"{operation} on {ownership.label}: the object is a row that every tenant reads, and "
            'no tenant writes; change it inside system_scope("why")'
        )


def _tenant_before(attribute: str, state: InstanceState[Any], connection: Connection) -> Any:
    """Return the tenant that the row of an object has, not the one that it was set to."""
    if attribute not in state.dict:
        # The statement itself would find no row of the tenant's own, which says less.
        return getattr(state.obj(), attribute)
    history = state.attrs[attribute].history
    if not history.added:
        return state.dict[attribute]
    if history.deleted:
        return history.deleted[0]
    mapper = state.mapper
    of_row = zip(mapper.primary_key, cast("Any", state.key)[1], strict=True)
    column = mapper.columns[attribute]
    query = select(column).select_from(mapper.persist_selectable)
    return connection.scalar(query.where(*(each == value for each, value in of_row)))


def _is_set_to_itself(
    ownership: ColumnOwnership, attribute: str, state: InstanceState[Any], tenant_id: TenantId
) -> bool:
    """Return whether the tenant attribute was set to the tenant that the row has.

    If so the change is forgotten, so that the tenant is not part of the UPDATE.
    """
    history = state.attrs[attribute].history
    if history.has_changes():
        (before,) = history.deleted or (None,)
        if not ownership.is_same_tenant(state.dict.get(attribute), tenant_id):
            return False
        # Nothing was loaded before of an expired or deferred attribute: the row is the
        # tenant's all the same, since the UPDATE is confined to its rows.
        if history.deleted and not ownership.is_same_tenant(before, tenant_id):
            return False
        state.committed_state.pop(attribute, None)
    return True


def _is_system() -> bool:
    return type(current_bound()) is SystemContext


def _after_flush(session: Any, context: Any) -> None:
    # Here already, since other listeners of this event may change what was known.
    end_flush(session)
    check_agreement(session)


def _after_soft_rollback(session: Any, transaction: Any) -> None:
    after_undoing(session)


def _before_attach(session: Any, state: InstanceState[Any]) -> None:
    if state.key is not None:
        distrust(session, state)
    bound = current_bound()
    if bound is not None and bound is not session._tenantshield_serves:
        serve(session)
    if state.key is not None:
        refuse_object_of_other_tenant(session, state)


def _detached_to_persistent(session: Any, state: InstanceState[Any]) -> None:
    # Changes that it had when it left may have been rolled back.
    if has_left(state) or is_unknown(state, session._tenantshield_serves):
        come_back(state)
        read_again(session, state)
    elif not info_of(state.mapper).is_owned:
        # From a cache, perhaps, and loaded in another scope.
        forget_computed(session, state, relationships=True)


# Raw listeners get the state itself, and those with a return value are called without a
# wrapper. Both are for speed, since they are called for each object.
LISTENERS: Final[tuple[tuple[Any, str, Callable[..., Any], dict[str, bool]], ...]] = (
    (Session, "after_flush", _after_flush, {}),
    (Session, "before_attach", _before_attach, {"raw": True}),
    (Session, "detached_to_persistent", _detached_to_persistent, {"raw": True}),
    (Session, "after_soft_rollback", _after_soft_rollback, {}),
    (Mapper, "before_insert", before_insert, {"raw": True, "retval": True}),
    (Mapper, "before_update", before_update, {"raw": True, "retval": True}),
    (Mapper, "before_delete", before_delete, {"raw": True, "retval": True}),
)
"""The listeners on all sessions and mappers of the process."""


def listen() -> None:
    """Set the listeners."""
    for target, name, function, options in LISTENERS:
        event.listen(target, name, function, **options)
