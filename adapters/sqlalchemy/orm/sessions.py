"""One tenant a session, and the tenant on objects before any SQL is sent.

A ``Session`` answers from its identity map without SQL, where no compiler can help. So
a session notes whom it serves, and everything that would answer from memory or reach
the database passes :func:`serve` first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import Table, event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import EXT_CONTINUE, InstanceState, Mapper, Session

from tenantshield_mw.context import (
    Bound,
    SystemContext,
    current_binding,
    current_bound,
    describe,
    is_same_scope,
)
from tenantshield_mw.tenant import TenantContext

from ..compiler.parameters import tenant_id_for
from ..errors import CrossTenantAccessError, MissingTenantContextError, ScopeMismatchError
from ..ownership.model import table_label
from ..ownership.registry import registry
from .flush import end_flush, flush_of
from .loaded import distrust
from .mappers import MapperInfo, info_of

__all__ = [
    "LISTENERS",
    "listen",
    "same_scope",
    "serve",
    "serve_lookup",
    "serve_merge",
    "serve_object",
]

# A session notes whom it serves in an attribute of its own. Each query asks for it, and
# Session.info is three times as dear.
_SERVES: Final = "_tenantshield_serves"
setattr(Session, _SERVES, None)


def serve(session: Any) -> None:
    """Make sure that ``session`` serves whoever is bound now.

    A session that served somebody else starts empty. Where it holds work that is not
    flushed yet it cannot, since that would be lost.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
    """
    binding = current_binding()
    if binding is None or binding[0] is None:
        # Nothing of a tenant's can be reached without a scope: statements raise, and so
        # do look-ups, see serve_lookup().
        return
    bound = binding[0]
    serves = session._tenantshield_serves
    if serves is bound:
        return
    if serves is not None and not is_same_scope(serves, bound):
        if session.new or session.dirty or session.deleted:
            raise ScopeMismatchError(
                f"this session holds pending work of {describe(serves)} and is used in "
                f"{describe(bound)}: flush and commit it, or roll it back, in the scope that "
                "it belongs to, or use another session"
            )
        session.expunge_all()
    session._tenantshield_serves = bound


def serve_lookup(session: Any, mapper: Mapper[Any]) -> None:
    """Do the same before ``session`` looks for an object of ``mapper`` in its memory.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
        MissingTenantContextError: it has served a tenant and now none is in scope.
    """
    binding = current_binding()
    if binding is not None and binding[0] is not None:
        if session._tenantshield_serves is not binding[0]:
            serve(session)
    elif session._tenantshield_serves is not None:
        table = mapper.local_table
        if isinstance(table, Table) and registry.ownership_of(table) is not None:
            raise MissingTenantContextError(
                f"{table_label(table)} holds tenants' rows, and no tenant is in scope; wrap the "
                "code in tenant_scope(...)"
            )


def serve_merge(session: Any, state: InstanceState[Any], *, load: bool) -> None:
    """Do the same before ``session`` merges an object.

    Args:
        session: whose memory is looked in first.
        state: the object's.
        load: whether the row is read anew; if not, the object is taken as it is.

    Raises:
        CrossTenantAccessError: the object is another tenant's and would be taken as it is.
        ScopeMismatchError: the session holds pending work of another scope.
        MissingTenantContextError: it has served a tenant and now none is in scope.
    """
    serve_lookup(session, state.mapper)
    if not load:
        _check_tenant(session, state)


def serve_object(state: InstanceState[Any]) -> None:
    """Make sure that an object may load something more in the scope that is bound now.

    Raises:
        ScopeMismatchError: it was loaded in another scope; what it refers to could only
            be looked for under the wrong tenant.
    """
    bound = current_bound()
    session: Any = state.session
    serves = None if session is None else session._tenantshield_serves
    if bound is not None and serves is not None and not is_same_scope(serves, bound):
        raise ScopeMismatchError(
            f"a {state.class_.__name__} that was loaded in {describe(serves)} is to load more "
            f"in {describe(bound)}: load it in the scope that it belongs to"
        )


def same_scope() -> Callable[[], None]:
    """Return a check that the scope is still the one that is bound now.

    What the check raises:
        ScopeMismatchError: another one is bound. Reading on a result may send further
            statements, for relationships, and these would run under the wrong tenant.
    """
    return partial(_check_same, current_bound())


def _check_same(begun: Bound) -> None:
    binding = current_binding()
    if binding is None or binding[0] is begun:
        return
    bound = binding[0]
    if bound is not None and not is_same_scope(begun, bound):
        raise ScopeMismatchError(
            f"a result of {describe(begun)} is read on in {describe(bound)}: read it in "
            "the scope that it belongs to, to the end"
        )


# -- objects ---------------------------------------------------------------------


def before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Put the tenant in scope on a new object, or refuse another one."""
    binding = current_binding()
    bound = None if binding is None else binding[0]
    if registry.is_empty or type(bound) is SystemContext:
        return EXT_CONTINUE
    facts = info_of(mapper)
    values = state.dict
    if facts.is_noted:
        flush = flush_of(connection, state)
        if flush is not None:
            flush.takes(facts, state, values, is_new=True)
    if facts.own is None:
        return EXT_CONTINUE
    rule, attribute = facts.own
    if type(bound) is TenantContext and type(bound.tenant_id) is rule.python_type:
        tenant_id = bound.tenant_id
    else:
        tenant_id = tenant_id_for(rule, "INSERT")
    given = values.get(attribute)
    if given is None:
        # Straight into the object's state: the flush that is under way reads it from
        # there, and a new row has no earlier value that anybody would have to be told.
        values[attribute] = tenant_id
    elif type(given) is not type(tenant_id) or given != tenant_id:
        raise CrossTenantAccessError(
            f"INSERT on {rule.label}: {attribute} of the new object is not the tenant in scope; "
            "leave it out and it is filled in"
        )
    return EXT_CONTINUE


def before_update(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Refuse to update an object that says it is another tenant's."""
    if not registry.is_empty and not _is_system():
        facts = info_of(mapper)
        if facts.references:
            flush = flush_of(connection, state)
            if flush is not None:
                flush.takes(facts, state, state.dict, is_new=False)
        _check_own(facts, state, "UPDATE")
    return EXT_CONTINUE


def before_delete(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Refuse to delete an object that says it is another tenant's."""
    if not registry.is_empty and not _is_system():
        _check_own(info_of(mapper), state, "DELETE")
    return EXT_CONTINUE


def _check_own(facts: MapperInfo, state: InstanceState[Any], operation: str) -> None:
    if facts.own is None:
        return
    rule, attribute = facts.own
    tenant_id = tenant_id_for(rule, operation)
    if attribute in state.committed_state and state.attrs[attribute].history.has_changes():
        raise CrossTenantAccessError(
            f"{operation} on {rule.label}: {attribute} of the object was changed; a row never "
            "changes tenant"
        )
    given = state.dict.get(attribute)
    if given is not None and (type(given) is not type(tenant_id) or given != tenant_id):
        raise CrossTenantAccessError(
            f"{operation} on {rule.label}: {attribute} of the object is not the tenant in scope"
        )


def _is_system() -> bool:
    binding = current_binding()
    return binding is not None and type(binding[0]) is SystemContext


def _after_flush(session: Any, context: Any) -> None:
    # Here already, since what others do in this event may change what was known.
    end_flush(session)


def _before_attach(session: Any, state: InstanceState[Any]) -> None:
    if state.key is not None:
        distrust(session, state)
    bound = current_bound()
    if bound is not None and bound is not session._tenantshield_serves:
        serve(session)
    if state.key is not None:
        _check_tenant(session, state)


def _check_tenant(session: Any, state: InstanceState[Any]) -> None:
    """Refuse an object of another tenant's than the one that ``session`` serves.

    Raises:
        CrossTenantAccessError: its tenant is another one.
    """
    serves = session._tenantshield_serves
    own = info_of(state.mapper).own if isinstance(serves, TenantContext) else None
    if own is not None:
        given = state.dict.get(own[1])
        if given is not None and given != serves.tenant_id:
            raise CrossTenantAccessError(
                f"an object of {own[0].label} that was loaded for another tenant is added "
                "to a session of this one's; load it anew"
            )


# Raw listeners get the state itself; those with a return value are called without a
# wrapper. Both are for speed: they are called for each object.
LISTENERS: Final[tuple[tuple[Any, str, Callable[..., Any], dict[str, bool]], ...]] = (
    (Session, "after_flush", _after_flush, {}),
    (Session, "before_attach", _before_attach, {"raw": True}),
    (Mapper, "before_insert", before_insert, {"raw": True, "retval": True}),
    (Mapper, "before_update", before_update, {"raw": True, "retval": True}),
    (Mapper, "before_delete", before_delete, {"raw": True, "retval": True}),
)
"""What is listened to on all sessions and mappers of the process."""


def listen() -> None:
    """Set the listeners."""
    for target, name, function, options in LISTENERS:
        event.listen(target, name, function, **options)
