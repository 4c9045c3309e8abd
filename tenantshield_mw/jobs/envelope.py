"""What a message carries of its tenant: the id with its type, and a signature if there is a key.

The form is the same in each queue: a mapping such as ``{"str": "acme"}``, ``{"int": 7}`` or
``{"uuid": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}``, with ``"signature"`` beside it. JSON keeps it
as it is.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final
from uuid import UUID

from tenantshield_mw.errors import (
    ConfigurationError,
    TenantResolutionError,
    TenantUnauthenticatedError,
)
from tenantshield_mw.tenant import TenantId, check_tenant_id

__all__ = ["HEADER", "Signer", "packed", "unpacked"]

HEADER: Final = "tenantshield"
"""The name under which a message carries its tenant: a header, a label, an option, a key of the
metadata."""

_SIGNATURE: Final = "signature"
_SIGNED: Final = "tenantshield-mw job 1"
"""What each signed text begins with, so that no other use of the same key makes one."""

_SHORTEST_KEY: Final = 32
"""In bytes: as long as the hash, as RFC 2104 section 3 recommends."""


def packed(tenant_id: TenantId) -> dict[str, Any]:
    """Return a tenant id as a mapping that JSON keeps as it is, with its type."""
    if isinstance(tenant_id, UUID):
        return {"uuid": str(tenant_id)}
    return {type(tenant_id).__name__: tenant_id}


def _uuid(value: object) -> object:
    # Only what packed() writes: UUID() also takes braces, "urn:" and upper case.
    try:
        parsed = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if str(parsed) == value else None


_READ: Final[Mapping[str, Callable[[object], object]]] = {
    "str": lambda value: value if type(value) is str else None,
    "int": lambda value: value if type(value) is int else None,
    "uuid": _uuid,
}


def unpacked(carried: object) -> TenantId:
    """Return the tenant id that :func:`packed` made ``carried`` of.

    Raises:
        TenantResolutionError: ``carried`` is anything else.
    """
    if isinstance(carried, Mapping):
        kinds = [key for key in carried if key != _SIGNATURE]
        if len(kinds) == 1 and kinds[0] in _READ:
            value = _READ[kinds[0]](carried[kinds[0]])
            if value is not None:
                return check_tenant_id(value)
    raise TenantResolutionError(
        f"the message's {HEADER!r} is not what this package writes, so it names no tenant: "
        "something else has set or changed it, or another version of this package has"
    )


@final
class Signer:
    """Signs what messages carry, with HMAC-SHA256 (RFC 2104).

    A signature is bound to the tenant, the task's name and the message's id. The arguments are
    not signed.

    Args:
        keys: the first one signs, each of them verifies; none, and nothing is signed or verified.

    Raises:
        ConfigurationError: a key is no ``bytes``, or shorter than 32 bytes.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        given: object = keys
        if isinstance(given, bytes | str):
            raise ConfigurationError("keys is a list of keys: give one key as keys=[key]")
        for key in keys:
            if not isinstance(key, bytes) or len(key) < _SHORTEST_KEY:
                raise ConfigurationError(
                    f"a key to sign jobs is at least {_SHORTEST_KEY} random bytes, as made by "
                    f"secrets.token_bytes({_SHORTEST_KEY}), and one of keys= is not"
                )
        self._keys = tuple(keys)

    @property
    def has_keys(self) -> bool:
        """Whether messages are signed."""
        return bool(self._keys)

    def signed(self, tenant_id: TenantId, task: str, message_id: str) -> dict[str, Any]:
        """Return what the message carries, with a signature if there is a key."""
        carried = packed(tenant_id)
        if self._keys:
            carried[_SIGNATURE] = _signature(self._keys[0], tenant_id, task, message_id)
        return carried

    def verified(self, carried: object, task: str, message_id: str) -> TenantId:
        """Return the tenant that ``carried`` names, if its signature is valid.

        Raises:
            TenantResolutionError: ``carried`` is malformed.
            TenantUnauthenticatedError: there are keys, and none of them signed ``carried`` for
                this task and this message.
        """
        tenant_id = unpacked(carried)
        if not self._keys:
            return tenant_id
        given = carried.get(_SIGNATURE) if isinstance(carried, Mapping) else None
        # Only ASCII can be compared in constant time.
        if isinstance(given, str) and given.isascii():
            for key in self._keys:
                if hmac.compare_digest(_signature(key, tenant_id, task, message_id), given):
                    return tenant_id
        raise TenantUnauthenticatedError(
            "the message names a tenant, and none of the keys has signed that for this task and "
            "this message: its sender has no key or another one, or the message was forged"
        )


def _signature(key: bytes, tenant_id: TenantId, task: str, message_id: str) -> str:
    # A list of strings and numbers in JSON: no two different ones have the same text.
    text = json.dumps([_SIGNED, packed(tenant_id), task, message_id])
    return hmac.digest(key, text.encode("ascii"), "sha256").hex()
