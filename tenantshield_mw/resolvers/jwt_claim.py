"""Read the tenant id from a claim of a JSON Web Token."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from typing import Any, Final, final

from tenantshield_mw.errors import (
    ConfigurationError,
    TenantResolutionError,
    TenantUnauthenticatedError,
    TenantUnavailableError,
)
from tenantshield_mw.request import HeaderField, Request
from tenantshield_mw.tenant import TenantContext

from .cookie import content_of, value_reader
from .credentials import credentials_in
from .extra import required
from .identifier import Kind, parser_for

__all__ = ["JwtClaim", "jwt_claim"]

# RFC 7518 section 3.1: the algorithms whose key both signs and verifies.
_SYMMETRIC: Final = frozenset({"HS256", "HS384", "HS512"})

# PyJWT 2.10 raises these for a token of nested lists, or a time that is null or infinite.
_OF_OLD_RELEASES: Final = (RecursionError, OverflowError, TypeError)

# RFC 6750 section 3.1.
_CHALLENGE: Final = 'Bearer error="invalid_token"'


@final
class JwtClaim:
    """What :func:`jwt_claim` returns."""

    __slots__ = (
        "_arguments",
        "_claim",
        "_cookie",
        "_jwt",
        "_key_for",
        "_parse",
        "_token",
        "varies_on",
    )

    def __init__(
        self,
        claim: str,
        keys: tuple[Any, Any],
        algorithms: tuple[str, ...],
        header: str,
        cookie: str | None,
        kind: Kind,
        **arguments: Any,
    ) -> None:
        if not isinstance(claim, str) or not claim:
            raise ConfigurationError('jwt_claim() takes the claim\'s name, as in "tenant"')
        self._jwt = required("jwt", extra="jwt", by="jwt_claim()")
        self._claim = claim
        self._parse: Callable[[object], TenantContext] = parser_for(kind)
        self._token = credentials_in(header, "Bearer")
        self._key_for = _keys(self._jwt, keys, algorithms)
        self._arguments: dict[str, Any] = {"algorithms": list(algorithms), **arguments}
        self._cookie: HeaderField[str | None] | None = None
        self.varies_on: tuple[str, ...] = (header,)
        if cookie is not None:
            read = value_reader(cookie, "jwt_claim()'s cookie", 'cookie="token"')
            self._cookie = HeaderField("Cookie", read, joint=b"; ")
            self.varies_on += ("Cookie",)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if the request has no token.

        Raises:
            TenantUnauthenticatedError: the signature is invalid, the token has expired, or it
                is meant for another audience.
            TenantResolutionError: there are several tokens, or the claim names no tenant.
            TenantUnavailableError: the keys could not be fetched.
        """
        token = self._token(request)
        if self._cookie is not None:
            token = self._with_cookie(self._cookie(request), token)
        if token is None:
            return None
        try:
            key = self._key_for(token)
            claims = self._jwt.decode(token, key, **self._arguments)
        except (self._jwt.PyJWTError, *_OF_OLD_RELEASES):
            # The reason would help a forger.
            raise TenantUnauthenticatedError("the token is invalid", challenge=_CHALLENGE) from None
        if self._claim not in claims:
            raise TenantResolutionError("the token has no claim that names a tenant")
        tenant = self._parse(claims[self._claim])
        return TenantContext(tenant.tenant_id, claims=claims)

    @staticmethod
    def _with_cookie(value: str | None, token: bytes | None) -> bytes | None:
        if value is None:
            return token
        in_cookie = content_of(value).encode("ascii")
        if token is not None and token != in_cookie:
            raise TenantResolutionError("the header and the cookie hold different tokens")
        return in_cookie


def _checked_algorithms(jwt: Any, algorithms: object) -> tuple[str, ...]:
    if isinstance(algorithms, str) or not isinstance(algorithms, Iterable):
        raise ConfigurationError('algorithms must be a list of names, as in algorithms=["RS256"]')
    named = tuple(algorithms)
    known = set(jwt.algorithms.get_default_algorithms())
    if not named or not all(isinstance(name, str) for name in named):
        raise ConfigurationError(
            "algorithms must name the algorithms that your issuer signs with, as in "
            'algorithms=["RS256"]'
        )
    if any(name.lower() == "none" for name in named):
        raise ConfigurationError(
            'the algorithm "none" means no signature: anybody can forge such a token'
        )
    if not known.issuperset(named):
        raise ConfigurationError(
            "PyJWT does not support one of these algorithms; those with public keys need an "
            'extra: pip install "tenantshield-mw[jwt]"'
        )
    if 0 < len(_SYMMETRIC.intersection(named)) < len(set(named)):
        raise ConfigurationError(
            "algorithms mixes HS..., whose key is a secret, with algorithms that have a public "
            "key: a token signed with the public key as the secret would pass; give one kind only"
        )
    return named


def _names(argument: str, given: object) -> tuple[str, ...] | None:
    """Return the names in ``audience`` or ``issuer`` as a tuple, since an iterator can be read
    only once.
    """
    if given is None:
        return None
    names: tuple[object, ...] = (given,)
    if isinstance(given, Iterable) and not isinstance(given, str):
        names = tuple(given)
    found = tuple(name for name in names if isinstance(name, str) and name)
    if found and len(found) == len(names):
        return found
    raise ConfigurationError(
        f"{argument} must be a non-empty str, or an iterable of at least one, as in "
        f'{argument}="api"'
    )


def _checked_require(require: object) -> list[str]:
    if not isinstance(require, str) and isinstance(require, Iterable):
        claims = list(require)
        if all(isinstance(claim, str) and claim for claim in claims):
            return claims
    raise ConfigurationError('require must be a list of claims, as in require=["exp"]')


def _keys(jwt: Any, keys: tuple[Any, Any], algorithms: tuple[str, ...]) -> Callable[[bytes], Any]:
    """Return a function that returns the key for a token."""
    key, jwks = keys
    if (key is None) == (jwks is None):
        raise ConfigurationError("jwt_claim() takes either key= or jwks=")
    symmetric = algorithms[0] in _SYMMETRIC
    if key is not None:
        _check_key(jwt, key, algorithms)
        return lambda _: key
    if hasattr(jwks, "get_signing_key"):
        # The client does not wrap all errors of urllib and json.
        of_client: tuple[Any, ...] = (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError)
        unavailable = (*of_client, OSError, HTTPException, ValueError)

        def from_client(token: bytes) -> Any:
            kid = jwt.get_unverified_header(token).get("kid")
            try:
                key = jwks.get_signing_key(kid)
            except unavailable as error:
                raise TenantUnavailableError(
                    "the keys that verify tokens could not be fetched"
                ) from error
            return _fitting(jwt, key, symmetric)

        return from_client
    by_id = _by_id(jwt, jwks, symmetric)

    def from_set(token: bytes) -> Any:
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None and len(by_id) == 1:
            return next(iter(by_id.values()))
        if kid not in by_id:
            raise jwt.InvalidKeyError
        return by_id[kid]

    return from_set


def _check_key(jwt: Any, key: Any, algorithms: tuple[str, ...]) -> None:
    known = jwt.algorithms.get_default_algorithms()
    is_jwk = isinstance(key, jwt.PyJWK)
    try:
        for name in (key.algorithm_name,) if is_jwk else algorithms:
            prepared = key.key if is_jwk else known[name].prepare_key(key)
            if name not in algorithms or not prepared or _is_private(prepared):
                raise jwt.InvalidKeyError
            # An unsuitable key would otherwise fail only when the first token arrives.
            known[name].verify(b"", prepared, b"")
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError):
        raise ConfigurationError(
            "the key does not fit the algorithms: HS... take a non-empty secret that is not in "
            "PEM, the others a public key in PEM; a private key must stay with the issuer"
        ) from None


def _is_private(key: object) -> bool:
    return hasattr(key, "public_key")


def _by_id(jwt: Any, jwks: Any, symmetric: bool) -> dict[str | None, Any]:
    refused = ConfigurationError(
        "jwks must be a JWK Set (RFC 7517 section 5) as json.loads() returns it, whose keys "
        "have different kid, fit the algorithms and are not private; or a jwt.PyJWKClient"
    )
    try:
        found = jwks if isinstance(jwks, jwt.PyJWKSet) else _parsed(jwt, jwks)
        signing = [key for key in found.keys if key.public_key_use != "enc"]
        by_id = {key.key_id: _fitting(jwt, key, symmetric) for key in signing}
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError):
        raise refused from None
    if not by_id or len(by_id) != len(signing) or (None in by_id and len(by_id) > 1):
        raise refused
    return by_id


def _parsed(jwt: Any, jwks: object) -> Any:
    if isinstance(jwks, Mapping):
        return jwt.PyJWKSet.from_dict(dict(jwks))
    raise TypeError


def _fitting(jwt: Any, key: Any, symmetric: bool) -> Any:
    if (key.key_type == "oct") == symmetric and not _is_private(key.key):
        return key
    raise jwt.InvalidKeyError


def jwt_claim(
    claim: str,
    key: Any = None,
    *,
    jwks: Any = None,
    algorithms: Iterable[str],
    audience: str | Iterable[str] | None = None,
    issuer: str | Iterable[str] | None = None,
    leeway: float = 0,
    require: Iterable[str] = (),
    header: str = "Authorization",
    cookie: str | None = None,
    type: Kind = str,  # noqa: A002
) -> JwtClaim:
    """Return a resolver that reads the tenant id from a claim of a bearer token.

    All claims of the token are then in :attr:`TenantContext.claims
    <tenantshield_mw.TenantContext>`, also for ``authorize`` and with a directory.

    Signature, ``exp``, ``nbf``, ``iat``, ``aud`` and ``iss`` are checked (PyJWT, RFC 7519
    section 4.1); a token that fails is refused with 401. Needs the extra ``jwt``.

    Args:
        claim: the claim's name.
        key: the one key that verifies the tokens: a secret for ``HS...``, otherwise a public
            key in PEM or a ``jwt.PyJWK``; never a private key.
        jwks: instead of ``key``, a JWK Set as ``json.loads()`` returns it, or a
            ``jwt.PyJWKClient``. The client blocks, so under ASGI wrap the resolver in
            :func:`~tenantshield_mw.resolvers.in_thread`. While the keys cannot be fetched,
            requests with a token are refused with 503.
        algorithms: the algorithms that the issuer signs with (RFC 7518 section 3.1), either
            all with secrets or all with public keys; never ``none``.
        audience: the accepted audience, or several; a token with ``aud`` is refused if
            this is not given.
        issuer: the accepted issuer, or several; by default any.
        leeway: how much clocks may differ, in seconds; at least 0.
        require: claims that a token must have; ``("exp",)`` refuses tokens that never expire.
        header: the header that holds ``Bearer`` and the token.
        cookie: the name of a cookie that may hold the token instead, for websockets, to which
            browsers add no headers of the page's own. Set it with ``SameSite``, and check
            ``Origin`` where other sites must not connect. A header and a cookie with different
            tokens are refused.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: an argument is invalid, or the extra is missing.
    """
    named = _checked_algorithms(required("jwt", extra="jwt", by="jwt_claim()"), algorithms)
    if (
        isinstance(leeway, bool)
        or not isinstance(leeway, int | float)
        or not 0 <= leeway < math.inf
    ):
        raise ConfigurationError("leeway must be a number of seconds, at least 0")
    return JwtClaim(
        claim,
        (key, jwks),
        named,
        header,
        cookie,
        type,
        audience=_names("audience", audience),
        issuer=_names("issuer", issuer),
        leeway=leeway,
        options={"require": _checked_require(require)},
    )
