"""Keys for caches and other stores that all tenants share."""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from urllib.parse import quote
from uuid import UUID

from .context import current_tenant

__all__ = ["KeyPart", "tenant_key"]

KeyPart: TypeAlias = str | int | bool | bytes | UUID | None
"""What a key is made of; an instance of a subclass is none of these."""

# quote() escapes the equals sign, so no text begins like this.
_MARKS: Final[dict[type, tuple[str, Any]]] = {
    int: ("i=", str),
    bool: ("o=", int),
    bytes: ("b=", bytes.hex),
    UUID: ("u=", str),
    type(None): ("n=", lambda _: ""),
}


def tenant_key(*parts: KeyPart) -> str:
    """Return a key that belongs to the tenant in scope::

        cache.get(tenant_key("invoices", 7))  # "tenant:acme:invoices:i=7"

    Two tenants, or two lists of parts, never have the same key: ``7`` and ``"7"``, ``("a", "b")``
    and ``("a:b",)`` differ. A key is ASCII, without white space and without the characters that
    stores give a meaning (``* ? [ ] { }``), so ``tenant_key() + ":*"`` matches all keys of the
    tenant and no others. It is as long as its parts: memcached takes 250 bytes.

    Args:
        *parts: what the key is of, each a ``str``, ``int``, ``bool``, ``bytes``, ``uuid.UUID`` or
            ``None``.

    Raises:
        MissingTenantContextError: no tenant is in scope, or only a system scope. A key of all
            tenants is not made by this function.
        TypeError: a part has another type.
    """
    return ":".join(("tenant", *map(_encoded, (current_tenant().tenant_id, *parts))))


def _encoded(part: object) -> str:
    kind = type(part)
    if kind is str:
        # The error handler makes different bytes of what UTF-8 does not have, lone surrogates.
        return quote(part, safe="", errors="surrogatepass")  # type: ignore[call-overload, no-any-return]
    if kind not in _MARKS:
        raise TypeError(
            f"tenant_key() takes str, int, bool, bytes, uuid.UUID and None, not {kind.__name__}: "
            "give the attribute that identifies it"
        )
    mark, text = _MARKS[kind]
    return f"{mark}{text(part)}"
