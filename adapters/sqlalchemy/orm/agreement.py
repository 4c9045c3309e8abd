"""In a system scope, check that an object and what it refers to belong to one tenant.

In a tenant's scope the foreign keys are looked up among the tenant's rows before they are written.
A system scope may write for every tenant, but a row that refers to another tenant's would show in
neither's scope as it should, and with policies its tenant could not change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Table, and_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session

from ..compiler.chains import chain_along
from ..compiler.key_types import check_conversion
from ..compiler.predicates import column_of, keys_of, keys_per_query, same
from ..errors import CrossTenantAccessError
from ..ownership.model import (
    ColumnOwnership,
    Ownership,
    ParentOwnership,
    Reference,
    TypedReference,
    table_label,
)
from ..ownership.registry import registry
from .flush import plain_values
from .mappers import MapperInfo, info_of

__all__ = ["check_agreement", "note_written"]

CHUNK: Final = 1_000
"""The number of keys in one query."""

_WRITTEN: Final = "_tenantshield_written"
setattr(Session, _WRITTEN, None)

Key = tuple[Any, ...]


Written = tuple[Connection, MapperInfo, InstanceState[Any]]


def note_written(
    mapper: Mapper[Any], connection: Connection, state: InstanceState[Any], *, is_new: bool
) -> None:
    """Note an object that a flush writes in a system scope.

    Args:
        mapper: its mapper.
        connection: the connection of the flush.
        state: its state.
        is_new: whether it is inserted.
    """
    info = info_of(mapper)
    session: Any = state.session
    if not (info.references or info.further) or session is None:
        return
    if not is_new:
        told = {each for _, attributes in info.references for each in attributes}
        if info.own is not None:
            told |= {attribute for _, attribute in (info.own, *info.further)}
        if told.isdisjoint(state.committed_state):
            return
    if session._tenantshield_written is None:
        session._tenantshield_written = []
    session._tenantshield_written.append((connection, info, state))


def check_agreement(session: Any) -> None:
    """Check the objects that a flush has written, before anything is committed.

    Raises:
        CrossTenantAccessError: one refers to a row of another tenant than its own, or to rows of
            different tenants.
    """
    objects = session._tenantshield_written
    if objects is not None:
        session._tenantshield_written = None
        tenants = dict(_tenants(objects))
        for _, info, state in objects:
            _check(info, state, tenants)


def _keys(info: MapperInfo, state: InstanceState[Any]) -> Iterator[tuple[TypedReference, Key]]:
    for written, attributes in info.references:
        key = plain_values(state.dict, attributes)
        if key is not None:
            yield written, key


def _tenants(objects: Iterable[Written]) -> Iterator[tuple[tuple[TypedReference, Key], Any]]:
    wanted: dict[tuple[Connection, TypedReference], set[Key]] = {}
    for connection, info, state in objects:
        for written, key in _keys(info, state):
            wanted.setdefault((connection, written), set()).add(key)
    for (connection, written), keys in wanted.items():
        every = list(keys)
        size = min(CHUNK, keys_per_query(written.types))
        for start in range(0, len(every), size):
            for key, tenant in _found(connection, written, every[start : start + size]):
                yield (written, key), tenant


def _found(
    connection: Connection, written: TypedReference, keys: list[Key]
) -> Iterator[tuple[Key, Any]]:
    """Yield the tenant of each row that one of the keys refers to."""
    parent = written.reference.parent
    joined, element, rule = _to_tenant(parent)
    if not isinstance(rule, ColumnOwnership):
        # Tied to several tables with rows of everybody, each of which may decide.
        return
    for type_ in written.types:
        check_conversion(type_, connection.dialect, written.reference)
    columns, criterion = keys_of(parent, written.reference.parent_columns, written.types, keys)
    query = select(*columns, column_of(element, rule.column, rule.type_)).select_from(joined)
    for *key, tenant in connection.execute(query.where(criterion)):
        if rule.shared_rows is None or not rule.is_shared(tenant):
            yield tuple(key), tenant


def _to_tenant(table: Table) -> tuple[Any, Any, Ownership | None]:
    """Return ``table``, joined to the table with its tenant column, that table and the column."""
    rule = registry.ownership_of(table)
    joined: Any = table
    element: Any = table
    if isinstance(rule, ParentOwnership):
        for number, tie in enumerate(chain_along(rule.parent_keys[0], registry.ownership_of)):
            parent = tie.parent.alias(f"tenantshield_parent_{number}")
            on = (
                same(column_of(parent, theirs), column_of(element, ours))
                for ours, theirs in zip(tie.columns, tie.parent_columns, strict=True)
            )
            joined, element = joined.join(parent, and_(*on)), parent
            rule = registry.ownership_of(tie.parent)
    return joined, element, rule


def _check(
    info: MapperInfo, state: InstanceState[Any], tenants: Mapping[tuple[TypedReference, Key], Any]
) -> None:
    own = info.own
    tenant = None if own is None else state.dict.get(own[1])
    for ownership, attribute in info.further:
        further = state.dict.get(attribute)
        if tenant is None or further is None:
            continue
        if not ownership.is_same_tenant(tenant, further):
            raise CrossTenantAccessError(
                "an object has rows of different tenants in the tables that its class is mapped "
                f"to: set {attribute} of {ownership.label} to the tenant that the object has"
            )
    for written, key in _keys(info, state):
        other = tenants.get((written, key))
        if other is None:
            continue
        if tenant is None:
            # It belongs to a tenant through what it refers to.
            tenant = other if own is None else None
        elif not (own[0].is_same_tenant(tenant, other) if own is not None else tenant == other):
            _refuse(written.reference)


def _refuse(reference: Reference) -> None:
    raise CrossTenantAccessError(
        f"a foreign key of {reference.label} ({', '.join(reference.columns)}) refers to a row of "
        f"{table_label(reference.parent)} that belongs to another tenant than the row itself; "
        "refer to a row of the same tenant, or declare the table with check_references=False"
    )
