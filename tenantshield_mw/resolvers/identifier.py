"""Parse a tenant id into the type that the application uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import UUID

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import Memo
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = ["Kind", "parser_for", "reader_for"]

Kind: TypeAlias = type[str | int | UUID]
"""The type of the application's tenant columns."""

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# The range of BIGINT, the largest integer column of the databases.
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1


def _read_str(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    raise TenantResolutionError("the tenant id has characters other than printable ASCII")


def _read_int(text: str) -> int:
    if _INTEGER.fullmatch(text) and _SMALLEST <= (value := int(text)) <= _LARGEST:
        return value
    raise TenantResolutionError(
        "the tenant id is not a 64-bit integer in plain decimal digits, without '+', "
        "leading zeros, spaces or underscores"
    )


def _read_uuid(text: str) -> UUID:
    if _UUID.fullmatch(text):
        return UUID(text)
    raise TenantResolutionError("the tenant id is not a UUID in the hyphenated form of RFC 9562")


_READERS: Final[dict[object, Callable[[str], TenantId]]] = {
    str: _read_str,
    int: _read_int,
    UUID: _read_uuid,
}


def reader_for(kind: object) -> Callable[[str], TenantId]:
    """Return a function that reads a tenant id of type ``kind`` from text.

    It accepts only one spelling of each ``int``, so that two spellings cannot be two tenants
    in one place and the same tenant in another, and raises :class:`TenantResolutionError`
    for the others. The hex digits of a ``UUID`` may be in either case (RFC 9562 section 4).

    Args:
        kind: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``kind`` is anything else.
    """
    try:
        return _READERS[kind]
    except (KeyError, TypeError):
        raise ConfigurationError(
            "type= must be str, int or uuid.UUID, the type of your tenant columns"
        ) from None


def parser_for(kind: object) -> Callable[[object], TenantContext]:
    """Return a function that reads a tenant id of type ``kind`` from a value.

    For values from the application or from a token, such as JSON: a value of type ``kind`` or
    a ``TenantContext`` with such an id is taken as it is, and text is read as
    :func:`reader_for` reads it. For anything else the function raises
    :class:`TenantResolutionError`.

    Args:
        kind: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``kind`` is anything else.
    """
    read = reader_for(kind)
    known: Memo[str, TenantContext] = Memo(
        lambda text: TenantContext(text if kind is str else read(text))
    )

    def parse(value: object) -> TenantContext:
        if type(value) is str:
            return known[value]
        if isinstance(value, TenantContext):
            if type(value.tenant_id) is kind:
                return value
        elif type(value) is kind and (type(value) is not int or _SMALLEST <= value <= _LARGEST):
            # Only an int or a UUID is left here.
            return TenantContext(value)  # type: ignore[arg-type]
        raise TenantResolutionError(
            f"the tenant id is a {type(value).__name__}; give the resolver its type with type=, "
            "which is str by default"
        )

    return parse
