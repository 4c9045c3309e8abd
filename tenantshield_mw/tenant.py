"""A tenant: its identifier, and the context that is bound to a request."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias, TypeVar
from uuid import UUID

from .errors import TenantResolutionError

__all__ = [
    "MAX_TENANT_ID_LENGTH",
    "TenantContext",
    "TenantId",
    "check_tenant_id",
    "with_claims",
    "with_plain_uuid",
]

T = TypeVar("T")

TenantId: TypeAlias = str | int | UUID
"""Identifies a tenant: a ``str``, an ``int`` (never a ``bool``) or a ``uuid.UUID``."""

MAX_TENANT_ID_LENGTH: Final = 255
"""The longest tenant identifier of type ``str``, in characters."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def check_tenant_id(value: object) -> TenantId:
    """Return ``value`` unchanged if it can name a tenant.

    A ``str`` must be non-empty, at most 255 characters, printable, and without
    white space at either end. Nothing is converted: ``b"acme"`` or an object with a
    ``__str__`` is an error. So is an instance of a subclass of the three types, since its
    comparison could do anything.

    Raises:
        TenantResolutionError: ``value`` cannot name a tenant. The message gives its
            type and the reason, never the value, which is unchecked input.
    """
    kind = type(value)
    if kind is str:
        # isprintable() is False for control, format and separator characters other
        # than the plain space, which may stand inside but not at an end.
        if (
            value
            and len(value) <= MAX_TENANT_ID_LENGTH  # type: ignore[arg-type]
            and value.isprintable()  # type: ignore[attr-defined]
            and value[0] != " "  # type: ignore[index]
            and value[-1] != " "  # type: ignore[index]
        ):
            return value  # type: ignore[return-value]
        _refuse_string(value)  # type: ignore[arg-type]
    if kind is int or kind is UUID:
        return value  # type: ignore[return-value]
    # A driver's own class may be called UUID, too.
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    raise TenantResolutionError(
        f"a tenant id must be a str, an int or a uuid.UUID, not {module}{kind.__name__}; "
        "convert it where it is read"
    )


def with_plain_uuid(value: T) -> T | UUID:
    """Return the same UUID as a :class:`uuid.UUID` if ``value`` is one of a subclass, which some
    drivers read from a database; all else is returned unchanged, and unchecked.
    """
    if isinstance(value, UUID) and type(value) is not UUID:
        return UUID(int=value.int)
    return value


def _refuse_string(value: str) -> NoReturn:
    if not value:
        reason = "is empty"
    elif len(value) > MAX_TENANT_ID_LENGTH:
        reason = f"has {len(value)} characters, {MAX_TENANT_ID_LENGTH} are allowed"
    elif value != value.strip():
        reason = "begins or ends with white space"
    else:
        reason = "contains a control or other unprintable character"
    raise TenantResolutionError(f"the tenant id {reason}")


class TenantContext:
    """One tenant, as bound to a scope; immutable.

    It has no text: ``str()``, ``format()`` and f-strings raise. A cache key or a file name is made
    of ``tenant_id``; a message may have ``{tenant!r}``.

    Args:
        tenant_id: the identifier, see :func:`check_tenant_id`.
        attributes: more about the tenant for the application (plan, region, display
            name). Copied into a read-only mapping; not part of equality.
        claims: the verified claims of the token that named the tenant
            (:func:`~tenantshield_mw.resolvers.jwt_claim`), about the caller; otherwise empty.
            The same applies to them.

    Raises:
        TenantResolutionError: ``tenant_id`` cannot name a tenant.
    """

    __slots__ = ("attributes", "claims", "tenant_id")

    tenant_id: TenantId
    attributes: Mapping[str, Any]
    claims: Mapping[str, Any]

    def __init__(
        self,
        tenant_id: TenantId,
        attributes: Mapping[str, Any] = _NOTHING,
        claims: Mapping[str, Any] = _NOTHING,
    ) -> None:
        _set_tenant_id(self, check_tenant_id(tenant_id))
        _set_attributes(
            self, attributes if attributes is _NOTHING else MappingProxyType(dict(attributes))
        )
        _set_claims(self, claims if claims is _NOTHING else MappingProxyType(dict(claims)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"TenantContext is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"TenantContext is immutable: cannot delete {name!r}")

    def __repr__(self) -> str:
        # Attributes and claims may hold secrets, so logs show only the identifier.
        return f"TenantContext({self.tenant_id!r})"

    def __str__(self) -> NoReturn:
        # Text without the identifier would be the same for all tenants, and a cache key made of
        # it would mix them up; the text of repr() may change, and is not what anybody means.
        raise TypeError(
            "a TenantContext has no text: give tenant.tenant_id, for example in a cache key, or "
            "repr(tenant) in a message, as in f'{tenant!r}'"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TenantContext):
            return NotImplemented
        return type(self.tenant_id) is type(other.tenant_id) and self.tenant_id == other.tenant_id

    def __hash__(self) -> int:
        return hash(self.tenant_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return (TenantContext, (self.tenant_id, dict(self.attributes), dict(self.claims)))


# The slots' own setters cost about half of ``object.__setattr__``, on a path that every
# request takes.
_set_tenant_id = TenantContext.__dict__["tenant_id"].__set__
_set_attributes = TenantContext.__dict__["attributes"].__set__
_set_claims = TenantContext.__dict__["claims"].__set__


def with_claims(tenant: TenantContext, claims: Mapping[str, Any]) -> TenantContext:
    """Return ``tenant`` with ``claims``, or as it is if there are none."""
    return TenantContext(tenant.tenant_id, tenant.attributes, claims) if claims else tenant
