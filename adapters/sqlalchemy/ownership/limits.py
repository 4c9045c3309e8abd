"""Which tenant ids a column can hold, and what it sends for them.

A database that is not strict cuts what does not fit, and the row then belongs to the tenant
with the shorter name. So an id that a column cannot hold is refused before it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import NCHAR, NVARCHAR
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import (
    BigInteger,
    Integer,
    Interval,
    SmallInteger,
    String,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError

__all__ = [
    "Acceptance",
    "acceptance_of",
    "accepted_by_all",
    "are_sent_alike",
    "converts_in_database",
    "is_canonical_uuid",
    "number_range",
    "other_than",
    "refuse_converted",
    "sent",
    "stored_type",
    "text_check",
    "undecorated",
]

Acceptance: TypeAlias = Callable[[TenantId], bool]
"""Returns whether a column can hold a tenant id of its type."""

_DIALECT: Final = DefaultDialect()

_BITS: Final = {"TINYINT": 8, "MEDIUMINT": 24}
"""Integers that only some databases have, by the name under which SQLAlchemy renders them."""


def acceptance_of(type_: TypeEngine[Any]) -> Acceptance | None:
    """Return the check of whether a column of ``type_`` can hold an id; ``None`` for all ids."""
    return _all_accept(map(_acceptance, _variants(type_)))


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
        type_: the type of the column where the table was declared.
        accepts: the check for that type.
        others: the column's type in every definition of the table.
    """
    # Neither a decorator nor a Uuid sends the id itself, whose length another text could limit.
    family = next((each for each in (String, Integer) if isinstance(type_, each)), None)
    if family is None:
        return accepts
    limits = (acceptance_of(each) for each in others if isinstance(each, family))
    return _all_accept([accepts, *limits])


def _variants(type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
    yield type_
    # private: the types that replace this one on some databases.
    yield from type_._variant_mapping.values()


def _acceptance(type_: TypeEngine[Any]) -> Acceptance | None:
    if isinstance(type_, TypeDecorator):
        stored = undecorated(type_)
        # Uuid has no limit of its own: a decorator may send it what is no canonical UUID.
        inner = None if isinstance(stored, Uuid) else _acceptance(stored)

        def accepts(tenant_id: TenantId) -> bool:
            value = sent(type_, tenant_id)
            return (inner is None or inner(value)) and _comes_back(type_, value, tenant_id)

        return lru_cache(1024)(accepts)
    if isinstance(type_, Uuid):
        return None if type_.as_uuid else is_canonical_uuid
    if isinstance(type_, Integer):
        low, high = number_range(type_)
        return lambda tenant_id: not isinstance(tenant_id, int) or low <= tenant_id <= high
    if isinstance(type_, String):
        holds = text_check(type_, type_.length)
        if holds is None:
            return None
        return lambda tenant_id: not isinstance(tenant_id, str) or holds(tenant_id)
    return None


_ENCODINGS: Final[Mapping[str, str]] = {
    "ascii": "ascii",
    "big5": "big5",
    **{name: name for name in ("cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866")},
    "gb18030": "gb18030",
    "gbk": "gbk",
    "greek": "iso8859_7",
    "hebrew": "iso8859_8",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
    # What it calls latin1 is Windows' superset of it:
    # https://mariadb.com/kb/en/supported-character-sets-and-collations/
    "latin1": "cp1252",
    "latin2": "iso8859_2",
    "latin5": "iso8859_9",
    "latin7": "iso8859_13",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
}
"""Python's names of character sets of MySQL and MariaDB."""

_BASIC_ONLY: Final = frozenset({"ucs2", "utf8", "utf8mb3"})
"""Those that cannot hold characters beyond U+FFFF."""

_TINY: Final = 255
"""How many bytes a ``TINYTEXT`` holds."""


def text_check(type_: String, length: int | None = None) -> Callable[[str], bool] | None:
    """Return the check of whether a text column can hold a text.

    A MySQL or MariaDB that is not strict writes ``?`` for a character that the column's character
    set lacks, and cuts what is too long.

    Args:
        type_: the type of the column.
        length: how many characters it holds; ``None`` if any that are asked for.

    Returns:
        The check; ``None`` if it holds all.
    """
    charset = _charset(type_)
    is_tiny = type_.__visit_name__ == "TINYTEXT"
    if not is_tiny and charset in {None, "utf8mb4"}:
        return None if length is None else lambda text: len(text) <= length
    # Of a character set that is not known here, only what is the same in all of them.
    encoding = _ENCODINGS.get(charset or "utf8mb4", "ascii")

    def holds(text: str) -> bool:
        if length is not None and len(text) > length:
            return False
        try:
            stored = text.encode(encoding)
            is_same = stored.decode(encoding) == text
        except UnicodeError:
            return False
        if charset in _BASIC_ONLY and max(text, default="") > "\uffff":
            return False
        return is_same and (not is_tiny or len(stored) <= _TINY)

    return holds


def _charset(type_: String) -> str | None:
    """Return the character set that a type names, itself or by its collation."""
    if getattr(type_, "ascii", False):
        return "ascii"
    if getattr(type_, "unicode", False):
        return "ucs2"
    if getattr(type_, "national", False) or isinstance(type_, NCHAR | NVARCHAR):
        return "utf8mb3"
    named: str | None = getattr(type_, "charset", None)
    if named is not None:
        return named.lower()
    # Other databases have collations of other names, which limit nothing.
    prefix = (type_.collation or "").partition("_")[0].lower()
    return prefix if prefix in _ENCODINGS else None


def _comes_back(type_: TypeDecorator[Any], stored: Any, tenant_id: TenantId) -> bool:
    """Return whether the decorators of a type make ``tenant_id`` of what is stored for it.

    Otherwise they could store the same for another tenant.
    """
    value = stored
    try:
        for each in reversed(list(_layers(type_))):
            if isinstance(each, TypeDecorator) and _converts_results(each):
                value = each.process_result_value(value, _DIALECT)
    except (TypeError, ValueError, AttributeError):
        return False
    # A UUID may be given as text, in the one form that its text has.
    return bool(value == tenant_id) or str(value) == str(tenant_id)


def _converts_results(type_: TypeDecorator[Any]) -> bool:
    return type(type_).process_result_value is not TypeDecorator.process_result_value


def is_canonical_uuid(tenant_id: TenantId) -> bool:
    """Return whether a text is a UUID in its canonical form.

    SQLAlchemy drops the hyphens, so that another spelling could be the same tenant, or not.
    """
    try:
        return str(uuid.UUID(str(tenant_id))) == tenant_id
    except ValueError:
        return False


def number_range(type_: Integer) -> tuple[int, int]:
    """Return the least and the greatest number that fits."""
    bits = _BITS.get(type_.__visit_name__.upper(), 32)
    if isinstance(type_, SmallInteger):
        bits = 16
    elif isinstance(type_, BigInteger):
        bits = 64
    if getattr(type_, "unsigned", False):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


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
    """Return whether ``type_``, or a variant of it, has a ``bind_expression()`` of its own."""
    return any(
        not type(each).bind_expression.__module__.startswith("sqlalchemy.")
        for variant in _variants(type_)
        for each in _layers(variant)
    )


def _layers(type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
    yield type_
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
        yield type_


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type behind all decorators."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_


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
    except (TypeError, ValueError, AttributeError):
        # It does not take one of them at all.
        return False
    return type(left) is type(right) and bool(left == right)
