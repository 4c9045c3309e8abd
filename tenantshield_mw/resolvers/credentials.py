"""The credentials in a header (RFC 9110 section 11.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import HeaderField, Request

__all__ = ["credentials_in"]

# RFC 9110 section 11.2: token68.
_TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")
_SPACE: Final = b" \t"
# Searching bytes for a number costs a fifth of searching for bytes.
_COMMA: Final = ord(",")


def credentials_in(header: str, scheme: str | None) -> Callable[[Request], bytes | None]:
    """Return a function that reads the one token in ``header``; it returns ``None`` if there is
    no such header.

    The function raises :class:`TenantResolutionError` unless the header holds exactly one token.

    Args:
        header: the header's name.
        scheme: the authentication scheme before the token; a header with another scheme
            counts as missing. ``None`` if the token stands alone, and then it has no comma.

    Raises:
        ConfigurationError: ``header`` is not a header's name.
    """
    if not isinstance(header, str):
        raise ConfigurationError("header must be a header's name")
    field = HeaderField(header, bytes)
    expected = None if scheme is None else scheme.lower().encode("ascii")

    def read(request: Request) -> bytes | None:
        raw = field.raw(request)
        if raw is None:
            return None
        value = (raw.encode("latin-1") if isinstance(raw, str) else raw).strip(_SPACE)
        if expected is not None:
            first, space, value = value.partition(b" ")
            if first.lower() != expected:
                # After a comma there may be credentials with our scheme.
                if _COMMA in first + space + value:
                    raise TenantResolutionError(f"the header {header} has several credentials")
                return None
            value = value.strip(_SPACE)
            if _TOKEN.fullmatch(value):
                return value
        elif value and _COMMA not in value:
            return value
        raise TenantResolutionError(f"the header {header} must hold exactly one token")

    return read
