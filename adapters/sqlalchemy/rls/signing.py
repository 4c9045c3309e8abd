"""Signs the tenant of a transaction, so that the database can tell who named it.

The signature is an HMAC (RFC 2104) with SHA-256, over what the database knows by itself:

- what is signed: a tenant or a system scope;
- the backend process;
- when the transaction began, in microseconds, as the application expects it: the database allows
  for a few seconds of difference;
- the database, the role that logged in, and the role that was taken;
- the tenant's identifier: each of the settings that hold one of some type.

The parts are separated by zero bytes, which PostgreSQL's text cannot contain, or have a fixed
length.

https://www.rfc-editor.org/rfc/rfc2104
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError

__all__ = ["KEY_LENGTH", "START_LENGTH", "Backend", "Key", "Signer", "StoredKey", "stored_key"]

Key: TypeAlias = bytes | Callable[[], bytes]
"""A secret, or a function that returns it."""

KEY_LENGTH: Final = 16
"""How many characters of a signature name the key."""
START_LENGTH: Final = 16
"""How many characters after these say when the transaction begins."""

_SHORTEST: Final = 32
"""In bytes: a shorter key is weaker than the hash (RFC 2104, section 3)."""
_BLOCK: Final = 64
"""The block size of SHA-256 in bytes."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the database needs to check signatures of one key.

    Attributes:
        name: the beginning of its signatures.
        inner: the key, padded for the inner hash.
        outer: the key, padded for the outer hash.
    """

    name: str
    inner: bytes
    outer: bytes


@dataclass(frozen=True, slots=True)
class Backend:
    """What a connection is to the database.

    Attributes:
        pid: the process that serves it.
        database: the database.
        user: the role that logged in.
        role: the role that was taken; ``none`` if there is none.
    """

    pid: int
    database: str
    user: str
    role: str


def stored_key(secret: bytes) -> StoredKey:
    """Return what the database stores of a key.

    Raises:
        ConfigurationError: it is not of type ``bytes``, or is shorter than 32 bytes.
    """
    checked = _checked(secret)
    if len(checked) > _BLOCK:
        checked = hashlib.sha256(checked).digest()
    block = checked.ljust(_BLOCK, b"\0")
    return StoredKey(
        _name(secret), bytes(each ^ 0x36 for each in block), bytes(each ^ 0x5C for each in block)
    )


def _checked(secret: object) -> bytes:
    if not isinstance(secret, bytes) or len(secret) < _SHORTEST:
        raise ConfigurationError(
            f"a key for signing tenants must be at least {_SHORTEST} random bytes, such as those "
            "of secrets.token_bytes(32); decode it if it is stored as text"
        )
    return secret


def _name(secret: bytes) -> str:
    return hmac.digest(secret, b"tenantshield key", "sha256").hex()[:KEY_LENGTH]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A key, and the two hashes of an HMAC after they have taken it in.

    Each signature goes on with a copy of these, which takes a quarter of the time of
    ``hmac.digest()``: OpenSSL looks up the hash by its name, and takes in the key, every time.

    Attributes:
        secret: the key.
        name: the beginning of its signatures.
        inner: the inner hash.
        outer: the outer hash.
    """

    secret: bytes
    name: str
    inner: Any
    outer: Any

    @classmethod
    def of(cls, secret: bytes) -> _Begun:
        """Return what signatures with ``secret`` go on with."""
        stored = stored_key(secret)
        inner, outer = hashlib.sha256(stored.inner), hashlib.sha256(stored.outer)
        return cls(secret, stored.name, inner, outer)

    def mac(self, message: bytes) -> str:
        """Return the HMAC of a message, in hexadecimal digits."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return str(outer.hexdigest())


class Signer:
    """Signs the scopes of transactions with a key.

    Args:
        key: the secret, of at least 32 bytes, or a function that returns it, which is called
            for each transaction.

    Raises:
        ConfigurationError: the key is too short, or is not of type ``bytes``.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self._begun: _Begun | None = None
        self._current()

    def _current(self) -> _Begun:
        secret = self._key() if callable(self._key) else self._key
        begun = self._begun
        if begun is None or secret != begun.secret:
            # Replaced as a whole: other threads sign meanwhile.
            begun = self._begun = _Begun.of(secret)
        return begun

    def sign(self, backend: Backend, start: int, tenant: Sequence[str] | None) -> str:
        """Return the signature for one transaction.

        Args:
            backend: what the connection is to the database.
            start: when the transaction begins by the database's clock, in microseconds since
                1970, of 16 digits.
            tenant: what each of the settings for the tenant holds; ``None`` in a system scope.

        Raises:
            ConfigurationError: the tenant's identifier contains a zero byte.
        """
        if tenant is not None and "\0" in "".join(tenant):
            raise ConfigurationError("the name of a tenant contains a zero byte")
        begun = self._current()
        signed = b"system" if tenant is None else b"tenant"
        names = "\0".join((backend.database, backend.user, backend.role, "\0".join(tenant or ())))
        pid = struct.pack(">i", backend.pid)
        message = b"%b\0%b%016d%b" % (signed, pid, start, names.encode())
        return f"{begun.name}{start:016d}{begun.mac(message)}"
