"""What is known of foreign keys while a session flushes.

A flush may send one statement for many objects or one for each. So that it asks about
each table once, the objects' foreign keys are gathered before the first statement, and
what is known from the session itself is not asked at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from weakref import ref

from sqlalchemy import Table
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm import registry as orm_registry
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.expression import ClauseElement

from tenantshield_mw.context import current_binding
from tenantshield_mw.tenant import TenantContext

from .registry import registry
from .rules import OwnColumn, Reference

__all__ = ["Facts", "Flush", "facts_of", "flush_on"]

Values = tuple[Any, ...]

_ON_CONNECTION: Final = "_tenantshield_flush"


def flush_on(connection: Connection) -> Flush | None:
    """Return the flush that is sending its statements over ``connection``, if any."""
    flush: Flush | None = connection.__dict__.get(_ON_CONNECTION)
    return None if flush is None or flush.is_over else flush


class Flush:
    """One flush of one session."""

    def __init__(self, session: Session) -> None:
        self._session = ref(session)
        self._objects: list[InstanceState[Any]] = []
        self._wanted: dict[Reference, set[Values]] = {}
        self._proven: dict[Reference, set[Values]] = {}
        self._registries: set[orm_registry] = set()
        self.is_over = False

    def takes(
        self,
        mapper: Mapper[Any],
        connection: Connection,
        state: InstanceState[Any],
        *,
        is_new: bool,
    ) -> None:
        """Take note of an object that is about to be written."""
        facts = facts_of(mapper)
        connection.__dict__[_ON_CONNECTION] = self
        self._registries.add(mapper.registry)
        if is_new and facts.is_referred_to:
            # By the time anybody asks, its row is inserted under this tenant. An object
            # to be updated may have been put together by hand, with any primary key.
            self._objects.append(state)
        for reference, attributes in facts.references:
            if not is_new and state.committed_state.keys().isdisjoint(attributes):
                continue
            values = _plain_values(state, attributes)
            if values is not None:
                self._wanted.setdefault(reference, set()).add(values)

    def unproven(self, reference: Reference, values: set[Values]) -> set[Values]:
        """Return which of ``values``, and of those still to come, must be looked up."""
        values = values - self._proven.setdefault(reference, set())
        if not values:
            return values
        values |= self._wanted.pop(reference, set())
        known = set(self._known(reference, values))
        self._proven[reference] |= known
        return values - self._proven[reference]

    def prove(self, reference: Reference, values: Iterable[Values]) -> None:
        """Take note that ``values`` were looked up and are this tenant's."""
        self._proven[reference].update(values)

    def _known(self, reference: Reference, values: set[Values]) -> Iterator[Values]:
        for state in self._objects:
            attributes = _attributes_of(state.mapper, reference)
            written = None if attributes is None else _plain_values(state, attributes)
            if written is not None:
                yield written
        session = self._session()
        mapper = _mapper_of(reference, {each for one in self._registries for each in one.mappers})
        if session is None or mapper is None:
            return
        for each in values:
            key = mapper.identity_key_from_primary_key(each)
            instance = session.identity_map.get(key)
            if instance is not None and _was_loaded_here(mapper, instance):
                yield each


def _plain_values(state: InstanceState[Any], attributes: Iterable[str]) -> Values | None:
    """Return the values of ``attributes``; ``None`` if one is not there or an expression.

    Of expressions the compiler sees to it that they can only yield this tenant's rows.
    """
    values = tuple(map(state.dict.get, attributes))
    if any(
        value is None or isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")
        for value in values
    ):
        return None
    return values


class Facts:
    """What the registry says of a mapper's tables, in terms of its attributes."""

    __slots__ = ("generation", "is_referred_to", "own", "references")

    def __init__(self, mapper: Mapper[Any]) -> None:
        tables = [table for table in mapper.tables if isinstance(table, Table)]
        self.generation = registry.generation
        self.own = _own_column(mapper, tables)
        self.references = [
            (reference, attributes)
            for table in tables
            for reference in registry.references_of(table)
            if (attributes := _attributes(mapper, table, reference.columns)) is not None
        ]
        self.is_referred_to = any(map(registry.is_referred_to, tables))


_FACTS: Final = "_tenantshield_facts"


def facts_of(mapper: Mapper[Any]) -> Facts:
    """Return what is known of ``mapper``'s tables under the registry as it is now."""
    facts: Facts | None = mapper.__dict__.get(_FACTS)
    if facts is None or facts.generation != registry.generation:
        facts = mapper.__dict__[_FACTS] = Facts(mapper)
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


def _was_loaded_here(mapper: Mapper[Any], instance: Any) -> bool:
    """Say whether ``instance`` was read from the database under the tenant in scope.

    Being in the identity map proves nothing by itself: an object can be put there by
    hand, with any primary key.
    """
    binding = current_binding()
    bound = None if binding is None else binding[0]
    own = facts_of(mapper).own
    if not isinstance(bound, TenantContext) or own is None:
        return False
    attribute = own[1]
    state = instance_state(instance)
    tenant_id = state.dict.get(attribute)
    return (
        # private: set where an object is made from a row, and nowhere else.
        state.runid is not None
        and attribute not in state.committed_state
        and type(tenant_id) is type(bound.tenant_id)
        and tenant_id == bound.tenant_id
    )
