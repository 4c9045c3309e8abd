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
# A number, as which it is found in bytes at a fifth of the cost.
_COMMA: Final = ord(",")


def credentials_in(header: str, scheme: str | None) -> Callable[[Request], bytes | None]:
    """Return what reads the one token in ``header``.

    Args:
        header: the header's name.
        scheme: the authentication scheme that stands before it; ``None`` for none, and
            then the token is all there is, without a comma. A field with another scheme
            counts as none.

    Raises:
        ConfigurationError: ``header`` is no such name; from the function,
            :class:`TenantResolutionError` where there is more than one token, or none.
    """
    if not isinstance(header, str):
        raise ConfigurationError("header is a header's name")
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
                # Not with a comma, for that may hide credentials of ours behind others.
                if _COMMA in first + space + value:
                    raise TenantResolutionError(f"the header {header} has several credentials")
                return None
            value = value.strip(_SPACE)
            if _TOKEN.fullmatch(value):
                return value
        elif value and _COMMA not in value:
            return value
        raise TenantResolutionError(f"the header {header} does not have one token")

    return read
