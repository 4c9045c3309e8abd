"""The tenant that a cookie names, signed or not."""

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

__all__ = ["Cookie", "cookie"]

# RFC 6265 section 4.1.1.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r'("?)([!#-+\--:<-\[\]-~]*)\1')

_BLANK: Final = " \t"

# A browser sends all of a site's cookies, the same ones again and again.
_REMEMBERED_LENGTH: Final = 4096

Named: TypeAlias = tuple[TenantContext, float]
"""The tenant, and when that was signed, in seconds since 1970; 0 where it is not signed."""


def _content(value: str) -> str:
    plain = _VALUE.fullmatch(value)
    if plain is None:
        raise TenantResolutionError("the tenant's cookie has characters that no cookie has")
    return plain[2]


@final
class Cookie:
    """What :func:`cookie` returns."""

    __slots__ = (
        "_behind_comma",
        "_field",
        "_known",
        "_max_age",
        "_name",
        "_now",
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
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                'cookie() takes the cookie\'s name, of letters, digits, "-" and "_", as in '
                'cookie("tenant")'
            )
        # RFC 9113 section 8.2.3: a field that is split is joined like this.
        self._field = HeaderField("Cookie", self._named, joint=b"; ", length=_REMEMBERED_LENGTH)
        self._name = name
        self._behind_comma = re.compile(rf",[ \t]*{re.escape(name)}[ \t]*=")
        self._max_age = max_age
        self._now = now
        self._serializer: Any = None
        if secret is None:
            if max_age is not None:
                raise ConfigurationError("max_age needs a secret: only a signature has a time")
            read = reader_for(kind)
            self._known: Memo[str, Named] = Memo(
                lambda value: (TenantContext(read(_content(value))), 0.0)
            )
            return
        if not isinstance(secret, str | bytes) or not secret:
            raise ConfigurationError("cookie()'s secret is a str or bytes that is not empty")
        if max_age is not None and (
            isinstance(max_age, bool) or not isinstance(max_age, int | float) or not max_age > 0
        ):
            raise ConfigurationError("max_age is a number of seconds above 0, or None")
        itsdangerous = required("itsdangerous", extra="signed", by="cookie() with a secret")
        # What was signed for another purpose, or another cookie, is none of this one.
        salt = f"tenantshield_mw.cookie.{name}"
        self._serializer = itsdangerous.URLSafeTimedSerializer(secret, salt=salt)
        parse = parser_for(kind)

        def verified(value: str) -> Named:
            try:
                payload, signed_at = self._serializer.loads(_content(value), return_timestamp=True)
            except itsdangerous.BadData:
                raise TenantResolutionError("the tenant's cookie is not signed by us") from None
            return parse(payload), signed_at.timestamp()

        # The signature of a value holds for ever or never, only its age is still to be seen.
        self._known = Memo(verified)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` where there is no such cookie.

        Raises:
            TenantResolutionError: the value names no tenant, is not signed as it should
                be or too old, there are several that differ, or one comes behind a comma.
        """
        named = self._field(request)
        if named is None:
            return None
        tenant, signed_at = named
        if self._max_age is not None and not 0 <= self._now() - signed_at <= self._max_age:
            raise TenantResolutionError("the tenant's cookie is too old, or from the future")
        return tenant

    def _named(self, field: bytes) -> Named | None:
        text = field.decode("latin-1")
        # Some servers join a field that was split with a comma, under WSGI above all, and
        # then a cookie's value cannot be told from the next cookie.
        if "," in text and self._behind_comma.search(text):
            raise TenantResolutionError("the tenant's cookie comes behind a comma")
        first: str | None = None
        for pair in text.split(";"):
            key, equals, value = pair.partition("=")
            if equals and key.strip(_BLANK) == self._name:
                value = value.strip(_BLANK)
                if first is not None and first != value:
                    raise TenantResolutionError("the tenant's cookie comes twice, differently")
                first = value
        return None if first is None else self._known[first]

    def sign(self, tenant_id: TenantId) -> str:
        """Return the cookie's value that names ``tenant_id``, signed as of now.

        Raises:
            ConfigurationError: this resolver has no secret.
            TenantResolutionError: it cannot name a tenant.
        """
        if self._serializer is None:
            raise ConfigurationError("to sign a cookie, give cookie() a secret")
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

    Without a secret the client writes into it whatever it likes: use it together with
    ``authorize=``. With one, the value is what the resolver's own ``sign`` made::

        tenant_cookie = cookie("tenant", secret=settings.secret, max_age=86_400)
        response.set_cookie("tenant", tenant_cookie.sign("acme"), httponly=True, secure=True)

    A cookie that comes twice with different values, as when another one was planted for a
    narrower path, is refused, and so is one behind a comma, with which some WSGI servers join
    a field that came split. Needs the extra ``signed`` if there is a secret.

    Args:
        name: the cookie's name (RFC 6265 section 4.1.1); case matters.
        secret: signs the value (itsdangerous, ``URLSafeTimedSerializer``).
        max_age: how old a signature may be, in seconds; above 0.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.
        now: tells the time in seconds since 1970.

    Raises:
        ConfigurationError: an argument is not one of these, or the extra is missing.
    """
    return Cookie(name, secret, max_age, type, now)
