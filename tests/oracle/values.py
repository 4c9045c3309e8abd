"""Whatever a statement returned, as plain values that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import GeneratorType
from typing import Any

from sqlalchemy import Row, inspect
from sqlalchemy.engine import Result, ScalarResult
from sqlalchemy.orm import WriteOnlyCollection
from sqlalchemy.orm.dynamic import AppenderQuery

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return what a statement gave, as values that can be compared and sorted.

    Objects become their class and what is loaded of them, relationships included;
    nothing is loaded by looking. Rows become a sorted list, since no database promises
    an order that was not asked for.
    """
    return _plain(value, ())


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool | int | float | str | bytes | date | Decimal):
        return value
    if isinstance(value, Result | ScalarResult):
        return _in_order([_plain(each, above) for each in value.all()])
    if isinstance(value, Row | tuple):
        return tuple(_plain(each, above) for each in value)
    if isinstance(value, AppenderQuery):
        return ("dynamic",)
    if isinstance(value, WriteOnlyCollection):
        return ("write-only",)
    if isinstance(value, Mapping):
        return _in_order([(key, _plain(each, above)) for key, each in value.items()])
    if isinstance(value, list | set | frozenset | GeneratorType):
        return _in_order([_plain(each, above) for each in value])
    return _object(value, above)


def _in_order(values: list[Any]) -> list[Any]:
    return sorted(values, key=repr)


def _object(value: Any, above: tuple[int, ...]) -> Any:
    name = type(value).__name__
    if id(value) in above:
        return (name, inspect(value).identity)
    loaded = inspect(value).dict
    return (
        name,
        [
            (key, _plain(loaded[key], (*above, id(value))))
            for key in sorted(loaded)
            if not key.startswith("_sa_")
        ],
    )
