"""The foreign keys of the objects that a session flushes.

A flush may send one statement for many objects or one for each. The objects' foreign keys
are gathered before the first statement, so that each table is queried once, and what is
known from the session itself is not queried at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.sql.expression import ClauseElement

from tenantshield_mw.context import Binding, current_binding, current_bound

from ..databases import database_for
from ..ownership.model import Reference, TypedReference
from ..ownership.narrowing import is_kept
from .loaded import commits_each, note_inserted, was_loaded_here
from .mappers import MapperInfo, attributes_of, mapper_of

__all__ = ["begin_flush", "end_flush", "flush_of", "flush_on", "plain_values"]

Values = tuple[Any, ...]


# A session's current flushes by connection, and a connection's last flush. A session may use
# several connections, to several databases, and a key in one proves nothing in another.
_FLUSH: Final = "_tenantshield_flush"
setattr(Session, _FLUSH, None)
setattr(Connection, _FLUSH, None)


def begin_flush(session: Any) -> None:
    """Note that ``session`` begins to flush."""
    session._tenantshield_flush = {}


def end_flush(session: Any) -> None:
    """End the flush of ``session``, if there is one."""
    flushes = session._tenantshield_flush
    if flushes is not None:
        session._tenantshield_flush = None
        for flush in flushes.values():
            flush.end()


def flush_of(connection: Any, state: InstanceState[Any]) -> Flush | None:
    """Return the flush that is about to write the object of ``state``, if any."""
    flush: Flush | None = connection._tenantshield_flush
    # Two sessions may share a connection, and one may flush during the flush of the other.
    if flush is not None and flush.session_id == state.session_id:
        return flush
    session: Any = state.session
    if session is None:
        return None
    flushes: dict[Any, Flush] | None = session._tenantshield_flush
    if flushes is None:
        return None
    flush = flushes.get(connection)
    if flush is None:
        flush = flushes[connection] = Flush(session, connection)
    connection._tenantshield_flush = flush
    return flush


def flush_on(connection: Any) -> Flush | None:
    """Return the flush that sends its statements over ``connection``, if any."""
    flush: Flush | None = connection._tenantshield_flush
    return flush if flush is not None and flush.is_for(current_binding()) else None


class Flush:
    """What one session flushes over one connection, for one tenant."""

    __slots__ = (
        "_bound",
        "_connection",
        "_objects",
        "_places",
        "_proven",
        "_session",
        "_trusts_new",
        "session_id",
    )

    def __init__(self, session: Session, connection: Connection) -> None:
        self._bound = current_bound()
        # It is not known from which schema an object was loaded before.
        is_moved = connection.get_execution_options().get("schema_translate_map")
        self._session: Session | None = None if is_moved else session
        self._connection: Connection | None = connection
        self._objects: list[InstanceState[Any]] = []
        self._proven: dict[TypedReference, set[Values]] = {}
        # By mapper and not by foreign key, since a Reference takes long to hash.
        self._places: dict[MapperInfo, list[set[Values]]] = {}
        self._trusts_new = True
        self.session_id = session.hash_key
        """The session's ``hash_key``, which is its objects' ``session_id``; 0 after the end."""

    def end(self) -> None:
        """Release everything, since the connection may outlive the flush and keep it."""
        if self._session is not None and self._connection is not None:
            note_inserted(self._session, self._connection, self._objects)
        self.session_id = 0
        self._session = self._connection = None
        self._objects.clear()
        self._places.clear()
        self._proven.clear()

    def is_for(self, binding: Binding | None) -> bool:
        """Return whether this flush has not ended, and began under ``binding``'s scope."""
        return bool(self.session_id) and binding is not None and binding[0] == self._bound

    def note(
        self,
        info: MapperInfo,
        state: InstanceState[Any],
        values: Mapping[str, Any],
        *,
        is_new: bool,
    ) -> None:
        """Note an object that is about to be written.

        Args:
            info: the part of the registry that concerns its mapper.
            state: its state.
            values: its attributes.
            is_new: whether it is inserted.
        """
        if is_new and self._trusts_new and info.is_referred_to:
            # By the time that this is queried its row is inserted under this tenant. An
            # object to be updated may have been made by hand, with any primary key.
            self._objects.append(state)
        places = self._places.get(info)
        if places is None:
            places = self._places[info] = [set() for _ in info.references]
        for (_, attributes), wanted in zip(info.references, places, strict=True):
            if not is_new and state.committed_state.keys().isdisjoint(attributes):
                continue
            given = plain_values(values, attributes)
            if given is not None:
                wanted.add(given)

    def distrust_new(self) -> None:
        """Note that an INSERT may skip rows, so that a new object may have none."""
        self._trusts_new = False
        self._objects.clear()

    def unproven(self, written: TypedReference, values: set[Values]) -> set[Values]:
        """Return which of ``values``, and of those noted for later, must be looked up."""
        values = values - self._proven.setdefault(written, set())
        if not values:
            return values
        is_alike = written.is_spelled_as_in_parent()
        new = set(self._new(written)) if is_alike else set()
        # Where nothing is undone, a row that refers to a new object stays, even if the object's
        # own INSERT fails afterwards. So what refers to one is looked up when it is sent itself.
        is_undone = self._connection is not None and not commits_each(self._connection)
        for info, places in self._places.items():
            for (other, _), gathered in zip(info.references, places, strict=True):
                if other == written and (is_undone or is_alike):
                    values |= gathered if is_undone else gathered - new
                    gathered.clear()
        if is_undone:
            self._proven[written].update(new)
        if is_alike:
            self._proven[written].update(self._loaded(written, values))
        return values - self._proven[written]

    def prove(self, written: TypedReference, values: Iterable[Values]) -> None:
        """Note that ``values`` were looked up and are this tenant's."""
        self._proven[written].update(values)

    def _new(self, typed: TypedReference) -> Iterator[Values]:
        """Yield the keys of the objects that are inserted."""
        reference, connection = typed.reference, self._connection
        numbers_zero = connection is not None and database_for(connection.dialect).numbers_zero
        for state in self._objects:
            attributes = _attributes_of(state.mapper, reference)
            written = None if attributes is None else plain_values(state.dict, attributes)
            if written is not None and (not numbers_zero or is_kept(written, typed.types)):
                yield written

    def _loaded(self, typed: TypedReference, values: set[Values]) -> Iterator[Values]:
        """Yield those of ``values`` that are keys of objects which were read before."""
        session, reference = self._session, typed.reference
        registries = {info.registry for info in self._places}
        mapper = mapper_of(reference.parent, reference.parent_columns, registries)
        if session is None or mapper is None:
            return
        for each in values:
            key = mapper.identity_key_from_primary_key(each)
            instance = session.identity_map.get(key)
            if instance is None:
                continue
            if was_loaded_here(session, self._connection, mapper, instance):
                yield each


_PLAIN: Final = frozenset({int, str, UUID, bytes})


def plain_values(values: Mapping[str, Any], attributes: Iterable[str]) -> Values | None:
    """Return the values of ``attributes``; ``None`` if one is missing or an expression.

    The compiler checks that an expression can yield only this tenant's rows.
    """
    given = tuple(map(values.get, attributes))
    for value in given:
        if type(value) not in _PLAIN and (
            value is None
            or isinstance(value, ClauseElement)
            or hasattr(value, "__clause_element__")
        ):
            return None
    return given


def _attributes_of(mapper: Mapper[Any], reference: Reference) -> tuple[str, ...] | None:
    if reference.parent not in mapper.tables:
        return None
    return attributes_of(mapper, reference.parent, reference.parent_columns)
