"""What is known of foreign keys while a session flushes.

A flush may send one statement for many objects or one for each. So that it asks about
each table once, the objects' foreign keys are gathered before the first statement, and
what is known from the session itself is not asked at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session, context
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import (
    BigInteger,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeEngine,
    Unicode,
    UnicodeText,
    Uuid,
)

from tenantshield_mw.context import Binding, current_binding
from tenantshield_mw.tenant import TenantContext

from .registry import registry
from .rules import OwnColumn, Reference

__all__ = [
    "Facts",
    "Written",
    "begin_flush",
    "distrust",
    "end_flush",
    "facts_of",
    "flush_of",
    "flush_on",
    "note_load",
]

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A foreign key, and the types that convert its values when they are written."""

    reference: Reference
    types: tuple[TypeEngine[Any], ...]

    def is_spelled_as_in_parent(self) -> bool:
        """Say whether equal values of the foreign key and of its parent are the same key."""
        of_parent = {column.name: column.type for column in self.reference.parent.c}
        return all(
            _converts_alike(type_, of_parent[name])
            for type_, name in zip(self.types, self.reference.parent_columns, strict=True)
        )


_CONVERT_NOTHING: Final = frozenset(
    {BigInteger, Integer, SmallInteger, String, Text, Unicode, UnicodeText, Uuid}
)


def _converts_alike(left: TypeEngine[Any], right: TypeEngine[Any]) -> bool:
    return (
        type(left) is type(right)
        and type(left) in _CONVERT_NOTHING
        # private: what stands for the type on some of the databases.
        and not left._variant_mapping
        and not right._variant_mapping
        and getattr(left, "as_uuid", None) == getattr(right, "as_uuid", None)
    )


# The flush that is under way, as an attribute of the session, and of the connection that
# it has last sent something over.
_FLUSH: Final = "_tenantshield_flush"
setattr(Session, _FLUSH, None)
setattr(Connection, _FLUSH, None)


def begin_flush(session: Any) -> None:
    """Take note that ``session`` begins to flush."""
    session._tenantshield_flush = _TO_BEGIN


def end_flush(session: Any) -> None:
    """Forget what was known for the flush of ``session``, if there is one."""
    flush = session._tenantshield_flush
    if flush is not None:
        session._tenantshield_flush = None
        flush.end()


def flush_of(connection: Any, state: InstanceState[Any]) -> Flush | None:
    """Return the flush that is about to write the object of ``state``, if any."""
    flush: Flush | None = connection._tenantshield_flush
    # Two sessions may share a connection, and one may flush while the other does.
    if flush is not None and flush.session_id == state.session_id:
        return flush
    session: Any = state.session
    if session is None:
        return None
    flush = session._tenantshield_flush
    if flush is _TO_BEGIN:
        flush = session._tenantshield_flush = Flush(session)
    if flush is not None:
        connection._tenantshield_flush = flush
    return flush


def flush_on(connection: Any) -> Flush | None:
    """Return the flush that is sending its statements over ``connection``, if any."""
    flush: Flush | None = connection._tenantshield_flush
    return flush if flush is not None and flush.is_for(current_binding()) else None


class Flush:
    """One flush of one session, for one tenant."""

    __slots__ = (
        "_bound",
        "_objects",
        "_places",
        "_proven",
        "_session",
        "session_id",
    )

    def __init__(self, session: Session | None) -> None:
        binding = current_binding()
        self._bound = None if binding is None else binding[0]
        self._session = session
        self._objects: list[InstanceState[Any]] = []
        self._proven: dict[Written, set[Values]] = {}
        # By mapper and not by foreign key, since a Reference takes long to hash.
        self._places: dict[Facts, list[set[Values]]] = {}
        self.session_id = 0 if session is None else session.hash_key
        """The session's ``hash_key``, which is its objects' ``session_id``; 0 at the end."""

    def end(self) -> None:
        """Forget everything; the connection may live on and keep this."""
        self.session_id = 0
        self._session = None
        self._objects.clear()
        self._places.clear()
        self._proven.clear()

    def is_for(self, binding: Binding | None) -> bool:
        """Say whether this is under way, and for whoever is bound."""
        return bool(self.session_id) and binding is not None and binding[0] == self._bound

    def takes(
        self,
        facts: Facts,
        state: InstanceState[Any],
        values: Mapping[str, Any],
        *,
        is_new: bool,
    ) -> None:
        """Take note of an object that is about to be written.

        Args:
            facts: what is known of its mapper.
            state: its state.
            values: its attributes.
            is_new: whether it is inserted.
        """
        if is_new and facts.is_referred_to:
            # By the time anybody asks, its row is inserted under this tenant. An object
            # to be updated may have been put together by hand, with any primary key.
            self._objects.append(state)
        places = self._places.get(facts)
        if places is None:
            places = self._places[facts] = [set() for _ in facts.references]
        for (_, attributes), wanted in zip(facts.references, places, strict=True):
            if not is_new and state.committed_state.keys().isdisjoint(attributes):
                continue
            given = _plain_values(values, attributes)
            if given is not None:
                wanted.add(given)

    def unproven(self, written: Written, values: set[Values]) -> set[Values]:
        """Return which of ``values``, and of those still to come, must be looked up."""
        values = values - self._proven.setdefault(written, set())
        if not values:
            return values
        for facts, places in self._places.items():
            for (other, _), gathered in zip(facts.references, places, strict=True):
                if other == written:
                    values |= gathered
                    gathered.clear()
        if written.is_spelled_as_in_parent():
            self._proven[written].update(self._known(written.reference, values))
        return values - self._proven[written]

    def prove(self, written: Written, values: Iterable[Values]) -> None:
        """Take note that ``values`` were looked up and are this tenant's."""
        self._proven[written].update(values)

    def _known(self, reference: Reference, values: set[Values]) -> Iterator[Values]:
        for state in self._objects:
            attributes = _attributes_of(state.mapper, reference)
            written = None if attributes is None else _plain_values(state.dict, attributes)
            if written is not None:
                yield written
        session = self._session
        registries = {facts.registry for facts in self._places}
        mapper = _mapper_of(reference, {each for one in registries for each in one.mappers})
        if session is None or mapper is None:
            return
        for each in values:
            key = mapper.identity_key_from_primary_key(each)
            instance = session.identity_map.get(key)
            if instance is not None and _was_loaded_here(session, mapper, instance):
                yield each


_PLAIN: Final = frozenset({int, str, UUID, bytes})


def _plain_values(values: Mapping[str, Any], attributes: Iterable[str]) -> Values | None:
    """Return the values of ``attributes``; ``None`` if one is not there or an expression.

    Of expressions the compiler sees to it that they can only yield this tenant's rows.
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


class Facts:
    """What the registry says of a mapper's tables, in terms of its attributes."""

    __slots__ = ("generation", "is_noted", "is_referred_to", "own", "references", "registry")

    def __init__(self, mapper: Mapper[Any]) -> None:
        tables = [table for table in mapper.tables if isinstance(table, Table)]
        self.generation = registry.generation
        self.registry = mapper.registry
        self.own = _own_column(mapper, tables)
        self.references = [
            (Written(reference, _types(table, reference.columns)), attributes)
            for table in tables
            for reference in registry.references_of(table)
            if (attributes := _attributes(mapper, table, reference.columns)) is not None
        ]
        self.is_referred_to = any(map(registry.is_referred_to, tables))
        self.is_noted = self.is_referred_to or bool(self.references)
        """Whether a flush takes note of new objects."""


_TO_BEGIN: Final = Flush(None)
"""Stands for the flush of a session that has not written anything yet."""

_FACTS: Final = "_tenantshield_facts"
setattr(Mapper, _FACTS, None)


def facts_of(mapper: Any) -> Facts:
    """Return what is known of ``mapper``'s tables under the registry as it is now."""
    facts: Facts | None = mapper._tenantshield_facts
    if facts is None or facts.generation != registry.generation:
        facts = mapper._tenantshield_facts = Facts(mapper)
    return facts


def _own_column(mapper: Mapper[Any], tables: list[Table]) -> tuple[OwnColumn, str] | None:
    """Return the rule of a table with a tenant column, and the attribute for that."""
    for table in tables:
        rule = registry.rule_for(table)
        if isinstance(rule, OwnColumn):
            attributes = _attributes(mapper, table, [rule.column])
            if attributes is not None:
                return rule, attributes[0]
    return None


def _attributes(mapper: Mapper[Any], table: Table, names: Iterable[str]) -> tuple[str, ...] | None:
    """Return the attributes that hold the columns ``names`` of ``table``."""
    attributes = []
    for name in names:
        column = next((each for each in table.c if each.name == name), None)
        if column is None or column not in mapper.columns.values():
            return None
        attributes.append(mapper.get_property_by_column(column).key)
    return tuple(attributes)


def _types(table: Table, names: Iterable[str]) -> tuple[TypeEngine[Any], ...]:
    types = {column.name: column.type for column in table.c}
    return tuple(types[name] for name in names)


def _attributes_of(mapper: Mapper[Any], reference: Reference) -> tuple[str, ...] | None:
    if reference.parent not in mapper.tables:
        return None
    return _attributes(mapper, reference.parent, reference.parent_columns)


def _mapper_of(reference: Reference, mappers: Iterable[Mapper[Any]]) -> Mapper[Any] | None:
    """Return the mapper whose primary key ``reference`` points at."""
    for mapper in mappers:
        if (
            mapper.local_table is reference.parent
            and tuple(column.name for column in mapper.primary_key) == reference.parent_columns
        ):
            return mapper
    return None


def _was_loaded_here(session: Any, mapper: Mapper[Any], instance: Any) -> bool:
    """Say whether ``instance`` was read in this transaction, under the tenant in scope.

    Being in the identity map proves nothing by itself: an object can be put there by
    hand, with any primary key, or stay there from an earlier transaction while its row
    goes and the key is given to another.
    """
    binding = current_binding()
    bound = None if binding is None else binding[0]
    own = facts_of(mapper).own
    loads: Loads | None = session._tenantshield_loads
    if not isinstance(bound, TenantContext) or own is None or loads is None:
        return False
    attribute = own[1]
    state = instance_state(instance)
    tenant_id = state.dict.get(attribute)
    return (
        loads.transaction is _transaction(session)
        # private: which query has made the object from a row.
        and state.runid in loads.runs
        and attribute not in state.committed_state
        and type(tenant_id) is type(bound.tenant_id)
        and tenant_id == bound.tenant_id
    )


# -- what was loaded -------------------------------------------------------------

# private: the ORM's side of a compiled SELECT; it got an underscore in 2.1.
_Selected: Final[Any] = getattr(
    context, "_ORMSelectCompileState", getattr(context, "ORMSelectCompileState", None)
)

MOST_LOADS: Final = 1_000
"""How many queries a session remembers; what is forgotten is looked up again."""

_LOADS: Final = "_tenantshield_loads"
setattr(Session, _LOADS, None)


@dataclass(slots=True)
class Loads:
    """The queries of one transaction whose objects stand for rows of their tables."""

    transaction: Any
    runs: set[int]


def note_load(cursor: Any, query: Any) -> None:
    """Take note of a query if its objects must be rows of their table.

    Args:
        cursor: SQLAlchemy's result, whose rows are about to become objects.
        query: the ORM's context of it.
    """
    if not _is_ordinary(cursor, query.compile_state):
        return
    session = query.session
    transaction = _transaction(session)
    loads = session._tenantshield_loads
    if loads is None or loads.transaction is not transaction:
        loads = session._tenantshield_loads = Loads(transaction, set())
    elif len(loads.runs) >= MOST_LOADS:
        loads.runs.clear()
    loads.runs.add(query.runid)


def distrust(session: Any, state: InstanceState[Any]) -> None:
    """Take note that an object which was not loaded gets into ``session``."""
    loads = session._tenantshield_loads
    if loads is not None:
        # The whole query, for an object keeps its mark whatever is made of it.
        loads.runs.discard(state.runid)


def _transaction(session: Session) -> Any:
    # The savepoint's own, since what was read in it may be undone with it.
    return session.get_nested_transaction() or session.get_transaction()


def _is_ordinary(cursor: Any, compiled: Any) -> bool:
    """Say whether a query loads one mapper, from its own table and in no special way.

    An alias, a ``from_statement()``, an option or a CTE of the table's name may put any
    value into the place of a primary key.
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
        and facts_of(mapper).is_referred_to
        # An entity that is a column alone has none.
        and getattr(entity, "selectable", None) is mapper.local_table
        and not cursor.context.compiled.ctes
    )
