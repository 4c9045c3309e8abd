"""One tenant a session, and the tenant on objects before any SQL is sent.

A ``Session`` answers from its identity map without SQL, where no compiler can help. So
a session notes whom it serves, and everything that would answer from memory or reach
the database passes :func:`serve` first.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Table, event, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapper, Session, object_session

from tenantshield_mw.context import Bound, SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from .binds import tenant_id_for
from .errors import CrossTenantAccessError, MissingTenantContextError, ScopeMismatchError
from .flushes import Flush
from .registry import OwnColumn, registry, table_label

__all__ = ["listen", "serve", "serve_lookup"]

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


def _is_same(left: Bound, right: Bound) -> bool:
    if isinstance(left, TenantContext):
        return left == right
    return isinstance(right, SystemContext)


def _describe(bound: Bound) -> str:
    return "one tenant's scope" if isinstance(bound, TenantContext) else "a system scope"


# -- objects ---------------------------------------------------------------------


_found: Final[WeakKeyDictionary[Mapper[Any], tuple[int, tuple[OwnColumn, str] | None]]] = (
    WeakKeyDictionary()
)


def _own_rule(mapper: Mapper[Any]) -> tuple[OwnColumn, str] | None:
    """Return the rule of a mapped table with a tenant column, and the attribute for it."""
    found = _found.get(mapper)
    if found is None or found[0] != registry.generation:
        found = _found[mapper] = (registry.generation, _find_own_rule(mapper))
    return found[1]


def _find_own_rule(mapper: Mapper[Any]) -> tuple[OwnColumn, str] | None:
    for table in mapper.tables:
        rule = registry.rule_for(table) if isinstance(table, Table) else None
        if isinstance(rule, OwnColumn):
            column = next(each for each in table.c if each.name == rule.column)
            if column in mapper.columns.values():
                return rule, mapper.get_property_by_column(column).key
    return None


def _is_system() -> bool:
    return isinstance(_bound(), SystemContext)


def before_insert(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    """Put the tenant in scope on a new object, or refuse another one."""
    if registry.is_empty() or _is_system():
        return
    _take(mapper, connection, target, is_new=True)
    found = _own_rule(mapper)
    if found is None:
        return
    rule, attribute = found
    tenant_id = tenant_id_for(rule, "INSERT")
    values = inspect(target).dict
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


def before_update(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    """Refuse to update an object that says it is another tenant's."""
    if registry.is_empty() or _is_system():
        return
    _take(mapper, connection, target, is_new=False)
    before_delete(mapper, connection, target)


def before_delete(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    """Refuse to delete an object that says it is another tenant's."""
    found = None if registry.is_empty() or _is_system() else _own_rule(mapper)
    if found is None:
        return
    rule, attribute = found
    state = inspect(target)
    given = state.dict.get(attribute)
    history = state.attrs[attribute].history
    tenant_id = tenant_id_for(rule, "UPDATE or DELETE")
    if history.has_changes() or (given is not None and given != tenant_id):
        raise CrossTenantAccessError(
            f"UPDATE or DELETE on {rule.label}: {attribute} of the object is not, or no longer, "
            "the tenant in scope; a row never changes tenant"
        )


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


def _take(mapper: Mapper[Any], connection: Connection, target: Any, *, is_new: bool) -> None:
    session = object_session(target)
    flush = None if session is None else session.info.get(_FLUSH)
    if flush is not None:
        flush.takes(mapper, connection, inspect(target), is_new=is_new)


def _before_attach(session: Session, instance: Any) -> None:
    serve(session)


def listen() -> None:
    """Set the listeners on all sessions and mappers of the process."""
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "after_flush", _after_flush)
    event.listen(Session, "after_soft_rollback", _after_soft_rollback)
    event.listen(Session, "before_attach", _before_attach)
    event.listen(Mapper, "before_insert", before_insert)
    event.listen(Mapper, "before_update", before_update)
    event.listen(Mapper, "before_delete", before_delete)
