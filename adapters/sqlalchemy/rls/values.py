"""What is sent to the database with any driver: a statement with the values that belong in it."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Final

from ..errors import ConfigurationError

__all__ = ["REMEMBERED", "check_zero_bytes", "encoded", "numbered"]

REMEMBERED: Final = 128
"""How many statements are remembered. Each transaction begins with one of a few."""


@functools.lru_cache(REMEMBERED)
def numbered(sql: str, count: int) -> str:
    """Return a statement with ``$1`` for the first of its values, and so on."""
    for number in range(1, count + 1):
        sql = sql.replace("%s", f"${number}", 1)
    return sql


def check_zero_bytes(*values: str) -> None:
    """Check what is named to the database, which takes no zero byte.

    Raises:
        ConfigurationError: a value contains one.
    """
    if "\0" in "".join(values):
        raise ConfigurationError("the name of a tenant or a role contains a zero byte")


def encoded(value: str, encoding: str) -> bytes:
    """Return a value in the connection's encoding.

    Raises:
        ConfigurationError: the encoding lacks a character, or takes it for another one, which would
            make one tenant of two.
    """
    if value.isascii():
        return value.encode(encoding)
    with suppress(UnicodeError):
        in_bytes = value.encode(encoding)
        if in_bytes.decode(encoding) == value:
            return in_bytes
    raise ConfigurationError(
        "the encoding of this connection cannot hold the identifier of the tenant, or the name "
        "of a role: leave client_encoding at UTF8"
    )
