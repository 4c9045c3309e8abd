"""What stays in a session that goes on in another scope.

Objects of the new scope's tenant, of shared tables and of shared rows stay, so that a program can
look up a user in a system scope and go on with it in the user's own. Others leave: what they have
loaded can still be read, and a change to them raises, since no session would write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import InstanceState, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.collections import collection_adapter

from tenantshield_mw.context import Bound, SystemContext
from tenantshield_mw.messages import describe
from tenantshield_mw.tenant import TenantContext

from ..errors import ScopeMismatchError
from .loaded import is_strange
from .mappers import info_of
from .placed import is_in_same_database

__all__ = [
    "belongs",
    "come_back",
    "forget_computed",
    "forget_scope",
    "has_left",
    "is_unknown",
    "is_unseen",
    "move",
    "read_again",
]

_LEFT: Final = "_tenantshield_left"
"""In the ``__dict__`` of a state: the scope that the object belonged to when it left."""
_OF: Final = "_tenantshield_of"
"""There: the scope of a tenant in which the object was last seen, if its columns do not tell, and
the query that had read it then."""
_UNSEEN: Final = "_tenantshield_unseen"
"""There: the object stayed without any values, so its row may be another tenant's; and the query
that had read it before."""
# private: called before an attribute is changed, and by flag_modified().
_CHANGE: Final = "_modified_event"


def move(session: Session, former: Bound, bound: Bound, *, elsewhere: bool = False) -> None:
    """Take the objects that are not ``bound``'s out of ``session``, which has no pending work.

    Args:
        session: the session.
        former: the scope in which it was used; ``None`` if that is not known.
        bound: the scope in which it goes on.
        elsewhere: whether that scope's rows are in another place. Only the rows of shared tables
            are still the same then, if these tables name their schema and it is of the same
            database.
    """
    states = [instance_state(each) for each in session.identity_map.values()]
    if isinstance(former, TenantContext):
        for state in states:
            _keep_scope(state, former)
    if elsewhere:
        same_database = is_in_same_database(session, former, bound)
        leaving = [each for each in states if not (same_database and _has_own_schema(each))]
    else:
        leaving = [state for state in states if not _stays(state, bound)]
    # private: expunge() would take objects along that stay.
    session._expunge_states(leaving)
    for state in leaving:
        state.__dict__[_LEFT] = former
        state.__dict__[_CHANGE] = partial(_refuse_change, state)
    for state in states:
        if _LEFT not in state.__dict__:
            _forget_others(session, state, bound)


def _has_own_schema(state: InstanceState[Any]) -> bool:
    """Return whether an object is of shared tables that name their schema."""
    tables: Any = state.mapper.tables
    return not info_of(state.mapper).is_owned and all(each.schema is not None for each in tables)


def _keep_scope(state: InstanceState[Any], scope: TenantContext) -> None:
    """Note that an object was seen in the scope of a tenant."""
    if info_of(state.mapper).is_owned and state.__dict__.get(_UNSEEN) != state.runid:
        # private: the number of the query that last read it.
        state.__dict__[_OF] = (scope, state.runid)


def forget_scope(state: InstanceState[Any]) -> None:
    """Note that an object is written in a system scope, where it may go to another tenant."""
    state.__dict__.pop(_OF, None)


def belongs(state: InstanceState[Any], bound: Bound) -> bool:
    """Return whether an object is known to be ``bound``'s to write, or of a shared table."""
    info = info_of(state.mapper)
    if not info.is_owned:
        # A changed relationship through tenants' rows is a change to these.
        return state.committed_state.keys().isdisjoint(info.to_owned)
    if not isinstance(bound, TenantContext) or (state.key is not None and _is_shared_row(state)):
        return False
    if info.own is None or state.dict.get(info.own[1]) is None:
        return _was_seen_in(state, bound) or _is_tied_to(state, bound)
    ownership, attribute = info.own
    given = state.dict[attribute]
    return (
        attribute not in state.committed_state
        and ownership.is_same_tenant(given, bound.tenant_id)
        and all(map(partial(_is_of, bound=bound), _newly_referred_to(state)))
    )


def _newly_referred_to(state: InstanceState[Any]) -> Iterator[InstanceState[Any]]:
    """Yield the objects in changed relationships to objects that belong to tenants."""
    for key in state.committed_state.keys() & set(info_of(state.mapper).to_owned):
        if key in state.dict:
            yield from _values(state, key)


def _is_of(state: InstanceState[Any], bound: TenantContext) -> bool:
    """Return whether an object is that tenant's, or everybody's."""
    info = info_of(state.mapper)
    if not info.is_owned or _is_shared_row(state):
        return True
    given = None if info.own is None else state.dict.get(info.own[1])
    if info.own is None or given is None:
        return state.key is None or _was_seen_in(state, bound) or _is_tied_to(state, bound)
    return info.own[0].is_same_tenant(given, bound.tenant_id)


def _is_shared_row(state: InstanceState[Any]) -> bool:
    """Return whether an object is known to be a row that every tenant reads."""
    own = info_of(state.mapper).own
    if own is None or own[0].shared_rows is None:
        return False
    ownership, attribute = own
    values = state.dict
    return (
        attribute in values
        and attribute not in state.committed_state
        and ownership.is_shared(values[attribute])
    )


def _stays(state: InstanceState[Any], bound: Bound) -> bool:
    if isinstance(bound, SystemContext) or belongs(state, bound) or _is_shared_row(state):
        return True
    if not state.dict.keys() & state.mapper.column_attrs.keys():
        # It holds nothing of its row, which is read again in the new scope, and not found
        # there if it is another tenant's.
        state.__dict__[_UNSEEN] = state.runid
        return True
    own = info_of(state.mapper).own
    if own is not None and state.dict.get(own[1]) is not None:
        return False
    return _was_seen_in(state, bound)


def _is_tied_to(state: InstanceState[Any], bound: TenantContext) -> bool:
    """Return whether the session holds all parents that a row is tied to, and they are a tenant's.

    The row's own foreign keys, as they were read, tell which these are.
    """
    session, ties = state.session, info_of(state.mapper).tied_to
    if session is None or not ties or state.key is None:
        return False
    for parent, attributes in ties:
        if not state.committed_state.keys().isdisjoint(attributes):
            return False
        values = tuple(map(state.dict.get, attributes))
        held = session.identity_map.get(parent.identity_key_from_primary_key(values))
        if held is None or not belongs(instance_state(held), bound):
            return False
    return True


def _was_seen_in(state: InstanceState[Any], bound: Bound) -> bool:
    return bool(state.__dict__.get(_OF) == (bound, state.runid))


def _forget_others(session: Session, state: InstanceState[Any], bound: Bound) -> None:
    """Expire what an object that stays has loaded in the former scope and would not in this one."""
    info = info_of(state.mapper)
    computed = state.mapper.column_attrs.keys() if is_strange(session, state) else info.computed
    gone = _unchanged(state, computed)
    if info.is_owned and not _is_shared_row(state):
        gone += [
            key
            for key in info.to_owned
            if key in state.dict
            and key not in state.committed_state
            and not (_is_to_owned(state, key) and _all_stay(state, key, bound))
        ]
    else:
        # What belongs to everybody refers to other objects in each tenant's scope, also to
        # others that belong to everybody: a query may have chosen these by a tenant's rows.
        gone += _unchanged(state, state.mapper.relationships.keys())
    if gone:
        session.expire(state.obj(), gone)


def _is_to_owned(state: InstanceState[Any], key: str) -> bool:
    return info_of(state.mapper.relationships[key].mapper).is_owned


def forget_computed(session: Session, state: InstanceState[Any], *, relationships: bool) -> None:
    """Expire what an object has that another scope may have computed or chosen.

    Args:
        session: the session that it entered.
        state: the object's state.
        relationships: whether the objects that it refers to were taken as they were.
    """
    info = info_of(state.mapper)
    # Also where merge() has set it, since it is never written.
    gone = [key for key in info.computed if key in state.dict]
    if relationships:
        gone += _unchanged(state, state.mapper.relationships.keys())
    if gone:
        session.expire(state.obj(), gone)


def _unchanged(state: InstanceState[Any], keys: Iterable[str]) -> list[str]:
    """Return those of the attributes ``keys`` that are loaded and have no pending change."""
    return [key for key in keys if key in state.dict and key not in state.committed_state]


def _all_stay(state: InstanceState[Any], key: str, bound: Bound) -> bool:
    """Return whether all objects to which a loaded relationship refers stay as well."""
    if isinstance(bound, SystemContext):
        return True
    return all(each.session_id is not None for each in _values(state, key))


def _values(state: InstanceState[Any], key: str) -> Iterator[InstanceState[Any]]:
    """Yield the objects that a loaded relationship refers to."""
    value = state.dict[key]
    if not state.mapper.relationships[key].uselist:
        value = () if value is None else (value,)
    else:
        value = collection_adapter(value)
    return map(instance_state, value)


def _refuse_change(
    state: InstanceState[Any], values: Any, attribute: Any, *args: Any, **kw: Any
) -> None:
    if attribute is not None and not attribute.send_modified_events:
        # A relationship that is never written.
        return
    if state.key is not None and state.session_id is None:
        raise ScopeMismatchError(
            f"an object of {state.class_.__name__} {has_left(state)}: this change would not be "
            "written. Make it in the scope that the object belongs to, before the session is used "
            "in another one, or load the object again"
        )
    # It has become a new object, by make_transient() for example.
    come_back(state)
    state._modified_event(values, attribute, *args, **kw)


def is_unknown(state: InstanceState[Any], bound: Bound) -> bool:
    """Return whether it is not known whose object this is, which is in no session.

    It may have been loaded in another tenant's scope and kept in a cache or a pickle.
    """
    info = info_of(state.mapper)
    if not info.is_owned or not isinstance(bound, TenantContext):
        return False
    tells = info.own is not None and state.dict.get(info.own[1]) is not None
    return not (tells or _is_shared_row(state) or _was_seen_in(state, bound))


def read_again(session: Session, state: InstanceState[Any]) -> None:
    """Expire what an object has loaded but not changed, so that it is read in the new scope."""
    # An expired object loses the loaders that a query's options gave to it, such as lazyload();
    # one that is added to a session keeps them.
    loaders = {k: each for k, each in state.callables.items() if k in state.mapper.relationships}
    if not state.committed_state:
        session.expire(state.obj())
    elif keys := _unchanged(state, state.mapper.column_attrs.keys()):
        session.expire(state.obj(), keys)
    if loaders:
        state.callables = {**state.callables, **loaders}
    state.__dict__[_UNSEEN] = state.runid


def come_back(state: InstanceState[Any]) -> None:
    """Allow changes to an object that enters a session."""
    if _LEFT in state.__dict__:
        del state.__dict__[_LEFT], state.__dict__[_CHANGE]


def has_left(state: InstanceState[Any]) -> str:
    """Return in words why an object is in no session; empty if it did not leave one."""
    if _LEFT not in state.__dict__:
        return ""
    return f"was loaded in {describe(state.__dict__[_LEFT])}, and its session went on in another"


def is_unseen(state: InstanceState[Any]) -> bool:
    """Return, once, whether an object stayed in its session though nothing of it was loaded."""
    return bool(state.__dict__.pop(_UNSEEN, None) == state.runid)
