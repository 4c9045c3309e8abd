"""Creates, lists, suspends and activates tenants in the table of a directory."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

from sqlalchemy import Boolean, Column, Engine, Table, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from tenantshield_mw.directory import TenantDirectory, TenantState
from tenantshield_mw.tenant import TenantId

from ..doctor.targets import object_at
from ..errors import ConfigurationError
from ..ownership.limits import undecorated
from ..ownership.model import table_label, tenant_id_type
from ..tenants.table import TenantTable, table_of

__all__ = ["Tenant", "Tenants", "tenants_at"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A row of the table.

    Attributes:
        id: what it is looked up by.
        state: what its state means.
        tenant_id: the id that its requests run under.
        attributes: the further columns of the lookup.
    """

    id: Any
    state: TenantState
    tenant_id: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


def tenants_at(target: str, engine: Engine | None = None) -> Tenants:
    """Return the tenants of the directory that ``target`` names.

    Args:
        target: ``module:attribute`` of a ``TenantDirectory`` or its lookup.
        engine: the database; that of the lookup if ``None``.

    Raises:
        ConfigurationError: it is no directory with a table.
    """
    found = object_at(target)
    lookup = found.lookup if isinstance(found, TenantDirectory) else found
    table = table_of(lookup)
    if table is None:
        raise ConfigurationError(
            f"{target!r} is no directory with a table of tenants: name a TenantDirectory whose "
            "lookup is tenants_in(...)"
        )
    return Tenants(table, found if isinstance(found, TenantDirectory) else None, engine)


class Tenants:
    """The tenants in a table.

    Args:
        table: the table.
        directory: the directory of this process that may have cached them.
        engine: the database; that of the lookup if ``None``.
    """

    def __init__(
        self, table: TenantTable, directory: TenantDirectory | None, engine: Engine | None
    ) -> None:
        self._table = table
        self._directory = directory
        self._source = table.source if engine is None else engine
        self._id = _column(table.id, "id")

    def all(self) -> list[Tenant]:
        """Return all tenants, sorted by id."""
        table = self._table
        named = table.id if table.tenant_id is None else table.tenant_id
        columns: Any = select(table.id, table.state, named, *table.attributes)
        statement = columns.select_from(table.tenants).order_by(table.id)
        keys = [
            str(getattr(each, "key", None) or getattr(each, "name", "?"))
            for each in table.attributes
        ]

        def read(connection: Connection) -> list[Tenant]:
            rows: list[Any] = list(connection.execute(statement))
            return [
                Tenant(id_, self._meaning(state), named, dict(zip(keys, values, strict=True)))
                for id_, state, named, *values in rows
            ]

        return _run(self._source, read)

    def _meaning(self, state: Any) -> TenantState:
        found = (means for value, means in self._table.states if value == state)
        return next(found, TenantState.SUSPENDED)

    def create(self, id_: str, given: Mapping[str, str], state: str | None = None) -> None:
        """Add an active tenant.

        Args:
            id_: its id, as text.
            given: further columns, as text.
            state: the value of the state, as text; needed if several mean active.

        Raises:
            ConfigurationError: a value is invalid or missing, or there is such a tenant.
        """
        table = self._id.table
        column = self._state_column()
        if column.table is not table:
            raise ConfigurationError(
                "the id and the state of the directory are in different tables: create the tenant "
                "in your application"
            )
        values: dict[Column[Any], Any] = {
            _named(table, name): _parsed(_named(table, name), text) for name, text in given.items()
        }
        values |= {
            self._id: self._parsed_id(id_),
            column: self._value(column, TenantState.ACTIVE, state),
        }
        missing = [each.name for each in table.c if each not in values and _is_required(each)]
        if missing:
            raise ConfigurationError(
                f"{table_label(table)} needs values for {', '.join(missing)}: "
                f"{' '.join(f'--set {name}=...' for name in missing)}"
            )
        asked = values[self._id]

        def write(connection: Connection) -> None:
            if self._found(connection, asked):
                raise ConfigurationError("there is a tenant with this id")
            try:
                connection.execute(insert(table).values(values))
            except IntegrityError:
                raise ConfigurationError(
                    f"{table_label(table)} does not take the tenant: another row has one of the "
                    "values that must be unique, or a value refers to nothing"
                ) from None

        _run(self._source, write)
        self._forget(asked)

    def change(self, id_: str, to: TenantState, state: str | None = None) -> bool:
        """Suspend or activate a tenant.

        Args:
            id_: its id, as text.
            to: the new state.
            state: the value of the state, as text; needed if none or several mean it.

        Returns:
            Whether it had another state before.

        Raises:
            ConfigurationError: there is no such tenant, or the value is invalid.
        """
        column = self._state_column()
        value = self._value(column, to, state)
        asked = self._parsed_id(id_)
        keys = [*column.table.primary_key]

        def write(connection: Connection) -> tuple[bool, Any]:
            found = self._found(connection, asked)
            if len(found) != 1:
                raise ConfigurationError(
                    "several tenants have this id" if found else "there is no tenant with this id"
                )
            _, now, named, *key = found[0]
            if now == value:
                return False, named
            statement = update(column.table).values({column: value})
            connection.execute(
                statement.where(*(each == part for each, part in zip(keys, key, strict=True)))
            )
            return True, named

        changed, named = _run(self._source, write)
        self._forget(asked, named)
        return changed

    def set_attributes(self, id_: str, values: Mapping[str, Any]) -> None:
        """Write further columns of the lookup.

        Args:
            id_: the tenant's id, as text.
            values: the values by the keys of the columns.

        Raises:
            ConfigurationError: there is no such tenant, or no such column that can be written.
        """
        asked = self._parsed_id(id_)
        columns = {
            getattr(each, "key", None) or getattr(each, "name", ""): _column(
                getattr(each, "element", each), "attributes"
            )
            for each in self._table.attributes
        }
        written = {columns[key]: value for key, value in values.items()}
        if any(column.table is not self._id.table for column in written):
            raise ConfigurationError(
                "the id and the attributes of the directory are in different tables: write them in "
                "your application"
            )

        def write(connection: Connection) -> Any:
            found = self._found(connection, asked)
            if len(found) != 1:
                raise ConfigurationError(
                    "several tenants have this id" if found else "there is no tenant with this id"
                )
            statement = update(self._id.table).where(self._id == asked)
            connection.execute(statement.values(written))
            return found[0][2]

        self._forget(asked, _run(self._source, write))

    def _found(self, connection: Connection, asked: TenantId) -> list[Any]:
        """Return the rows with exactly this id: id, state, tenant id, and key of the state."""
        table = self._table
        named = table.id if table.tenant_id is None else table.tenant_id
        column = self._state_column()
        columns: Any = select(table.id, column, named, *column.table.primary_key)
        statement = columns.select_from(table.tenants).where(table.id == asked)
        return [row for row in connection.execute(statement) if row[0] == asked]

    def _forget(self, *ids: Any) -> None:
        if self._directory is not None:
            for each in ids:
                self._directory.invalidate(each)

    def _parsed_id(self, text: str) -> Any:
        kind = tenant_id_type(self._id.type, "the id= of tenants_in()")
        try:
            return kind(text)
        except ValueError:
            raise ConfigurationError(f"the id is no {kind.__name__}") from None

    def _state_column(self) -> Column[Any]:
        return _column(self._table.state, "state")

    def _value(self, column: Column[Any], meaning: TenantState, given: str | None) -> Any:
        """Return the value of the state that means ``meaning``."""
        name = meaning.value
        if given is not None:
            value = _parsed(column, given)
            if self._meaning(value) is not meaning:
                raise ConfigurationError(
                    f"{given!r} does not mean {name} in the states= of tenants_in()"
                )
            return value
        values = [value for value, means in self._table.states if means is meaning]
        if meaning is TenantState.SUSPENDED and not values:
            if isinstance(undecorated(column.type), Boolean):
                return False
            raise ConfigurationError(
                "the states= of tenants_in() list no value that means suspended: add one, such as "
                '"suspended": TenantState.SUSPENDED, or name it by --state'
            )
        if len(values) > 1:
            raise ConfigurationError(f"several values mean {name}: name one by --state")
        return values[0]


def _column(given: Any, name: str) -> Column[Any]:
    """Return the column of a table that an argument of ``tenants_in()`` is.

    Raises:
        ConfigurationError: it is an expression.
    """
    columns = getattr(getattr(given, "property", None), "columns", [given])
    if isinstance(columns[0], Column):
        return columns[0]
    raise ConfigurationError(
        f"the {name}= of tenants_in() is an expression, which cannot be written: give it a column, "
        "or change the table in your application"
    )


def _named(table: Table, name: str) -> Column[Any]:
    found = next((column for column in table.c if name in (column.name, column.key)), None)
    if found is None:
        raise ConfigurationError(f"{table_label(table)} has no column {name!r}")
    return found


def _is_required(column: Column[Any]) -> bool:
    return not (
        column.nullable
        or column.default is not None
        or column.server_default is not None
        or column is column.table.autoincrement_column
    )


_BOOLEANS: Final = {"true": True, "false": False}

_PARSERS: Final[Mapping[type, Callable[[str], Any]]] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: _BOOLEANS[text],
    uuid.UUID: uuid.UUID,
    Decimal: Decimal,
    dt.date: dt.date.fromisoformat,
    dt.datetime: dt.datetime.fromisoformat,
    dict: json.loads,
    list: json.loads,
}


def _parsed(column: Column[Any], text: str) -> Any:
    """Return the value that ``text`` stands for in a column.

    Raises:
        ConfigurationError: there is none.
    """
    label = f"{table_label(column.table)}.{column.name}"
    try:
        kind: type = column.type.python_type
    except NotImplementedError:
        raise ConfigurationError(f"{label} has a type that cannot be given as text") from None
    try:
        if issubclass(kind, enum.Enum):
            named = kind.__members__
            return named[text] if text in named else kind(text)
        return _PARSERS[kind](text)
    except (ArithmeticError, KeyError, ValueError):
        raise ConfigurationError(f"the value for {label} is no {kind.__name__}") from None


# -- running ---------------------------------------------------------------------


def _run(source: Any, call: Callable[[Connection], T]) -> T:
    """Call ``call`` in a transaction of what opens connections, sync or async."""
    if isinstance(source, Engine):
        with source.begin() as connection:
            return call(connection)
    if isinstance(source, sessionmaker):
        with source.begin() as session:
            return call(session.connection())
    return asyncio.run(_run_async(source, call))


async def _run_async(source: Any, call: Callable[[Connection], T]) -> T:
    async with source.begin() as opened:
        # An AsyncSession has a connection, and an AsyncEngine yields one.
        connection = await opened.connection() if hasattr(opened, "sync_session") else opened
        engine = connection.engine
        found: T = await connection.run_sync(call)
    # Its connections belong to this event loop, which ends.
    await engine.dispose()
    return found
