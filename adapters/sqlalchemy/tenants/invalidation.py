"""A tenant directory that hears of changes to the rows that it was told of."""

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
    """Have ``directory`` forget a tenant when a session of this process commits a change to it.

    ::

        invalidate_on_commit(directory, Tenant.slug)

    It takes what sessions flush: objects that were added, changed or deleted. A bulk
    statement (``update(Tenant)``), Core and other processes are not noticed; after them call
    ``directory.invalidate()``, or wait for the directory's ``ttl``. A flushed change
    costs one more statement, for the value that the row had before.

    Args:
        directory: what was given to the middleware.
        attribute: the mapped attribute that is the lookup's ``id``, such as ``Tenant.slug``.
            Where the state lies in another model than the ``id``, call this for each, with
            the ``tenant_id`` there.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    mapper: Any = getattr(attribute, "parent", None)
    if not isinstance(attribute, QueryableAttribute) or not isinstance(mapper, Mapper):
        raise ConfigurationError(
            "invalidate_on_commit() takes the mapped attribute that tenants are looked up by, "
            "such as Tenant.slug"
        )
    if not isinstance(directory, TenantDirectory):
        raise ConfigurationError(
            "invalidate_on_commit() takes the TenantDirectory that was given to the middleware"
        )
    changes = _Changes(directory, attribute)
    for name in ("after_insert", "before_update", "before_delete"):
        event.listen(mapper, name, changes.note, raw=True, propagate=True)
    event.listen(Session, "after_commit", changes.after_commit)
    event.listen(Session, "after_transaction_end", changes.after_transaction_end)


class _Changes:
    """The ids of the rows that each session has changed and not committed yet."""

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
            # The row's own value, for the object may not have it loaded, or have a new one.
            named = zip(mapper.primary_key, state.identity, strict=True)
            statement = select(self._attribute).select_from(mapper)
            ids.update(
                connection.scalars(statement.where(*(each == value for each, value in named)))
            )

    def after_commit(self, session: Session) -> None:
        # The release of a savepoint comes here too, when nobody else sees the change yet.
        if session.in_nested_transaction():
            return
        for tenant_id in session.info.pop(self._key, ()):
            # Not one that is NULL, or that an SQL expression will make.
            if isinstance(tenant_id, str | int | uuid.UUID):
                self._directory.invalidate(tenant_id)

    def after_transaction_end(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            session.info.pop(self._key, None)
