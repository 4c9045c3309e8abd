"""Build the tenant predicates.

A column's type may have operators of its own, and a database may fold case. Neither may
influence which tenant a row belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    and_,
    false,
    literal_column,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause
from sqlalchemy.sql.expression import FromClause, TableClause
from sqlalchemy.types import String, TypeEngine

from ..databases import ExactText, database_for
from ..ownership.limits import converts_in_database
from ..ownership.model import ColumnOwnership, ParentKey, converts_alike
from .key_types import database_type

__all__ = [
    "OwnRows",
    "Predicates",
    "TenantEquality",
    "column_of",
    "exactly",
    "is_joined",
    "is_own",
    "keys_of",
    "keys_per_query",
    "same",
]

_IS_BOOLEAN: Final = Boolean()

_PARENTS: Final = ("tenantshield_parent", "tenantshield_guarded")
"""Prefixes of the parents' aliases: the first, or the second if the tied table's name begins
with the first. Neither begins with the other."""

_IS_JOINED: Final = "_tenantshield_is_joined"
"""The attribute of a ``SELECT`` that the guard has built, and of its clones."""

_IS_OWN: Final = "_tenantshield_is_own"
"""The same, for one that shows only the tenant's own rows."""


def column_of(element: FromClause, name: str, type_: Any = None) -> ColumnElement[Any]:
    """Return the column ``name`` of ``element``, whether or not the construct lists it.

    In the database, the table of a bare ``table("invoice")`` or a partly reflected ``Table`` has
    the column all the same.
    """
    column: ColumnClause[Any] = ColumnClause(name, type_)
    column.table = element
    return column


def keys_of(
    parent: FromClause,
    names: Sequence[str],
    types: Sequence[TypeEngine[Any]],
    keys: Sequence[tuple[Any, ...]],
) -> tuple[list[ColumnElement[Any]], ColumnElement[bool]]:
    """Return the columns ``names`` of ``parent``, and the criterion that they are one of ``keys``.

    Args:
        parent: the table.
        names: the names of the columns.
        types: the types that convert the values when they are written.
        keys: the values.
    """
    columns = [column_of(parent, name, type_) for name, type_ in zip(names, types, strict=True)]
    if _needs_conditions(types):
        return columns, or_(false(), *(_all_same(columns, types, key) for key in keys))
    # Not by the columns above, whose types may compare in their own way.
    compared = [column_of(parent, name) for name in names]
    if len(columns) > 1:
        return columns, tuple_(*compared, types=types).in_(keys)
    # With an explicit type; otherwise the type would be inferred from the value.
    values = [value for (value,) in keys]
    given = BindParameter(None, values, type_=types[0], expanding=True, unique=True)
    return columns, compared[0].in_(given)


def keys_per_query(types: Sequence[TypeEngine[Any]]) -> int:
    """Return how many keys of ``types`` to look up at once.

    Databases limit the parameters of a statement, and the depth of its conditions.
    """
    return 200 if _needs_conditions(types) else 5_000


def _needs_conditions(types: Sequence[TypeEngine[Any]]) -> bool:
    """Return whether each key of ``types`` is compared in a condition of its own.

    In an expanding parameter, SQLAlchemy does not convert a tuple in the database, nor with other
    parameters. And it does not cast the values of a tuple as those that it writes.
    """
    if any(map(converts_in_database, types)):
        return True
    return len(types) > 1 and not all(converts_alike(each, each) for each in types)


def _all_same(
    columns: Sequence[ColumnElement[Any]],
    types: Sequence[TypeEngine[Any]],
    key: tuple[Any, ...],
) -> ColumnElement[bool]:
    values = (
        BindParameter(None, value, type_=type_, unique=True)
        for value, type_ in zip(key, types, strict=True)
    )
    return and_(*map(same, columns, values))


def same(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return ``left = right``, even if a column's type overrides ``==``."""
    return BinaryExpression(left, right, operators.eq, type_=_IS_BOOLEAN)


class TenantEquality(BinaryExpression[Any]):
    """``column = :tenant``, with a visit method of its own, since most statements have one.

    Attributes:
        before_column: what stands before the column, such as a function and its parenthesis.
        after_column: what stands behind it, such as a collation.
        shared: the value in rows that every tenant reads, to which the column may be equal, too;
            ``None`` if there is none.
    """

    __visit_name__ = "tenantshield_equality"
    inherit_cache = False

    def __init__(
        self,
        column: ColumnElement[Any],
        tenant: ColumnElement[Any],
        after_column: str = "",
        before_column: str = "",
        shared: ColumnElement[Any] | None = None,
    ) -> None:
        super().__init__(column, tenant, operators.eq, type_=_IS_BOOLEAN)
        self.before_column = before_column
        self.after_column = after_column
        self.shared = shared


class OwnRows(BinaryExpression[Any]):
    """True for the tenant's own rows of a table, and not for those that every tenant reads.

    It is rendered by the guard, in statements of the guard. Its two sides are a column of the
    table: they only make it part of the statement's cache key.
    """

    __visit_name__ = "tenantshield_own_rows"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column, column, operators.eq, type_=_IS_BOOLEAN)


def exactly(
    column: ColumnElement[Any],
    tenant: ColumnElement[Any],
    rule: ColumnOwnership,
    shared: ColumnElement[Any] | None = None,
    *,
    dialect: Dialect,
) -> ColumnElement[bool]:
    """Return an exact comparison of ``column`` with ``tenant``, or with ``shared`` as well.

    Args:
        column: the tenant column of a table or an alias in the statement.
        tenant: the bound parameter for the tenant in scope.
        rule: the column's declaration.
        shared: the parameter for the value in the rows that every tenant reads, if these count.
        dialect: the dialect; some databases treat ``"Acme"`` and ``"acme"`` as equal.
    """
    stored = database_type(rule.type_, dialect)
    if rule.python_type is not str or not isinstance(stored, String):
        return TenantEquality(column, tenant, shared=shared)
    exact_text = database_for(dialect).exact_text
    if exact_text is ExactText.BINARY_CAST:
        # The first term can use an index, the second compares the bytes, in the character set of
        # the parameter.
        return and_(
            TenantEquality(column, tenant, shared=shared),
            TenantEquality(
                column, tenant, " USING utf8mb4) AS BINARY)", "CAST(CONVERT(", shared=shared
            ),
        )
    if exact_text is ExactText.BINARY_COLLATION:
        # The table in the database may have another collation than the model. An index on a
        # column without a collation is still used.
        is_same = TenantEquality(column, tenant, " COLLATE BINARY", shared=shared)
        if stored.collation and stored.collation.upper() != "BINARY":
            return and_(TenantEquality(column, tenant, shared=shared), is_same)
        return is_same
    return TenantEquality(column, tenant, shared=shared)


class Predicates:
    """Builds the predicates of one compilation.

    Args:
        bind: returns the bound parameter for the tenant in scope.
        exactly: compares a column with it so that only the same identifier matches, which needs
            more than ``=`` if the database folds case.
        changed: the table that the statement changes, if the database lets a subquery read that
            only as a derived table.
    """

    def __init__(
        self,
        bind: Callable[[ColumnOwnership], BindParameter[Any]],
        exactly: Callable[..., ColumnElement[bool]],
        changed: TableClause | None = None,
    ) -> None:
        self._bind = bind
        self._exactly = exactly
        self._changed = changed

    def own(self, element: FromClause, rule: ColumnOwnership) -> ColumnElement[bool]:
        """Return ``element.tenant = :tenant``."""
        return self._exactly(column_of(element, rule.column, rule.type_), self._bind(rule), rule)

    def visible(self, element: FromClause, rule: ColumnOwnership) -> ColumnElement[bool]:
        """Return the same, or that the row is one that every tenant reads."""
        shared = rule.shared_rows
        if shared is None:
            return self.own(element, rule)
        column = column_of(element, rule.column, rule.type_)
        if shared.value is None:
            is_null = BinaryExpression(column, null(), operators.is_, type_=_IS_BOOLEAN)
            return or_(self.own(element, rule), is_null)
        # Not OR, which PostgreSQL would think twice as expensive, and evaluate later.
        value = BindParameter(None, shared.value, type_=rule.type_, unique=True)
        return self._exactly(column, self._bind(rule), rule, value)

    def tied(
        self,
        element: FromClause,
        chain: Sequence[ParentKey],
        *,
        own: bool = False,
        is_joined: bool = True,
    ) -> ColumnElement[bool]:
        """Return ``EXISTS`` on the parent row, joined to its own parents.

        The predicate on the tenant column is added later: the inner ``SELECT`` is compiled under
        the guard like any other, except for the ties that it already joins.

        Args:
            element: the tied table, or an alias of it.
            chain: the parent keys from it to a table with a tenant column, see ``chains.py``.
            own: whether the parent must be the tenant's own, and not one that every tenant reads.
            is_joined: whether the parents need no further predicates for their own ties.
        """
        parents = self._parents(element, chain, {_IS_JOINED: is_joined, _IS_OWN: own})
        joined = parents[0]
        for tie, child, parent in zip(chain[1:], parents, parents[1:], strict=False):
            joined = joined.join(parent, and_(*_pairs(child, tie, parent)))
        found: Any = (
            select(literal_column("1"))
            .select_from(joined)
            .where(*_pairs(element, chain[0], parents[0]))
            .correlate_except(*parents, joined)
        )
        found.__dict__.update({_IS_JOINED: is_joined, _IS_OWN: own})
        exists: ColumnElement[bool] = found.exists()
        return exists

    def _parents(
        self, element: FromClause, chain: Sequence[ParentKey], marks: dict[str, bool]
    ) -> list[FromClause]:
        # Names that differ from the element's: if an alias of the application had the same name
        # as a parent, the EXISTS would compare the parent with itself.
        given = str(getattr(element, "name", "")).casefold()
        prefix = _PARENTS[given.startswith(_PARENTS[0])]
        parents: list[FromClause] = []
        for number, tie in enumerate(chain, 1):
            name = prefix if number == 1 else f"{prefix}_{number}"
            parent: FromClause = tie.parent.alias(name)
            if self._changed is not None and tie.parent.name == self._changed.name:
                further = chain[number].columns if number < len(chain) else ()
                names = dict.fromkeys((*tie.parent_columns, *further))
                columns = [column_of(parent, each) for each in names]
                found: Any = select(*columns).select_from(parent).distinct()
                found.__dict__.update(marks)
                parent = found.subquery(name)
            parents.append(parent)
        return parents


def is_joined(statement: Any) -> bool:
    """Return whether the guard built this ``SELECT`` and joined its tied tables to parents."""
    return bool(statement.__dict__.get(_IS_JOINED))


def is_own(statement: Any) -> bool:
    """Return whether the guard built this ``SELECT`` for the tenant's own rows alone."""
    return bool(statement.__dict__.get(_IS_OWN))


def _pairs(child: FromClause, tie: ParentKey, parent: FromClause) -> list[ColumnElement[bool]]:
    return [
        same(column_of(parent, theirs), column_of(child, ours))
        for ours, theirs in zip(tie.columns, tie.parent_columns, strict=True)
    ]
