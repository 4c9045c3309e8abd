"""One tenant per session.

A ``Session`` answers from its identity map without SQL, which the compiler cannot confine.
So each session notes the scope that it serves, and everything that answers from memory or
reaches the database calls :func:`serve` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.attributes import instance_state

from tenantshield_mw.context import (
    Bound,
    SystemContext,
    current_binding,
    current_bound,
    is_same_scope,
)
from tenantshield_mw.messages import describe
from tenantshield_mw.tenant import TenantContext

from ..errors import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
)
from ..ownership.model import table_label
from ..ownership.registry import registry
from ..raw_sql.checks import REVIEWED
from .mappers import info_of
from .moving import belongs, has_left, is_unknown, move
from .placed import is_elsewhere

__all__ = [
    "after_undoing",
    "flush_scope",
    "refuse_moved",
    "refuse_object_of_other_tenant",
    "refuse_review_of_all",
    "same_scope",
    "serve",
    "serve_lookup",
    "serve_merge",
    "serve_object",
]

# The scope that a session serves is an attribute of its own, since each query reads it and
# Session.info is three times as expensive.
_SERVES: Final = "_tenantshield_serves"
setattr(Session, _SERVES, None)

# Whether the session was emptied after a savepoint began. Undoing the savepoint would bring
# back what was deleted in it, in the former scope.
_EMPTIED: Final = "_tenantshield_emptied"
setattr(Session, _EMPTIED, False)


def refuse_review_of_all(session: Any) -> None:
    """Raise if all that the session executes is marked as reviewed.

    Since 2.1, a session has execution options, which reach a statement as those of the call.

    Raises:
        ConfigurationError: it is.
    """
    if (options := getattr(session, "execution_options", None)) and options.get(REVIEWED):
        raise ConfigurationError(
            f"this session has the execution option {REVIEWED}, which would let all of its raw SQL "
            "through: leave it out, and give it to each statement that was reviewed"
        )


def serve(session: Any) -> None:
    """Make ``session`` serve the current scope.

    A session that served another scope keeps only what belongs to this one, see ``moving.py``.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
    """
    binding = current_binding()
    bound = None if binding is None else binding[0]
    serves = session._tenantshield_serves
    if serves is bound:
        return
    elsewhere = is_elsewhere(session, serves, bound)
    if bound is None and not elsewhere:
        # No tenant's rows can be reached without a scope: statements raise, and so do
        # look-ups, see serve_lookup().
        return
    # Something may have been added before any scope.
    is_used = serves is not None or session.identity_map
    if is_used and (elsewhere or not is_same_scope(serves, bound)):
        # What is new without a scope belongs to the scope that flushes it.
        pending = (each for each in _pending(session) if serves is not None or each.key is not None)
        if any(elsewhere or not belongs(each, bound) for each in pending):
            raise ScopeMismatchError(
                f"this session holds pending work of {describe(serves)} and is used in "
                f"{describe(bound, serves)}: flush and commit it, or roll it back, in the scope "
                "that it belongs to, or use another session"
            )
        move(session, serves, bound, elsewhere=elsewhere)
        session._tenantshield_emptied = session.in_nested_transaction()
    session._tenantshield_serves = bound


def _pending(session: Any) -> Iterator[InstanceState[Any]]:
    return map(instance_state, (*session.new, *session.dirty, *session.deleted))


def flush_scope(session: Any) -> Bound:
    """Return the scope in which the pending work of ``session`` is to be flushed, if another.

    A tenant's pending work is flushed in its own scope if a query in a system scope, which could
    reach the same rows, would otherwise be sent without it.

    Raises:
        MissingTenantContextError: no tenant is in scope, and the work concerns tenants' rows.
            Nothing is lost, as it would be if the flush itself failed.
    """
    serves, bound = session._tenantshield_serves, current_bound()
    if bound is None:
        _refuse_without_scope(session)
    if not isinstance(serves, TenantContext) or not isinstance(bound, SystemContext):
        return None
    return None if all(belongs(state, bound) for state in _pending(session)) else serves


def _refuse_without_scope(session: Any) -> None:
    for state in _pending(session):
        if info_of(state.mapper).is_owned:
            raise MissingTenantContextError(
                f"an object of {state.class_.__name__} is to be written, and no tenant is in "
                "scope; flush the session in tenant_scope(...); or, if there is no tenant yet, in "
                'system_scope("why")'
            )


def after_undoing(session: Any) -> None:
    """Move objects again if a savepoint that was undone began in another scope."""
    if session._tenantshield_emptied:
        # What comes back may be of another place.
        move(
            session,
            None,
            session._tenantshield_serves,
            elsewhere=bool(session._tenantshield_routers),
        )
        session._tenantshield_emptied = session.in_nested_transaction()


def serve_lookup(session: Any, mapper: Mapper[Any]) -> None:
    """Make ``session`` serve the current scope before it looks up an object of ``mapper``.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
        MissingTenantContextError: it served a tenant before, and none is in scope.
    """
    binding = current_binding()
    if binding is not None and binding[0] is not None:
        if session._tenantshield_serves is not binding[0]:
            serve(session)
        return
    if session._tenantshield_routers:
        serve(session)
    if session._tenantshield_serves is not None and info_of(mapper).is_owned:
        table = mapper.local_table
        what = table_label(table) if isinstance(table, Table) else mapper.class_.__name__
        raise MissingTenantContextError(
            f"{what} holds tenants' rows, and no tenant is in scope; wrap the code in "
            "tenant_scope(...)"
        )


def serve_merge(session: Any, state: InstanceState[Any], *, load: bool) -> None:
    """Make ``session`` serve the current scope before it merges an object.

    Args:
        session: the session.
        state: the object's state.
        load: whether the row is read again; if not, the object is taken as it is.

    Raises:
        CrossTenantAccessError: the object is another tenant's and would be taken as it is.
        ScopeMismatchError: the session holds pending work of another scope.
        MissingTenantContextError: it has served a tenant and now none is in scope.
    """
    serve_lookup(session, state.mapper)
    _complete_key(state)
    if not load:
        refuse_object_of_other_tenant(session, state)
        if is_unknown(state, session._tenantshield_serves):
            raise CrossTenantAccessError(
                f"an object of {state.class_.__name__} does not tell whose it is: merge it with "
                "load=True"
            )


def _complete_key(state: InstanceState[Any]) -> None:
    """Set the tenant in scope on a new object if its primary key lacks only that.

    Without it ``merge()`` would not find the object's row.
    """
    bound = current_bound()
    if registry.is_empty or state.key is not None or not isinstance(bound, TenantContext):
        return
    info = info_of(state.mapper)
    if info.own is None:
        return
    keys = {state.mapper.get_property_by_column(each).key for each in state.mapper.primary_key}
    for ownership, attribute in (info.own, *info.further):
        if (
            attribute in keys
            and state.dict.get(attribute) is None
            and type(bound.tenant_id) is ownership.python_type
        ):
            state.dict[attribute] = bound.tenant_id


def serve_object(state: InstanceState[Any]) -> None:
    """Check that an object may load more in the current scope.

    Raises:
        ScopeMismatchError: it left its session, which went on in another scope; what it refers
            to would be looked up under the wrong tenant.
    """
    session: Any = state.session
    if session is not None:
        serve(session)
    why = has_left(state)
    if why and state.session_id is None:
        raise ScopeMismatchError(
            f"an object of {state.class_.__name__} {why}: load it again in the scope that it "
            "belongs to"
        )


def same_scope(session: Any) -> Callable[[], None]:
    """Return a check that the current scope, and the one that ``session`` serves, have not changed
    since this call.

    The check raises ``ScopeMismatchError`` if the current scope has changed. Reading further rows
    of a result may send more statements, for relationships, and these would run under the wrong
    tenant. If the session has served another scope meanwhile, for the same task or for another
    one, it serves the current one again: the objects of these rows are about to enter it.
    """
    return partial(_check_same, session, current_bound())


def _check_same(session: Any, begun: Bound) -> None:
    binding = current_binding()
    bound = None if binding is None else binding[0]
    if bound is not begun and bound is not None and not _is_same(session, begun, bound):
        raise ScopeMismatchError(
            f"a result of {describe(begun)} is read on in {describe(bound, begun)}: read it to "
            "its end in the scope that it belongs to"
        )
    serves = session._tenantshield_serves
    if serves is begun or begun is None or _is_same(session, serves, begun):
        return
    if bound is None:
        raise ScopeMismatchError(
            f"a result of {describe(begun)} is read on outside of it, and its session was used in "
            f"{describe(serves, begun)} since: read it to its end in the scope that it belongs to"
        )
    serve(session)


def _is_same(session: Any, left: Bound, right: Bound) -> bool:
    return is_same_scope(left, right) and not is_elsewhere(session, left, right)


def refuse_moved(session: Any, serves: Bound) -> None:
    """Refuse what was found in a session's memory while another thread made it serve another scope.

    Args:
        session: the session.
        serves: the scope that it served when the search began.

    Raises:
        ScopeMismatchError: it serves another one now, whose objects may have been found.
    """
    if session._tenantshield_serves is not serves:
        raise ScopeMismatchError(
            f"this session was used in {describe(session._tenantshield_serves)} while an object "
            f"was looked up in {describe(serves, session._tenantshield_serves)}: give each "
            "thread a session of its own"
        )


def refuse_object_of_other_tenant(session: Any, state: InstanceState[Any]) -> None:
    """Refuse an object of another tenant than the one that ``session`` serves.

    Raises:
        CrossTenantAccessError: it is another tenant's.
    """
    serves = session._tenantshield_serves
    own = info_of(state.mapper).own if isinstance(serves, TenantContext) else None
    if own is not None:
        given = state.dict.get(own[1])
        if (
            given is not None
            and not own[0].is_same_tenant(given, serves.tenant_id)
            and not own[0].is_shared(given)
        ):
            raise CrossTenantAccessError(
                f"an object of {own[0].label} that was loaded for another tenant is added "
                "to a session of this one; load it again"
            )
