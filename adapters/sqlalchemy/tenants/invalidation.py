"""Invalidates entries of a tenant directory when a session commits a change to them."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction
from sqlalchemy.orm.attributes import QueryableAttribute

from tenantshield_mw.directory import TenantDirectory
from tenantshield_mw.errors import ConfigurationError

__all__ = ["invalidate_on_commit"]


def invalidate_on_commit(directory: TenantDirectory, attribute: Any) -> None:
    """Invalidate a tenant in ``directory`` when a session in this process commits a change to it.

    ::

        invalidate_on_commit(directory, Tenant.slug)

    It covers what sessions flush: objects that were added, changed or deleted. It does not
    notice bulk statements (``update(Tenant)``), Core statements and other processes; after
    these, call ``directory.invalidate()`` or wait for the directory's ``ttl``. Each flushed
    change costs one extra statement, which reads the row's previous value.

    Args:
        directory: the middleware's directory.
        attribute: the mapped attribute that is the lookup's ``id``, such as ``Tenant.slug``.
            If the state is in another model than the ``id``, call this for both, with the
            ``tenant_id`` for the model that has the state.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    mapper: Any = getattr(attribute, "parent", None)
    if not isinstance(attribute, QueryableAttribute) or not isinstance(mapper, Mapper):
        raise ConfigurationError(
            "invalidate_on_commit() takes the mapped attribute that tenants are looked up by, "
            "such as Tenant.slug"
        )
    if not isinstance(directory, TenantDirectory):
        raise ConfigurationError(
            "invalidate_on_commit() takes the TenantDirectory of the middleware"
        )
    changes = _Changes(directory, attribute)
    for name in ("after_insert", "before_update", "before_delete"):
        event.listen(mapper, name, changes.note, raw=True, propagate=True)
    event.listen(Session, "after_commit", changes.after_commit)
    event.listen(Session, "after_transaction_end", changes.after_transaction_end)


class _Changes:
    """Tracks the ids of the rows that each session has changed but not committed."""

    def __init__(self, directory: TenantDirectory, attribute: QueryableAttribute[Any]) -> None:
        self._directory = directory
        self._attribute = attribute
        self._key = f"tenantshield_mw.changes.{uuid.uuid4().hex}"
        """The key in ``Session.info``."""

    def note(self, mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
        if state.session is None:
            return
        ids = state.session.info.setdefault(self._key, set())
        ids.add(state.dict.get(self._attribute.key))
        if state.identity is not None:
            # Read the row's value: the object may not have loaded it, or may have a new one.
            named = zip(mapper.primary_key, state.identity, strict=True)
            statement = select(self._attribute).select_from(mapper)
            ids.update(
                connection.scalars(statement.where(*(each == value for each, value in named)))
            )

    def after_commit(self, session: Session) -> None:
        # Releasing a savepoint also triggers this event, but does not publish the change.
        if session.in_nested_transaction():
            return
        for tenant_id in session.info.pop(self._key, ()):
            # Skip NULL and SQL expressions.
            if isinstance(tenant_id, str | int | uuid.UUID):
                self._directory.invalidate(tenant_id)

    def after_transaction_end(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            session.info.pop(self._key, None)
