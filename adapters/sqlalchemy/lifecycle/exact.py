"""What the database is asked for, so that nothing of a value is lost on its way to a file.

Drivers and SQLAlchemy's types round numbers, fold times and read JSON of which they keep less.
Where they may, the database's own text is asked for instead, or what the driver has before
SQLAlchemy converts it; and a value that a file would not hold exactly is refused.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakSet

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import ARRAY, Float, Uuid

from ..ownership.limits import stored_type
from ..ownership.model import table_label
from ..raw_sql.checks import REVIEWED
from .arrays import array_items, mapped
from .values import ColumnValues, UnfitValueError

__all__ = ["Reading", "keep_documents", "reading_of", "settle_texts"]

_Convert: TypeAlias = Callable[[str], Any]
_Texts: TypeAlias = Mapping[str, _Convert]
"""What returns the value of the database's text, by the name of the kind."""

_KEEPING: Final[WeakSet[Dialect]] = WeakSet()

_SETTINGS: Final = {
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "3",
    "IntervalStyle": "postgres",
}
"""Of PostgreSQL, of which the text of a value depends."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the value of one column is read.

    Attributes:
        values: the column.
        expression: what the database is asked for.
        witness: what it is asked for beside it; if there is none, nothing.
        convert: returns the value of both; it fails with a ``ValueError`` where it would be
            another one than the database has. ``None`` if the value is asked for as it is.
    """

    values: ColumnValues
    expression: ColumnElement[Any]
    witness: ColumnElement[Any] | None = None
    convert: Callable[..., Any] | None = None

    @property
    def write(self) -> Callable[..., Any]:
        """What returns what was found, and the witness if there is one, as JSON.

        It raises an :class:`UnfitValueError` if that is not one of the column's type, or if a file
        would not hold it exactly.
        """
        if self.convert is None:
            return self.values.write
        return partial(self._write_converted, self.convert)

    def _write_converted(self, convert: Callable[..., Any], found: Any, *witness: Any) -> Any:
        if found is None:
            return None
        try:
            value = convert(found, *witness)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Without the value, which is somebody's data.
            column = self.values.column
            raise UnfitValueError(
                f"{table_label(column.table)}.{column.name} holds a value that would be changed on "
                f"its way to a file, as {self.values.kind}: change it in the database to one that "
                "fits, or declare the type of the column so that it does"
            ) from None
        return self.values.write(value)


def keep_documents(dialect: Dialect) -> None:
    """Let documents of JSON stay texts, for an engine whose serializer leaves them as they are."""
    _KEEPING.add(dialect)


def settle_texts(connection: Connection) -> None:
    """Let PostgreSQL write all digits, until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        settings = [
            func.pg_catalog.set_config(name, each, literal(True))  # noqa: FBT003 - SQL's
            for name, each in _SETTINGS.items()
        ]
        # The guard cannot know which settings these are.
        connection.execute(select(*settings), execution_options={REVIEWED: True})


def reading_of(values: ColumnValues, stored: ColumnElement[Any], dialect: Dialect) -> Reading:
    """Return how a column is read.

    Args:
        values: the column.
        stored: the column, as the database has it.
        dialect: the database's dialect.
    """
    makers = {"postgresql": _of_postgresql, "sqlite": _of_sqlite}
    plain: Any = stored_type(values.type_.dialect_impl(dialect))
    texts = {**_OF_TEXT, "json": _same} if dialect in _KEEPING else _OF_TEXT
    made = makers.get(dialect.name, _of_mysql)(values, plain, texts)
    bound: tuple[str, ...] = _AS_BOUND if dialect.name == "sqlite" else ()
    if isinstance(plain, Uuid) and plain.compile(dialect=dialect) != "UUID":
        # A text, which may be a UUID in another spelling.
        bound = ("uuid",)
    if made is None and values.kind in bound:
        made = Reading(values, type_coerce(values.column, Text), None, _as_bound(values, dialect))
    return made or Reading(values, stored)


# -- PostgreSQL ------------------------------------------------------------------


def _of_postgresql(values: ColumnValues, plain: Any, texts: _Texts) -> Reading | None:
    text = cast(values.column, Text)
    if isinstance(plain, ARRAY):
        item = values.kind.removeprefix("array of ")
        if item == "json":
            document = partial(
                _item, texts["json"], getattr(plain.item_type, "none_as_null", False)
            )
            return Reading(values, text, None, partial(_array, document))
        if item == "interval" and getattr(plain.item_type, "native", True):
            return Reading(values, text, None, partial(_array, partial(_unless_null, _interval)))
        if item in texts:
            return Reading(values, text, None, partial(_array, partial(_unless_null, texts[item])))
    elif isinstance(plain, postgresql.INTERVAL):
        return Reading(values, text, None, _interval)
    elif values.kind in texts:
        return Reading(values, text, None, texts[values.kind])
    days = values.kind.endswith(("date", "datetime"))
    if not isinstance(plain, ARRAY) and not days:
        return None
    beyond = text.regexp_match(_DAYS_BEYOND if days else _ARRAY_BEYOND)
    return Reading(values, type_coerce(values.column, values.type_), beyond, _unless_beyond)


_ARRAY_BEYOND: Final = r"^\["
"""Such as ``[0:1]={5,6}``, of which Python has no list."""

_DAYS_BEYOND: Final = r"^\[[-0-9:[\]]+=|infinity"
"""And no day at all, for which psycopg2 returns Python's last one."""


def _array(convert: Callable[[str | None], Any], text: str) -> Any:
    return mapped(convert, array_items(text))


def _unless_null(convert: _Convert, text: str | None) -> Any:
    return None if text is None else convert(text)


def _item(convert: _Convert, none_is_null: bool, text: str | None) -> Any:
    # SQLAlchemy stores one of the two for None.
    if (text is None and not none_is_null) or (text == "null" and none_is_null):
        raise ValueError
    return _unless_null(convert, text)


def _unless_beyond(value: Any, is_beyond: bool) -> Any:
    if is_beyond:
        raise ValueError
    return value


_INTERVAL: Final = re.compile(
    r"(?:([+-]?\d+) days?)? ?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?", re.ASCII
)


def _interval(text: str) -> dt.timedelta:
    found = _INTERVAL.fullmatch(text)
    if found is None or found[2] == "-":
        # Months; or hours of another sign than Python has, which are another interval.
        raise ValueError
    hours, minutes, seconds = (int(each or 0) for each in found.group(3, 4, 5))
    if hours > 23:
        raise ValueError
    micro = int((found[6] or "").ljust(6, "0"))
    return dt.timedelta(int(found[1] or 0), seconds, micro, 0, minutes, hours)


# -- MySQL and MariaDB -----------------------------------------------------------


def _of_mysql(values: ColumnValues, plain: Any, texts: _Texts) -> Reading | None:
    column = values.column
    if values.kind == "json":
        return Reading(values, type_coerce(column, Text), None, texts["json"])
    if values.kind == "boolean":
        return Reading(values, type_coerce(column, Integer), None, _truth)
    if values.kind in _MOMENTS:
        return Reading(values, cast(column, Text), None, _MOMENTS[values.kind].fromisoformat)
    if values.kind not in ("float", "decimal"):
        return None
    # Six digits are written of a FLOAT, and all of the DOUBLE that it is made here.
    double: Any = type_coerce(column, Float) + literal(0.0, Float)
    convert = texts[values.kind]
    if isinstance(plain, Float) and getattr(plain, "scale", None) is not None:
        # Its own text has as many places as were declared.
        return Reading(values, func.concat(double, type_=Text), None, convert)
    both = func.concat(column, " ", double, type_=Text)
    return Reading(values, both, None, lambda found: convert(_longest(found)))


def _longest(found: str) -> str:
    """Return the text that has all digits: of a number as it is, and as a DOUBLE."""
    text, double = found.split(" ")
    number = Decimal(text)
    digits = len(number.normalize().as_tuple().digits)
    # A DOUBLE holds any 15 digits. Where it has others, the number is a FLOAT of more.
    return double if digits <= 15 and Decimal(double) != number else text


# -- SQLite ----------------------------------------------------------------------


def _of_sqlite(values: ColumnValues, plain: Any, texts: _Texts) -> Reading | None:
    # Nothing is converted of a text.
    raw = type_coerce(values.column, Text)
    if values.kind == "json":
        return Reading(values, raw, None, _json_of_sqlite)
    if values.kind == "boolean":
        return Reading(values, raw, None, _truth)
    if values.kind == "float":
        return Reading(values, raw, None, _float_of_sqlite)
    if values.kind == "decimal":
        scale = getattr(plain, "decimal_return_scale", None)
        scale = getattr(plain, "scale", None) if scale is None else scale
        return Reading(
            values, raw, None, partial(_decimal_of_sqlite, 10 if scale is None else scale)
        )
    return None


def _json_of_sqlite(found: Any) -> Any:
    # It stores a document that is a number as one.
    if type(found) in (int, float):
        return found
    return _json(found)


def _float_of_sqlite(found: Any) -> float:
    if type(found) not in (int, float) or (found == found and float(found) != found):
        raise ValueError
    return float(found)


def _decimal_of_sqlite(scale: int, found: Any) -> Decimal:
    number = _float_of_sqlite(found)
    text = f"{number:.{scale}f}"
    # As SQLAlchemy has it, unless that has fewer digits than the number.
    return Decimal(text if float(text) == number else repr(number))


def _as_bound(values: ColumnValues, dialect: Dialect) -> Callable[[Any], Any]:
    """Return what converts a value that would be stored as it is found, or is the same moment."""
    impl = values.type_.dialect_impl(dialect)
    process = impl.result_processor(dialect, None) or _same
    bind = impl.bind_processor(dialect) or _same

    def convert(found: Any) -> Any:
        value: Any = process(found)
        if bind(values.read(values.write(value))) == found:
            return value
        moment: Any = _EPOCH + value if values.kind == "interval" else value
        # Such as a moment without its microseconds.
        if not _CLOCK.fullmatch(found) or type(moment).fromisoformat(found) != moment:
            raise ValueError
        return value

    return convert


def _same(value: Any) -> Any:
    return value


# -- values of texts -------------------------------------------------------------

_CLOCK: Final = re.compile(
    r"(?:\d{4}-\d\d-\d\d)?[ T]?(?:\d\d:\d\d(?::\d\d(?:\.\d{1,6}0*)?)?)?", re.ASCII
)
"""A date, a time or both; without a zone, and with no more places than Python has."""

_EPOCH: Final = dt.datetime.fromisoformat("1970-01-01")
"""Where SQLAlchemy counts intervals from."""

_AS_BOUND: Final = ("date", "datetime", "interval", "time", "uuid")

_MOMENTS: Final[dict[str, Any]] = {"date": dt.date, "datetime": dt.datetime, "time": dt.time}


def _truth(found: Any) -> bool:
    if type(found) not in (int, bool) or found not in (0, 1):
        raise ValueError
    return bool(found)


def _float(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        if Decimal(text) != Decimal(repr(number)):
            raise ValueError
    elif Decimal(text).is_finite():
        raise ValueError
    return number


def _float_of_column(text: str) -> float:
    # Only a float has an exponent. PostgreSQL writes more digits of a large one than Python.
    return float(text) if "e" in text else _float(text)


def _json(text: str) -> Any:
    if not isinstance(text, str):
        raise TypeError
    return _DOCUMENTS.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


_DOCUMENTS: Final = json.JSONDecoder(parse_float=_float, object_pairs_hook=_object)

_OF_TEXT: Final[_Texts] = {
    "float": _float_of_column,
    "decimal": Decimal,
    "json": _json,
}
