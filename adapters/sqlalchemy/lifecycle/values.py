"""How the value of a column is written as JSON, and read back as exactly the same value.

The column's type decides how, so that the files need no marks of their own. Behind a
``TypeDecorator`` the value that the database stores is written: what is encrypted stays encrypted,
and nothing is unpickled.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import ipaddress
import json
import math
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, null
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.dialects.postgresql.ranges import (
    DATERANGE,
    INT4RANGE,
    INT8RANGE,
    NUMRANGE,
    TSRANGE,
    TSTZRANGE,
    AbstractMultiRange,
    AbstractRange,
    MultiRange,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import (
    ARRAY,
    JSON,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    Numeric,
    String,
    Time,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from ..errors import ConfigurationError
from ..ownership.model import table_label

__all__ = ["ColumnValues", "UnfitValueError", "values_of"]


class UnfitValueError(ConfigurationError):
    """A value is not one of its column's type, or a file would not hold it exactly."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of one type are written and read; neither function is given ``None``."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """How the values of one column are written and read.

    Attributes:
        column: the column.
        kind: the name of the kind, which a manifest has.
        type_: the type with which the database is asked for the value, and given it.
        tells_null: whether ``None`` may be a value in the database, other than ``NULL``.
    """

    column: Column[Any]
    kind: str
    type_: TypeEngine[Any]
    tells_null: bool
    _kind: _Kind

    def write(self, value: Any) -> Any:
        """Return ``value`` as JSON.

        Raises:
            UnfitValueError: it is not one of the column's type.
        """
        if value is None and not self.tells_null:
            return None
        return self._converted(self._kind.write, value)

    def read(self, written: Any) -> Any:
        """Return the value that was written.

        Raises:
            UnfitValueError: it is none of the column's type.
        """
        if written is None:
            # None would be the value null of JSON.
            return null() if self.tells_null else None
        return self._converted(self._kind.read, written)

    def _converted(self, convert: Callable[[Any], Any], value: Any) -> Any:
        try:
            return convert(value)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            # Without the value, which is somebody's data.
            raise UnfitValueError(
                f"{table_label(self.column.table)}.{self.column.name} holds a value that is no "
                f"{self.kind}: a {type(value).__name__}"
            ) from None


def values_of(column: Column[Any], dialect: Dialect) -> ColumnValues:
    """Return how the values of ``column`` are written and read.

    Raises:
        ConfigurationError: its type is not understood.
    """
    plain: TypeEngine[Any] = column.type.dialect_impl(dialect)
    decorated = False
    while isinstance(plain, TypeDecorator) and not isinstance(plain, Interval):
        plain, decorated = plain.impl_instance, True
    kind = _kind_of(plain)
    if kind is None:
        raise ConfigurationError(
            f"{table_label(column.table)}.{column.name} has a type that cannot be written to a "
            f"file, {column.type!r}: give it a type of SQLAlchemy, or a TypeDecorator of one"
        )
    type_ = plain if decorated else column.type
    if kind is _DECIMAL and not getattr(plain, "asdecimal", True):
        # A float would hold fewer digits than the database.
        type_ = plain.adapt(type(plain), asdecimal=True)
    return ColumnValues(column, kind.name, type_, kind.name == "json", kind)


def _kind_of(type_: TypeEngine[Any]) -> _Kind | None:
    for types, kind in _KINDS:
        if isinstance(type_, types):
            return kind if isinstance(kind, _Kind) else kind(type_)
    try:
        # BYTEA, the BLOBs of MySQL, and the like.
        is_binary = type_.python_type is bytes
    except NotImplementedError:
        return None
    return _BYTES if is_binary else None


def _exactly(*types: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        # Not isinstance(): True is no number.
        if type(value) not in types:
            raise TypeError
        return value

    return check


# -- plain values ----------------------------------------------------------------


def _write_float(value: float) -> float | str:
    # JSON has no name for these.
    return float(value) if math.isfinite(value) else repr(float(value))


def _read_float(written: Any) -> float:
    return float(written) if isinstance(written, str) else float(_exactly(float, int)(written))


def _read_decimal(written: Any) -> Decimal:
    return Decimal(_exactly(str)(written))


def _read_float_of_decimal(written: Any) -> float | Decimal:
    # MariaDB takes a large Decimal for a number of 65 digits.
    number = _read_decimal(written)
    return float(number) if Decimal(repr(float(number))) == number else number


def _write_moment(value: dt.datetime) -> str:
    # A database stores the moment, and returns it in the zone of the connection.
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC)
    return value.isoformat()


def _write_interval(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_interval(written: Any) -> dt.timedelta:
    days, seconds, microseconds = map(_exactly(int), written)
    return dt.timedelta(days, seconds, microseconds)


def _write_bytes(value: Any) -> str:
    return base64.b64encode(bytes(memoryview(value))).decode("ascii")


def _read_bytes(written: str) -> bytes:
    return base64.b64decode(written, validate=True)


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _write_address(value: Any) -> str:
    if not isinstance(
        value,
        str
        | ipaddress.IPv4Address
        | ipaddress.IPv6Address
        | ipaddress.IPv4Interface
        | ipaddress.IPv6Interface
        | ipaddress.IPv4Network
        | ipaddress.IPv6Network,
    ):
        raise TypeError
    return str(value)


_TEXT: Final = _Kind("text", _exactly(str), _exactly(str))
_INTEGER: Final = _Kind("integer", _exactly(int), _exactly(int))
_BYTES: Final = _Kind("bytes", _write_bytes, _read_bytes)
_FLOAT: Final = _Kind("float", _write_float, _read_float)
_DECIMAL: Final = _Kind("decimal", lambda value: str(_exactly(Decimal)(value)), _read_decimal)
_DECIMAL_FLOAT: Final = _Kind("decimal", _DECIMAL.write, _read_float_of_decimal)
_DATE: Final = _Kind("date", _iso, dt.date.fromisoformat)
_MOMENT: Final = _Kind("datetime", _write_moment, dt.datetime.fromisoformat)


# -- values with parts -----------------------------------------------------------


def _number(type_: Any) -> _Kind:
    if not isinstance(type_, Float):
        return _DECIMAL
    return _DECIMAL_FLOAT if type_.asdecimal else _FLOAT


def _uuid(type_: Any) -> _Kind:
    read = uuid.UUID if type_.as_uuid else lambda written: str(uuid.UUID(written))
    return _Kind("uuid", lambda value: str(uuid.UUID(str(value))), read)


def _enum(type_: Any) -> _Kind:
    members: type[enum.Enum] | None = type_.enum_class
    if members is None:
        return _Kind("enum", _exactly(str), _exactly(str))

    def write(value: Any) -> str:
        if not isinstance(value, members):
            raise TypeError
        return value.name

    return _Kind("enum", write, lambda written: members[written])


def _write_json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        # NaN and infinities, which Python writes and a strict reader refuses.
        return {"python": json.dumps(value)}
    return {"json": value}


def _read_json(written: Any) -> Any:
    ((name, value),) = written.items()
    if name == "python":
        value = json.loads(value)
    elif name != "json":
        raise ValueError(name)
    # None would be NULL for some of the types.
    return JSON.NULL if value is None else value


def _array(type_: Any) -> _Kind | None:
    plain = type_.item_type
    while isinstance(plain, TypeDecorator) and not isinstance(plain, Interval):
        plain = plain.impl_instance
    item = _kind_of(plain)
    if item is None or plain is not type_.item_type:
        # Its items would be converted by the decorator on their way.
        return None
    if type_.dimensions is None and item.name.startswith(("json", "interval", "multirange")):
        # A list could be an item, or a dimension.
        return None
    depth = type_.dimensions
    sequence = tuple if type_.as_tuple else list
    return _Kind(
        f"array of {item.name}",
        partial(_mapped, item.write, depth, list),
        partial(_mapped, item.read, depth, sequence),
    )


def _mapped(
    convert: Callable[[Any], Any],
    depth: int | None,
    sequence: Callable[[Iterable[Any]], Any],
    value: Any,
) -> Any:
    if not isinstance(value, list | tuple):
        raise TypeError
    below = None if depth is None else depth - 1
    return sequence(
        _mapped(convert, below, sequence, each)
        if isinstance(each, list | tuple) and below != 0
        else None
        if each is None
        else convert(each)
        for each in value
    )


def _write_mapping(value: dict[str, str | None]) -> dict[str, str | None]:
    return {_exactly(str)(key): _exactly(str, type(None))(each) for key, each in value.items()}


_RANGES: Final[tuple[tuple[Any, _Kind], ...]] = (
    (INT4RANGE, _INTEGER),
    (INT8RANGE, _INTEGER),
    (NUMRANGE, _DECIMAL),
    (DATERANGE, _DATE),
    (TSRANGE, _MOMENT),
    (TSTZRANGE, _MOMENT),
)


def _range(type_: Any) -> _Kind | None:
    name = type_.__visit_name__.lower().replace("multi", "")
    bound = next((kind for each, kind in _RANGES if each.__visit_name__.lower() == name), None)
    if bound is None:
        return None

    def write(value: Any) -> dict[str, Any]:
        lower, upper = (
            None if each is None else bound.write(each) for each in (value.lower, value.upper)
        )
        return {"lower": lower, "upper": upper, "bounds": value.bounds, "empty": value.isempty}

    def read(written: Any) -> Any:
        lower, upper = (
            None if written[each] is None else bound.read(written[each])
            for each in ("lower", "upper")
        )
        return Range(lower, upper, bounds=written["bounds"], empty=written["empty"])

    if not isinstance(type_, AbstractMultiRange):
        return _Kind(f"range of {bound.name}", write, read)
    return _Kind(
        f"multirange of {bound.name}",
        lambda value: [write(each) for each in value],
        lambda written: MultiRange(read(each) for each in written),
    )


_KINDS: Final[tuple[tuple[Any, _Kind | Callable[[Any], _Kind | None]], ...]] = (
    # The first that fits: an Enum is a String, for example.
    (Enum, _enum),
    ((Interval, postgresql.INTERVAL), _Kind("interval", _write_interval, _read_interval)),
    (JSON, _Kind("json", _write_json, _read_json)),
    (ARRAY, _array),
    (postgresql.HSTORE, _Kind("hstore", _write_mapping, _write_mapping)),
    (Uuid, _uuid),
    (Boolean, _Kind("boolean", _exactly(bool), _exactly(bool))),
    # A Float is no Numeric in SQLAlchemy 2.1.
    ((Numeric, Float), _number),
    ((Integer, postgresql.OID, mysql.YEAR), _INTEGER),
    # A set, and bits that drivers return as bytes or as a number.
    ((mysql.SET, mysql.BIT), lambda type_: None),
    (String, _TEXT),
    (DateTime, _MOMENT),
    (Date, _DATE),
    (Time, _Kind("time", _iso, dt.time.fromisoformat)),
    (
        (postgresql.INET, postgresql.CIDR, postgresql.MACADDR, postgresql.MACADDR8),
        _Kind("address", _write_address, _exactly(str)),
    ),
    ((postgresql.MONEY, postgresql.BIT), _TEXT),
    ((AbstractRange, AbstractMultiRange), _range),
)
