"""How a tenant column is compared, so that only the same identifier matches.

A column's type may bring operators of its own, and a database may fold case. Neither has
a say in whose row it is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, LargeBinary, and_, cast, collate
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.types import String, TypeDecorator, TypeEngine

from ..ownership.model import ColumnOwnership

__all__ = ["exactly", "same"]


def same(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return ``left = right``, whatever the type of either makes of ``==``."""
    return BinaryExpression(left, right, operators.eq, type_=Boolean())


def exactly(
    column: ColumnElement[Any], tenant: ColumnElement[Any], rule: ColumnOwnership, dialect: Dialect
) -> ColumnElement[bool]:
    """Return that ``column`` holds ``tenant`` to the letter.

    Args:
        column: the tenant column of some table, or alias of a table, in the statement.
        tenant: the bound parameter that stands for the tenant in scope.
        rule: what is declared of the column.
        dialect: the database's; some take ``"Acme"`` for ``"acme"``.
    """
    stored = _stored(rule.type_, dialect)
    if rule.python_type is not str or not isinstance(stored, String):
        return same(column, tenant)
    if dialect.name in ("mysql", "mariadb"):
        # Their default collations fold case. The first term can use an index, the second
        # tells the two apart.
        return and_(same(column, tenant), same(cast(column, LargeBinary), tenant))
    if dialect.name == "sqlite":
        # The database's table may have another collation than the model says. An index on
        # a column without one is used with this.
        to_the_letter = same(collate(column, "BINARY"), tenant)
        if stored.collation and stored.collation.upper() != "BINARY":
            return and_(same(column, tenant), to_the_letter)
        return to_the_letter
    return same(column, tenant)


def _stored(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type of the database's that is behind ``type_``."""
    stored = type_.dialect_impl(dialect)
    while isinstance(stored, TypeDecorator):
        stored = stored.impl_instance
    return stored
