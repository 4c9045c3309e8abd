"""Which tenant ids a column can hold, and what it sends for them.

A database that is not strict cuts what does not fit, and the row then belongs to the tenant
with the shorter name. So an id that a column cannot hold is refused before it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import (
    BINARY,
    VARBINARY,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from .capacity import (
    bytes_check,
    decimal_check,
    looks_like_number,
    member_check,
    number_range,
    range_check,
    text_check,
    text_length,
    text_of,
)
from .forms import NOT_TAKEN, Form, affinity_is_number, form_on, forms_of

__all__ = [
    "Acceptance",
    "acceptance_of",
    "accepted_by_all",
    "are_sent_alike",
    "collations_of",
    "converts_in_database",
    "is_canonical_uuid",
    "is_set",
    "kept_on",
    "other_than",
    "refuse_converted",
    "sent",
    "stored_type",
    "undecorated",
]

Acceptance: TypeAlias = Callable[[TenantId], bool]
"""Returns whether a column can hold a tenant id of its type."""

_DIALECT: Final = DefaultDialect()


def acceptance_of(type_: TypeEngine[Any]) -> Acceptance | None:
    """Return the check of whether a column of ``type_`` can hold an id; ``None`` for all ids."""
    forms = forms_of(type_)
    if not any(each.layers for each in forms):
        return _all_accept(_holds_id(each) for each in _distinct(forms))
    inner = [(form, _holds(form.stored)) for form in forms]

    def accepts(tenant_id: TenantId) -> bool:
        return all(_is_kept(form, holds, tenant_id) for form, holds in inner)

    return lru_cache(1024)(accepts)


def _distinct(forms: Iterable[Form]) -> Iterable[TypeEngine[Any]]:
    # SQLite has one kind of whole numbers, so that one for it alone is no limit.
    limiting = [each for each in forms if not _is_number_of_sqlite(each)]
    return {id(each.stored): each.stored for each in limiting}.values()


def _is_number_of_sqlite(form: Form) -> bool:
    return form.dialect.name == "sqlite" and isinstance(form.stored, Integer)


def _all_accept(checks: Iterable[Acceptance | None]) -> Acceptance | None:
    some = [each for each in checks if each is not None]
    if len(some) < 2:
        return some[0] if some else None
    return lambda tenant_id: all(check(tenant_id) for check in some)


def other_than(type_: TypeEngine[Any], shared: TenantId, accepts: Acceptance | None) -> Acceptance:
    """Return ``accepts`` with the condition that an id is not the one of the shared rows.

    As a tenant, it could write them.
    """
    of_shared = sent(type_, shared)

    def accepts_other(tenant_id: TenantId) -> bool:
        if tenant_id == shared or (accepts is not None and not accepts(tenant_id)):
            return False
        # A decorator could make the same of both.
        return not isinstance(type_, TypeDecorator) or bool(sent(type_, tenant_id) != of_shared)

    return accepts_other


def accepted_by_all(
    type_: TypeEngine[Any], accepts: Acceptance | None, others: Iterable[TypeEngine[Any]]
) -> Acceptance | None:
    """Return ``accepts`` with the limits that other definitions of the same column have.

    One ``MetaData`` may say that it holds 50 characters, and another one, reflected perhaps, 20.

    Args:
        type_: the type of the column where the table was declared, which converts what is sent.
        accepts: the check for that type.
        others: the column's type in every definition of the table.
    """
    forms = forms_of(type_)
    pairs = {
        (*map(id, form.layers), id(theirs.stored)): (form, theirs)
        for other in others
        for form, theirs in zip(forms, forms_of(other), strict=True)
    }
    limits = (_of_what_is_sent(form, theirs.stored) for form, theirs in pairs.values())
    return _all_accept([accepts, *limits])


def _of_what_is_sent(form: Form, stored: TypeEngine[Any]) -> Acceptance | None:
    # As a number, SQLite reflects a type that it does not know, see kept_on().
    if isinstance(form.stored, Uuid) and isinstance(stored, Uuid | Numeric):
        return None
    holds = _holds(stored)
    if holds is None or not form.layers:
        return holds
    inner = holds

    def accepts(tenant_id: TenantId) -> bool:
        try:
            return inner(form.sent(tenant_id))
        except NOT_TAKEN:
            return False

    return lru_cache(1024)(accepts)


def _holds_id(stored: TypeEngine[Any]) -> Acceptance | None:
    """Return the check of whether a column holds an id that is sent to it as it is."""
    if isinstance(stored, Uuid):
        return None if stored.as_uuid else is_canonical_uuid
    return _holds(stored)


def _holds(stored: TypeEngine[Any]) -> Callable[[Any], bool] | None:
    """Return the check of whether a column keeps a value; ``None`` if all, or if not known."""
    if isinstance(stored, Enum):
        return member_check(stored)
    if is_set(stored):
        return lambda value: False
    if isinstance(stored, String):
        return _holds_text(stored)
    if isinstance(stored, Integer):
        return range_check(*number_range(stored))
    # In SQLAlchemy 2.0, a Float is a Numeric. One of 24 bits rounds what it cannot hold.
    if isinstance(stored, Float):
        return range_check(-(2**24), 2**24)
    if isinstance(stored, Numeric):
        return decimal_check(stored)
    if isinstance(stored, Uuid):
        return lambda value: isinstance(value, uuid.UUID) or is_canonical_uuid(value)
    if isinstance(stored, LargeBinary | BINARY | VARBINARY):
        return bytes_check(stored)
    # A DOMAIN of PostgreSQL.
    inner = getattr(stored, "data_type", None)
    return _holds(inner) if isinstance(inner, TypeEngine) else None


def is_set(type_: TypeEngine[Any]) -> bool:
    """Return whether a type is a ``SET`` of MySQL and MariaDB."""
    return bool(type_.__visit_name__ == "SET")


def _holds_text(stored: String) -> Callable[[Any], bool] | None:
    holds = text_check(stored, text_length(stored))
    if holds is None:
        return None
    check = holds
    return lambda value: check(value if type(value) is str else text_of(value))


def _is_kept(form: Form, holds: Acceptance | None, tenant_id: TenantId) -> bool:
    """Return whether a database holds what is sent for an id, and gives back that id.

    Otherwise the same could be stored for another tenant.
    """
    try:
        stored = form.sent(tenant_id)
        if isinstance(form.stored, Uuid):
            # Whatever its spelling, it is read in one.
            found = stored if isinstance(stored, uuid.UUID) else uuid.UUID(str(stored))
            stored = found if form.stored.as_uuid else str(found)
        elif stored is None or (holds is not None and not holds(stored)):
            return False
        value = form.read(stored)
    except NotImplementedError:
        # A decorator that does not know this database.
        return True
    except NOT_TAKEN:
        return False
    # A UUID may be given as text, in the one form that its text has.
    return bool(value == tenant_id) or str(value) == str(tenant_id)


def is_canonical_uuid(tenant_id: TenantId) -> bool:
    """Return whether a text is a UUID in its canonical form.

    SQLAlchemy drops the hyphens, so that another spelling could be the same tenant, or not.
    """
    try:
        return str(uuid.UUID(str(tenant_id))) == tenant_id
    except ValueError:
        return False


def refuse_converted(type_: TypeEngine[Any], label: str) -> None:
    """Refuse a type whose values the database converts when they are written or compared.

    Args:
        type_: the type of a tenant column.
        label: the column's name for the message.

    Raises:
        ConfigurationError: two tenants could be one in the database.
    """
    if converts_in_database(type_):
        raise ConfigurationError(
            f"{label} is a {type_!r}, whose bind_expression() could make one tenant of two in the "
            "database: convert the identifier in process_bind_param()"
        )


def converts_in_database(type_: TypeEngine[Any]) -> bool:
    """Return whether ``type_`` has a ``bind_expression()`` of its own, on any database."""
    # private: the types that replace this one on some databases.
    variants = (type_, *type_._variant_mapping.values())
    if not any(isinstance(each, TypeDecorator) for each in variants):
        return any(map(_has_expression, variants))
    return any(
        _has_expression(each) for form in forms_of(type_) for each in (*form.layers, form.stored)
    )


def _has_expression(type_: TypeEngine[Any]) -> bool:
    return not type(type_).bind_expression.__module__.startswith("sqlalchemy.")


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type behind all decorators."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_


def collations_of(type_: TypeEngine[Any]) -> frozenset[str | None]:
    """Return the collations that a type has on the databases; ``None`` where it names none."""
    return frozenset(getattr(each.stored, "collation", None) for each in forms_of(type_))


def stored_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type behind all decorators, but for the one whose precision is its own."""
    while isinstance(type_, TypeDecorator) and not isinstance(type_, Interval):
        type_ = type_.impl_instance
    return type_


def sent(type_: TypeEngine[Any], value: Any) -> Any:
    """Return what the decorators of ``type_`` make of ``value``."""
    while isinstance(type_, TypeDecorator):
        if type(type_).process_bind_param is not TypeDecorator.process_bind_param:
            value = type_.process_bind_param(value, _DIALECT)
        type_ = type_.impl_instance
    return value


def kept_on(
    type_: TypeEngine[Any], others: Iterable[TypeEngine[Any]], dialect: Dialect
) -> Acceptance | None:
    """Return the check of whether a database keeps an id as a text; ``None`` if it does.

    SQLite makes a number of a text that looks like one, in a column whose type it does not know as
    a text: two UUIDs are the same to it if they differ in their last digits.

    Args:
        type_: the type of the column, which converts what is sent.
        others: the column's type in further definitions of the table.
        dialect: the dialect of the database.
    """
    if dialect.name != "sqlite":
        return None
    form = form_on(type_, dialect)
    stored = [form.stored, *(form_on(each, dialect).stored for each in others)]
    if isinstance(form.stored, Integer | Numeric) or not any(
        affinity_is_number(each, dialect) for each in stored
    ):
        return None
    hyphen = "-" if isinstance(form.stored, Uuid) else ""

    def kept(tenant_id: TenantId) -> bool:
        text = text_of(form.sent(tenant_id))
        # A Uuid is sent without them.
        return not looks_like_number(text.replace(hyphen, "") if hyphen else text)

    return kept


def are_sent_alike(type_: TypeEngine[Any], left: Any, right: Any) -> bool:
    """Return whether two values are the same to a column of ``type_``.

    A decorator may take a ``str`` and return a ``UUID``, for example.
    """
    if type(left) is type(right):
        return bool(left == right)
    if not isinstance(type_, TypeDecorator):
        return False
    try:
        left, right = sent(type_, left), sent(type_, right)
    except NOT_TAKEN:
        # It does not take one of them at all.
        return False
    return type(left) is type(right) and bool(left == right)
