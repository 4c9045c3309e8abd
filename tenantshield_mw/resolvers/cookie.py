"""Read the tenant id from a cookie, signed or not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias, final
from uuid import UUID

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import HeaderField, Memo, Request
from tenantshield_mw.tenant import TenantContext, TenantId

from .extra import required
from .identifier import Kind, parser_for, reader_for

__all__ = ["Cookie", "content_of", "cookie", "value_reader"]

# RFC 6265 section 4.1.1.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r'("?)([!#-+\--:<-\[\]-~]*)\1')

_BLANK: Final = " \t"

# A browser sends the same cookies of a site with every request.
_REMEMBERED_LENGTH: Final = 4096

Named: TypeAlias = tuple[TenantContext, float]
"""The tenant, and when the cookie was signed, in seconds since 1970; 0 if it is not signed."""


def value_reader(name: object, caller: str, example: str) -> Callable[[bytes], str | None]:
    """Return a function that finds a cookie's value in a ``Cookie`` field; ``None`` if it is not
    there. The function raises :class:`TenantResolutionError` if the value is not the only one.

    Args:
        name: the cookie's name.
        caller: the function that takes the name, for the error.
        example: how it is called, for the error.

    Raises:
        ConfigurationError: ``name`` is not a cookie's name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{caller} takes a cookie's name, made of letters, digits, '-' and '_', as in {example}"
        )
    after_comma = re.compile(rf",[ \t]*{re.escape(name)}[ \t]*=")

    def read(field: bytes) -> str | None:
        text = field.decode("latin-1")
        # Some servers, mostly WSGI ones, join a split field with a comma. A comma may also be
        # part of a value, so the end of the cookie before it is not known.
        if "," in text and after_comma.search(text):
            raise TenantResolutionError("the tenant's cookie follows a comma")
        first: str | None = None
        for pair in text.split(";"):
            key, equals, value = pair.partition("=")
            if equals and key.strip(_BLANK) == name:
                value = value.strip(_BLANK)
                if first is not None and first != value:
                    raise TenantResolutionError(
                        "the tenant's cookie is repeated with different values"
                    )
                first = value
        return first

    return read


def content_of(value: str) -> str:
    """Return a cookie's value without its quotes.

    Raises:
        TenantResolutionError: it has characters that RFC 6265 section 4.1.1 does not allow.
    """
    plain = _VALUE.fullmatch(value)
    if plain is None:
        raise TenantResolutionError("the tenant's cookie has characters that are not allowed")
    return plain[2]


def _serializer(name: str, secret: str | bytes, max_age: float | None) -> Any:
    """Return itsdangerous' serializer for a cookie, after checking the arguments.

    Raises:
        ConfigurationError: an argument is invalid, or the extra is missing.
    """
    if not isinstance(secret, str | bytes) or not secret:
        raise ConfigurationError("cookie()'s secret must be a non-empty str or bytes")
    if max_age is not None and (
        isinstance(max_age, bool) or not isinstance(max_age, int | float) or not max_age > 0
    ):
        raise ConfigurationError("max_age must be a number of seconds above 0, or None")
    itsdangerous = required("itsdangerous", extra="signed", by="cookie() with a secret")
    # A value that was signed for another purpose or another cookie is not valid here.
    return itsdangerous.URLSafeTimedSerializer(secret, salt=f"tenantshield_mw.cookie.{name}")


def _verifying(serializer: Any, kind: Kind) -> Memo[str, Named]:
    """Return a memo that verifies signed values.

    Whether a signature is valid never changes; only its age has to be checked each time.
    """
    bad_data = required("itsdangerous", extra="signed", by="cookie() with a secret").BadData
    parse = parser_for(kind)

    def verified(value: str) -> Named:
        try:
            payload, signed_at = serializer.loads(content_of(value), return_timestamp=True)
        except bad_data:
            raise TenantResolutionError("the signature of the tenant's cookie is invalid") from None
        return parse(payload), signed_at.timestamp()

    return Memo(verified)


@final
class Cookie:
    """What :func:`cookie` returns."""

    __slots__ = (
        "_field",
        "_known",
        "_max_age",
        "_now",
        "_read",
        "_serializer",
    )

    varies_on: Final = ("Cookie",)

    def __init__(
        self,
        name: str,
        secret: str | bytes | None,
        max_age: float | None,
        kind: Kind,
        now: Callable[[], float],
    ) -> None:
        self._read = value_reader(name, "cookie()", 'cookie("tenant")')
        # RFC 9113 section 8.2.3: this joins a Cookie field that was split.
        self._field = HeaderField("Cookie", self._named, joint=b"; ", length=_REMEMBERED_LENGTH)
        self._max_age = max_age
        self._now = now
        self._serializer: Any = None
        self._known: Memo[str, Named]
        if secret is not None:
            self._serializer = _serializer(name, secret, max_age)
            self._known = _verifying(self._serializer, kind)
        elif max_age is not None:
            raise ConfigurationError("max_age needs a secret: only a signed cookie has a timestamp")
        else:
            read = reader_for(kind)
            self._known = Memo(lambda value: (TenantContext(read(content_of(value))), 0.0))

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if the request does not have the cookie.

        Raises:
            TenantResolutionError: the value names no tenant, its signature is invalid or
                too old, the cookie comes with several values, or it follows a comma.
        """
        named = self._field(request)
        if named is None:
            return None
        tenant, signed_at = named
        if self._max_age is not None and not 0 <= self._now() - signed_at <= self._max_age:
            raise TenantResolutionError(
                "the tenant's cookie has expired, or was signed in the future"
            )
        return tenant

    def _named(self, field: bytes) -> Named | None:
        value = self._read(field)
        return None if value is None else self._known[value]

    def sign(self, tenant_id: TenantId) -> str:
        """Return the cookie's value for ``tenant_id``, signed now.

        Raises:
            ConfigurationError: this resolver has no secret.
            TenantResolutionError: ``tenant_id`` cannot name a tenant.
        """
        if self._serializer is None:
            raise ConfigurationError("sign() needs a secret: give cookie() one")
        value = TenantContext(tenant_id).tenant_id
        signed: str = self._serializer.dumps(str(value) if isinstance(value, UUID) else value)
        return signed


def cookie(
    name: str,
    secret: str | bytes | None = None,
    *,
    max_age: float | None = None,
    type: Kind = str,  # noqa: A002
    now: Callable[[], float] = time.time,
) -> Cookie:
    """Return a resolver that reads the tenant id from a cookie.

    Without a secret, the client can write any tenant into the cookie: use it together with
    ``authorize=``. With a secret, the resolver's method ``sign`` makes the value::

        tenant_cookie = cookie("tenant", secret=settings.secret, max_age=86_400)
        response.set_cookie("tenant", tenant_cookie.sign("acme"), httponly=True, secure=True)

    A cookie that is repeated with different values is refused: an attacker may have set one
    of them for a narrower path. So is a cookie that follows a comma, with which some WSGI
    servers join a ``Cookie`` field that was split. A secret needs the extra ``signed``.

    Args:
        name: the cookie's name (RFC 6265 section 4.1.1), case-sensitive.
        secret: the key that signs the value (itsdangerous, ``URLSafeTimedSerializer``);
            ``None`` for an unsigned cookie.
        max_age: how old a signature may be, in seconds; above 0. ``None`` for no limit.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.
        now: returns the time in seconds since 1970.

    Raises:
        ConfigurationError: an argument is invalid, or the extra is missing.
    """
    return Cookie(name, secret, max_age, type, now)
