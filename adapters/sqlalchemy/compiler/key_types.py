"""Types that convert a foreign key in the database, or make a key of NULL.

A foreign key is looked up as it was given, through the conversion of its type. That is the key that
is written only if the conversion is one of the value alone.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BindParameter, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.expression import FromClause, SelectBase
from sqlalchemy.sql.functions import FunctionElement, next_value
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import Float, Integer, NullType, Numeric, TypeEngine

from ..errors import UnguardedStatementError
from ..ownership.limits import undecorated
from ..ownership.model import Reference, table_label
from ..ownership.narrowing import fits_of

__all__ = [
    "check_conversion",
    "converted",
    "database_type",
    "is_exact_number",
    "is_sqlalchemys_own",
    "mixes_exactly",
    "parent_types",
]

_MORE_THAN_THE_VALUE: Final = (
    ColumnClause,
    FromClause,
    SelectBase,
    TextClause,
)


def is_sqlalchemys_own(type_: TypeEngine[Any]) -> bool:
    """Return whether ``type_`` is no type of the application, which may convert in any way."""
    # private: the types that replace this one on some databases.
    return all(
        type(each).__module__.startswith("sqlalchemy.")
        for each in (type_, *type_._variant_mapping.values())
    )


def database_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the database's own type behind ``type_``."""
    return undecorated(type_.dialect_impl(dialect))


def parent_types(reference: Reference) -> list[TypeEngine[Any]]:
    """Return the types of the columns to which a foreign key refers, as they are declared."""
    types = {column.name: column.type for column in reference.parent.c}
    return [types.get(name, NullType()) for name in reference.parent_columns]


def is_exact_number(type_: TypeEngine[Any]) -> bool:
    """Return whether a type that is not decorated stores numbers digit by digit."""
    # In SQLAlchemy 2.0, a Float is a Numeric.
    return isinstance(type_, Integer | Numeric) and not isinstance(type_, Float)


def mixes_exactly(type_: TypeEngine[Any], key: TypeEngine[Any]) -> bool:
    """Return whether a value of ``type_`` beside a key in an expression leaves the key as it is.

    All that a ``coalesce()``, ``CASE`` or ``UNION`` may yield gets one type. A whole number beside
    a ``FLOAT`` becomes one, and loses digits.

    Args:
        type_: the type of the value.
        key: the type of the key.
    """
    if all(map(_is_exact_number_everywhere, (type_, key))):
        return True
    return not isinstance(undecorated(type_), NullType) and fits_of(type_, key) is None


def _is_exact_number_everywhere(type_: TypeEngine[Any]) -> bool:
    # private: the types that replace this one on some databases.
    return all(
        is_exact_number(undecorated(each)) for each in (type_, *type_._variant_mapping.values())
    )


def converted(value: BindParameter[Any], dialect: Dialect) -> Any:
    """Return what the database makes of a value of that type; ``None`` if it takes it as it is."""
    return value.type.dialect_impl(dialect).bind_expression(value)


def _is_more(part: Any) -> bool:
    # A function can be a FROM, too.
    is_function = isinstance(part, FunctionElement) and not isinstance(part, next_value)
    return isinstance(part, _MORE_THAN_THE_VALUE) and not is_function


def check_conversion(type_: TypeEngine[Any], dialect: Dialect, reference: Reference) -> None:
    """Refuse a type by which another key may be written than the one that is looked up.

    Args:
        type_: the type of a value of a foreign key.
        dialect: the dialect of the database.
        reference: the foreign key.

    Raises:
        UnguardedStatementError: its ``bind_expression()`` reads something else than the value, or
            not the value once.
    """
    given = BindParameter(None, None, type_=type_, unique=True)
    expression = converted(given, dialect)
    if expression is None:
        return
    parts = list(iterate(expression))
    if any(map(_is_more, parts)) or sum(each is given for each in parts) != 1:
        raise UnguardedStatementError(
            f"{', '.join(reference.columns)} of {reference.label} has a type whose "
            "bind_expression() contains a subquery or other SQL than a conversion of its value, so "
            f"it is not known which {table_label(reference.parent)} it refers to: convert the "
            "value in process_bind_param()"
        )
