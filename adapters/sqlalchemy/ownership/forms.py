"""What a type is on each of the supported databases.

A type may be another one on some of them: by ``with_variant()``, its own or that of what it
decorates, or by a decorator's ``load_dialect_impl()``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import URL
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import Integer, Interval, String, TypeDecorator, TypeEngine, Uuid

from ..databases import DATABASES

__all__ = [
    "NOT_TAKEN",
    "Form",
    "affinity_is_number",
    "are_sent_in_one_way",
    "ddl_of",
    "form_on",
    "forms_of",
    "state_of",
]

NOT_TAKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a decorator raises for a value that it does not take."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a type is on one database."""

    dialect: Dialect
    layers: tuple[TypeDecorator[Any], ...]
    """The decorators, the outermost one first."""
    stored: TypeEngine[Any]
    """The type behind them, but for an ``Interval``, whose precision is its own."""

    def sent(self, value: Any) -> Any:
        """Return what the decorators make of ``value``."""
        for each in self.layers:
            if _converts_values(each):
                value = each.process_bind_param(value, self.dialect)
        return value

    def read(self, value: Any) -> Any:
        """Return what the decorators make of a value that comes from the database."""
        for each in reversed(self.layers):
            if type(each).process_result_value is not TypeDecorator.process_result_value:
                value = each.process_result_value(value, self.dialect)
        return value

    @property
    def converting(self) -> tuple[TypeDecorator[Any], ...]:
        """The decorators that may send another value than they get."""
        return tuple(filter(_converts_values, self.layers))


def _converts_values(type_: TypeDecorator[Any]) -> bool:
    return type(type_).process_bind_param is not TypeDecorator.process_bind_param


@cache
def _dialects() -> tuple[Dialect, ...]:
    # Without a driver, which a type does not depend on.
    return tuple(URL.create(name).get_dialect()() for name in DATABASES)


def forms_of(type_: TypeEngine[Any]) -> tuple[Form, ...]:
    """Return what ``type_`` is on each of the supported databases."""
    return tuple(form_on(type_, dialect) for dialect in _dialects())


def form_on(type_: TypeEngine[Any], dialect: Dialect) -> Form:
    """Return what ``type_`` is on the database of ``dialect``."""
    layers: list[TypeDecorator[Any]] = []
    while True:
        # private: the types that replace this one on some databases.
        type_ = type_._variant_mapping.get(dialect.name, type_)
        if not isinstance(type_, TypeDecorator) or isinstance(type_, Interval):
            return Form(dialect, tuple(layers), type_)
        layers.append(type_)
        type_ = _decorated(type_, dialect)


def _decorated(type_: TypeDecorator[Any], dialect: Dialect) -> TypeEngine[Any]:
    try:
        return type_.load_dialect_impl(dialect)
    except Exception:  # noqa: BLE001
        # The application's own, which may not know a database that it does not use.
        return type_.impl_instance


def ddl_of(type_: TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return how ``type_`` is written in a table's definition; ``None`` if it cannot be."""
    try:
        return type_.compile(dialect)
    except (CompileError, AttributeError, NotImplementedError, TypeError):
        return None


_KEEPING_TEXTS: Final = ("CHAR", "CLOB", "TEXT", "BLOB")


def affinity_is_number(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Return whether SQLite makes a number of a text that looks like one, in such a column.

    See https://sqlite.org/datatype3.html#determination_of_column_affinity.
    """
    ddl = (ddl_of(type_, dialect) or "TEXT").upper()
    return "INT" in ddl or not any(each in ddl for each in _KEEPING_TEXTS)


# -- what is sent ------------------------------------------------------------------


def are_sent_in_one_way(left: TypeEngine[Any], right: TypeEngine[Any]) -> bool:
    """Return whether two types are known to send the same for every value, on all databases."""
    return left is right or all(
        _are_alike(*pair) for pair in zip(forms_of(left), forms_of(right), strict=True)
    )


def _are_alike(left: Form, right: Form) -> bool:
    ours, theirs = left.converting, right.converting
    return (
        len(ours) == len(theirs)
        and all(map(_convert_alike, ours, theirs))
        and _family(left.stored) is _family(right.stored)
    )


def _convert_alike(left: TypeDecorator[Any], right: TypeDecorator[Any]) -> bool:
    # What they decorate is compared by itself.
    return type(left) is type(right) and dict(_settings(left)) == dict(_settings(right))


def _settings(type_: TypeDecorator[Any]) -> Iterator[tuple[str, Any]]:
    for name, value in state_of(type_).items():
        if name != "impl":
            yield name, repr(value) if isinstance(value, TypeEngine) else value


def _family(type_: TypeEngine[Any]) -> type[Any]:
    families: tuple[type[Any], ...] = (String, Integer, Uuid)
    return next((each for each in families if isinstance(type_, each)), type(type_))


def state_of(type_: TypeEngine[Any]) -> dict[str, Any]:
    """Return what an instance of a type holds, without what SQLAlchemy remembers in it."""
    of_class = type(type_)
    return {
        name: value
        for name, value in vars(type_).items()
        # private: the types for other databases, which are compared by themselves.
        if name not in ("_variant_mapping", "dispatch")
        and not hasattr(getattr(of_class, name, None), "__get__")
    }
