"""One tenant a session, and the tenant on objects before any SQL is sent.

A ``Session`` answers from its identity map without SQL, where no compiler can help. So
a session notes whom it serves, and everything that would answer from memory or reach
the database passes :func:`serve` first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Table, event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import EXT_CONTINUE, InstanceState, Mapper, Session

from tenantshield_mw.context import Bound, SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from .binds import tenant_id_for
from .errors import CrossTenantAccessError, MissingTenantContextError, ScopeMismatchError
from .flushes import Facts, Flush, facts_of
from .registry import registry
from .rules import table_label

__all__ = ["LISTENERS", "listen", "same_scope", "serve", "serve_lookup", "serve_object"]

_SERVES: Final = "tenantshield_mw.serves"
"""The key in ``Session.info`` under which a session notes whom it serves."""

_FLUSH: Final = "tenantshield_mw.flush"
"""The key in ``Session.info`` for the flush that is under way."""


def _bound() -> Bound:
    binding = current_binding()
    return None if binding is None else binding[0]


def serve(session: Session) -> None:
    """Make sure that ``session`` serves whoever is bound now.

    A session that served somebody else starts empty. Where it holds work that is not
    flushed yet it cannot, since that would be lost.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
    """
    bound = _bound()
    if bound is None:
        # Nothing of a tenant's can be reached without a scope: statements raise, and so
        # do look-ups, see serve_lookup().
        return
    serves = session.info.get(_SERVES)
    if serves is bound:
        return
    if serves is not None and not _is_same(serves, bound):
        if session.new or session.dirty or session.deleted:
            raise ScopeMismatchError(
                f"this session holds pending work of {_describe(serves)} and is used in "
                f"{_describe(bound)}: flush and commit it, or roll it back, in the scope that "
                "it belongs to, or use another session"
            )
        session.expunge_all()
    session.info[_SERVES] = bound


def serve_lookup(session: Session, mapper: Mapper[Any]) -> None:
    """Do the same before ``session`` looks for an object of ``mapper`` in its memory.

    Raises:
        ScopeMismatchError: it holds pending work of another scope.
        MissingTenantContextError: it has served a tenant and now none is in scope.
    """
    if _bound() is not None:
        serve(session)
    elif session.info.get(_SERVES) is not None:
        table = mapper.local_table
        if isinstance(table, Table) and registry.rule_for(table) is not None:
            raise MissingTenantContextError(
                f"{table_label(table)} holds tenants' rows, and no tenant is in scope; wrap the "
                "code in tenant_scope(...)"
            )


def serve_object(state: InstanceState[Any]) -> None:
    """Make sure that an object may load something more in the scope that is bound now.

    Raises:
        ScopeMismatchError: it was loaded in another scope; what it refers to could only
            be looked for under the wrong tenant.
    """
    bound = _bound()
    session = state.session
    serves = None if session is None else session.info.get(_SERVES)
    if bound is not None and serves is not None and not _is_same(serves, bound):
        raise ScopeMismatchError(
            f"a {state.class_.__name__} that was loaded in {_describe(serves)} is to load more "
            f"in {_describe(bound)}: load it in the scope that it belongs to"
        )


def same_scope() -> Callable[[], None]:
    """Return a check that the scope is still the one that is bound now.

    What the check raises:
        ScopeMismatchError: another one is bound. Reading on a result may send further
            statements, for relationships, and these would run under the wrong tenant.
    """
    begun = _bound()

    def check() -> None:
        bound = _bound()
        if bound is not begun and bound is not None and not _is_same(begun, bound):
            raise ScopeMismatchError(
                f"a result of {_describe(begun)} is read on in {_describe(bound)}: read it in "
                "the scope that it belongs to, to the end"
            )

    return check


def _is_same(left: Bound, right: Bound) -> bool:
    if isinstance(left, SystemContext):
        return isinstance(right, SystemContext)
    return left == right


def _describe(bound: Bound) -> str:
    if bound is None:
        return "no scope"
    return "one tenant's scope" if isinstance(bound, TenantContext) else "a system scope"


# -- objects ---------------------------------------------------------------------


def before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Put the tenant in scope on a new object, or refuse another one."""
    if registry.is_empty or _is_system():
        return EXT_CONTINUE
    facts = facts_of(mapper)
    if facts.references or facts.is_referred_to:
        _take(mapper, connection, state, is_new=True)
    if facts.own is None:
        return EXT_CONTINUE
    rule, attribute = facts.own
    tenant_id = tenant_id_for(rule, "INSERT")
    values = state.dict
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
        facts = facts_of(mapper)
        if facts.references:
            _take(mapper, connection, state, is_new=False)
        _check_own(facts, state, "UPDATE")
    return EXT_CONTINUE


def before_delete(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> Any:
    """Refuse to delete an object that says it is another tenant's."""
    if not registry.is_empty and not _is_system():
        _check_own(facts_of(mapper), state, "DELETE")
    return EXT_CONTINUE


def _check_own(facts: Facts, state: InstanceState[Any], operation: str) -> None:
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


def _take(
    mapper: Mapper[Any], connection: Connection, state: InstanceState[Any], *, is_new: bool
) -> None:
    session = state.session
    flush = None if session is None else session.info.get(_FLUSH)
    if flush is not None:
        flush.takes(mapper, connection, state, is_new=is_new)


def _before_flush(session: Session, context: Any, instances: Any) -> None:
    serve(session)
    _end_flush(session)
    session.info[_FLUSH] = Flush(session)


def _after_flush(session: Session, context: Any) -> None:
    _end_flush(session)


def _after_soft_rollback(session: Session, previous_transaction: Any) -> None:
    _end_flush(session)


def _end_flush(session: Session) -> None:
    flush = session.info.pop(_FLUSH, None)
    if flush is not None:
        flush.is_over = True


def _before_attach(session: Session, state: InstanceState[Any]) -> None:
    serve(session)
    binding = current_binding()
    if state.key is None or binding is None or not isinstance(binding[0], TenantContext):
        return
    facts = facts_of(state.mapper)
    if facts.own is not None:
        given = state.dict.get(facts.own[1])
        if given is not None and given != binding[0].tenant_id:
            raise CrossTenantAccessError(
                f"an object of {facts.own[0].label} that was loaded for another tenant is added "
                "to a session of this one's; load it anew"
            )


# Raw listeners get the state itself; those with a return value are called without a
# wrapper. Both are for speed: they are called for each object.
LISTENERS: Final[tuple[tuple[Any, str, Callable[..., Any], dict[str, bool]], ...]] = (
    (Session, "before_flush", _before_flush, {}),
    (Session, "after_flush", _after_flush, {}),
    (Session, "after_soft_rollback", _after_soft_rollback, {}),
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
