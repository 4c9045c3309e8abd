"""The keys and algorithms of tokens."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from jwt import algorithms
from jwt.utils import base64url_encode

from tenantshield_mw import ConfigurationError, TenantContext, TenantUnauthenticatedError, resolvers

from ..core.calling import http_scope
from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    bearer,
    each_case,
    malformed,
    missing,
    ran,
    refused,
    with_,
)
from .tokens import EC_KEY, OTHER_RSA_KEY, RSA_KEY, SECRET, private_pem, public_pem, token


def jwk(key: Any, **more: str) -> dict[str, Any]:
    algorithm: Any = algorithms.RSAAlgorithm
    if key is EC_KEY:
        algorithm = algorithms.ECAlgorithm
    document: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    document.pop("key_ops", None)
    return {**document, **more}


SECRET_JWK = json.loads(algorithms.HMACAlgorithm.to_jwk(SECRET))
KEYS = {
    "keys": [
        jwk(RSA_KEY, kid="rsa", use="sig"),
        jwk(EC_KEY, kid="ec"),
        jwk(OTHER_RSA_KEY, kid="for encryption", use="enc"),
    ]
}


def resolve(resolver: Any, value: bytes) -> Any:
    return resolver(http_scope(headers=[(b"authorization", b"Bearer " + value)]))


ACME = TenantContext("acme")


def test_a_set_of_keys_finds_the_key_by_its_id() -> None:
    resolver = resolvers.jwt_claim("tenant", jwks=KEYS, algorithms=["RS256", "ES256"])
    assert resolve(resolver, token(RSA_KEY, "RS256", kid="rsa")) == ACME
    assert resolve(resolver, token(EC_KEY, "ES256", kid="ec")) == ACME


@pytest.mark.parametrize(
    "value",
    [
        token(OTHER_RSA_KEY, "RS256", kid="rsa"),
        token(RSA_KEY, "RS256", kid="ec"),
        token(RSA_KEY, "RS256", kid="other"),
        token(RSA_KEY, "RS256"),
        token(RSA_KEY, "RS512", kid="rsa"),
        token(OTHER_RSA_KEY, "RS256", kid="for encryption"),
        token(SECRET, "HS256", kid="rsa"),
        token(None, "none", kid="rsa"),
    ],
    ids=[
        "another key by the same name",
        "the name of another key",
        "the name of no key",
        "no name",
        "another algorithm",
        "a key that does not sign",
        "a secret",
        "no signature",
    ],
)
def test_a_token_without_a_valid_signature_of_the_set_is_refused(value: bytes) -> None:
    resolver = resolvers.jwt_claim("tenant", jwks=KEYS, algorithms=["RS256", "ES256"])
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, value)


def test_the_only_key_of_a_set_needs_no_id() -> None:
    for only in (jwk(RSA_KEY), jwk(RSA_KEY, kid="rsa")):
        resolver = resolvers.jwt_claim("tenant", jwks={"keys": [only]}, algorithms=["RS256"])
        assert resolve(resolver, token(RSA_KEY, "RS256")) == ACME


def test_a_set_of_secrets_serves_algorithms_of_secrets() -> None:
    resolver = resolvers.jwt_claim("tenant", jwks={"keys": [SECRET_JWK]}, algorithms=["HS256"])
    assert resolve(resolver, token()) == ACME


def test_a_client_of_a_key_server_is_asked_for_the_key() -> None:
    class Client:
        def get_signing_key(self, kid: Any) -> Any:
            found = jwt.PyJWKSet.from_dict(KEYS).keys[0]
            if kid != found.key_id:
                raise jwt.PyJWKClientError("no such key")
            return found

    resolver = resolvers.jwt_claim("tenant", jwks=Client(), algorithms=["RS256"])
    assert resolve(resolver, token(RSA_KEY, "RS256", kid="rsa")) == ACME
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, token(RSA_KEY, "RS256", kid="other"))
    with pytest.raises(TenantUnauthenticatedError):
        resolve(
            resolvers.jwt_claim("tenant", jwks=Client(), algorithms=["HS256"]),
            token(SECRET, "HS256", kid="rsa"),
        )


def test_the_public_key_is_never_used_as_a_secret() -> None:
    header_and_claims = token(SECRET, "HS256").rsplit(b".", 1)[0]
    signature = algorithms.HMACAlgorithm(algorithms.HMACAlgorithm.SHA256).sign(
        header_and_claims, public_pem(RSA_KEY)
    )
    value = header_and_claims + b"." + base64url_encode(signature)
    resolver = resolvers.jwt_claim("tenant", public_pem(RSA_KEY), algorithms=["RS256"])
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, value)


def test_leeway_covers_clocks_that_differ() -> None:
    late = token(exp=int(time.time()) - 30)
    assert (
        resolve(resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], leeway=3600), late)
        == ACME
    )
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], leeway=1), late)


def test_claims_can_be_required() -> None:
    endless = token(exp=None)
    assert resolve(resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"]), endless) == ACME
    with pytest.raises(TenantUnauthenticatedError):
        resolve(
            resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], require=["exp"]), endless
        )


def test_the_token_may_stand_in_another_header() -> None:
    resolver = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], header="X-Token")
    assert resolver(http_scope(headers=[(b"x-token", b"Bearer " + token())])) == ACME
    assert resolver.varies_on == ("X-Token",)


def test_the_error_does_not_repeat_the_token() -> None:
    value = token("another secret of thirty-two chars")
    with pytest.raises(TenantUnauthenticatedError) as caught:
        resolve(resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"]), value)
    assert value.decode() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


PUBLIC = public_pem(RSA_KEY)
PRIVATE_JWK = algorithms.RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": SECRET, "algorithms": []}, "algorithms"),
        ({"key": SECRET, "algorithms": "HS256"}, "algorithms"),
        ({"key": SECRET, "algorithms": None}, "algorithms"),
        ({"key": SECRET, "algorithms": [256]}, "algorithms"),
        ({"key": SECRET, "algorithms": ["none"]}, "forge"),
        ({"key": SECRET, "algorithms": ["HS256", "None"]}, "forge"),
        ({"key": SECRET, "algorithms": ["HS999"]}, "does not support"),
        ({"key": SECRET, "algorithms": ["HS256", "RS256"]}, "mixes"),
        ({"key": PUBLIC, "algorithms": ["HS256", "RS256"]}, "mixes"),
        ({"key": PUBLIC, "algorithms": ["HS256"]}, "does not fit"),
        ({"key": SECRET, "algorithms": ["RS256"]}, "does not fit"),
        ({"key": PUBLIC, "algorithms": ["ES256"]}, "does not fit"),
        ({"key": "", "algorithms": ["HS256"]}, "does not fit"),
        ({"key": 7, "algorithms": ["HS256"]}, "does not fit"),
        ({"key": jwt.PyJWK(jwk(RSA_KEY)), "algorithms": ["HS256"]}, "does not fit"),
        ({"key": private_pem(RSA_KEY), "algorithms": ["RS256"]}, "private"),
        ({"key": private_pem(EC_KEY), "algorithms": ["ES256"]}, "private"),
        ({"key": RSA_KEY, "algorithms": ["RS256"]}, "private"),
        ({"key": public_pem(EC_KEY), "algorithms": ["RS256"]}, "does not fit"),
        ({"key": jwt.PyJWK(PRIVATE_JWK), "algorithms": ["RS256"]}, "private"),
        ({"jwks": {"keys": [PRIVATE_JWK]}, "algorithms": ["RS256"]}, "private"),
        ({"algorithms": ["HS256"]}, "key= or jwks="),
        ({"key": SECRET, "jwks": KEYS, "algorithms": ["HS256"]}, "key= or jwks="),
        ({"jwks": KEYS, "algorithms": ["HS256"]}, "JWK Set"),
        ({"jwks": {"keys": [SECRET_JWK]}, "algorithms": ["RS256"]}, "JWK Set"),
        ({"jwks": {"keys": []}, "algorithms": ["RS256"]}, "JWK Set"),
        ({"jwks": {"keys": [jwk(RSA_KEY, use="enc")]}, "algorithms": ["RS256"]}, "JWK Set"),
        ({"jwks": {"keys": [jwk(RSA_KEY), jwk(EC_KEY)]}, "algorithms": ["RS256"]}, "JWK Set"),
        (
            {
                "jwks": {"keys": [jwk(RSA_KEY, kid="a"), jwk(EC_KEY, kid="a")]},
                "algorithms": ["RS256"],
            },
            "JWK Set",
        ),
        ({"jwks": "https://issuer.test/keys", "algorithms": ["RS256"]}, "JWK Set"),
        ({"key": SECRET, "algorithms": ["HS256"], "leeway": -1}, "leeway"),
        ({"key": SECRET, "algorithms": ["HS256"], "leeway": True}, "leeway"),
        ({"key": SECRET, "algorithms": ["HS256"], "leeway": float("nan")}, "leeway"),
        ({"key": SECRET, "algorithms": ["HS256"], "leeway": float("inf")}, "leeway"),
        ({"key": SECRET, "algorithms": ["HS256"], "require": "exp"}, "require"),
        ({"key": SECRET, "algorithms": ["HS256"], "require": b"exp"}, "require"),
        ({"key": SECRET, "algorithms": ["HS256"], "require": None}, "require"),
        ({"key": SECRET, "algorithms": ["HS256"], "require": ["exp", ""]}, "require"),
        ({"key": SECRET, "algorithms": ["HS256"], "audience": 123}, "audience"),
        ({"key": SECRET, "algorithms": ["HS256"], "audience": b"us"}, "audience"),
        ({"key": SECRET, "algorithms": ["HS256"], "audience": ""}, "audience"),
        ({"key": SECRET, "algorithms": ["HS256"], "audience": []}, "audience"),
        ({"key": SECRET, "algorithms": ["HS256"], "audience": ["us", None]}, "audience"),
        ({"key": SECRET, "algorithms": ["HS256"], "issuer": 123}, "issuer"),
        ({"key": SECRET, "algorithms": ["HS256"], "issuer": ()}, "issuer"),
        ({"key": SECRET, "algorithms": ["HS256"], "type": float}, "type="),
        ({"key": SECRET, "algorithms": ["HS256"], "header": "X Token"}, "header"),
        ({"claim": "", "key": SECRET, "algorithms": ["HS256"]}, "claim"),
    ],
)
def test_an_unsafe_configuration_is_refused(arguments: dict[str, Any], message: str) -> None:
    arguments = {"claim": "tenant", **arguments}
    with pytest.raises(ConfigurationError, match=message):
        resolvers.jwt_claim(**arguments)


def test_audience_and_issuer_may_be_iterators() -> None:
    resolver = resolvers.jwt_claim(
        "tenant",
        SECRET,
        algorithms=iter(["HS256"]),
        audience=iter(["us", "them"]),
        issuer=iter(["issuer", "other"]),
        require=iter(["exp"]),
    )
    for _ in range(2):
        assert resolve(resolver, token(aud="us", iss="issuer")) == ACME
        assert resolve(resolver, token(aud=["x", "them"], iss="other")) == ACME
        for wrong in ({"aud": "x"}, {"iss": "issue"}, {"exp": None}):
            claims: dict[str, Any] = {"aud": "us", "iss": "issuer", **wrong}
            with pytest.raises(TenantUnauthenticatedError):
                resolve(resolver, token(**claims))


def test_one_key_may_be_given_as_a_jwk() -> None:
    resolver = resolvers.jwt_claim("tenant", jwt.PyJWK(jwk(RSA_KEY)), algorithms=["RS256"])
    assert resolve(resolver, token(RSA_KEY, "RS256")) == ACME
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, token(OTHER_RSA_KEY, "RS256"))


@pytest.mark.parametrize("header", [b"[" * 3000, b'{"alg":' * 3000])
def test_a_header_of_nested_lists_is_refused(header: bytes) -> None:
    resolver = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"])
    value = base64.urlsafe_b64encode(header).rstrip(b"=") + b".e30.eA"
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, value)


@pytest.mark.parametrize("expires", [None, [], "soon", float("inf"), float("nan")])
def test_an_invalid_time_is_refused(expires: Any) -> None:
    resolver = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"])
    part = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=")
        for each in ({"alg": "HS256", "typ": "JWT"}, {"tenant": "acme", "exp": expires})
    ]
    signed = b".".join(part)
    mark = hmac.digest(SECRET.encode() if isinstance(SECRET, str) else SECRET, signed, "sha256")
    with pytest.raises(TenantUnauthenticatedError):
        resolve(resolver, signed + b"." + base64.urlsafe_b64encode(mark).rstrip(b"="))


INVALID_TOKEN = refused(401, "tenant_unauthenticated", 'Bearer error="invalid_token"')
TOKEN = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], audience="us", issuer="issuer")

CASES: Cases = {
    "JWT claim": (
        TOKEN,
        [
            (bearer(token(aud="us", iss="issuer")), ran("acme")),
            (with_(authorization="bearer " + token(aud="us", iss="issuer").decode()), ran("acme")),
            (bearer(token(aud=["others", "us"], iss="issuer", tenant="müller")), ran("müller")),
            (bearer(token(aud="others", iss="issuer")), INVALID_TOKEN),
            (bearer(token(iss="issuer")), INVALID_TOKEN),
            (bearer(token(aud="us", iss="others")), INVALID_TOKEN),
            (bearer(token(aud="us")), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", exp=int(time.time()) - 5)), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", nbf=int(time.time()) + 86_400)), INVALID_TOKEN),
            (
                bearer(token("another secret of thirty-two chars", aud="us", iss="issuer")),
                INVALID_TOKEN,
            ),
            (bearer(token(SECRET * 2, "HS512", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(token(None, "none", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(token(RSA_KEY, "RS256", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(b"acme"), INVALID_TOKEN),
            (bearer(b"a.b.c"), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", tenant=None)), malformed),
            (bearer(token(aud="us", iss="issuer", tenant="")), malformed),
            (bearer(token(aud="us", iss="issuer", tenant=7)), malformed),
            (bearer(token(aud="us", iss="issuer", tenant=["acme"])), malformed),
            (bearer(b""), malformed),
            (bearer(b"a b"), malformed),
            (
                Sent(headers=((b"authorization", b"Bearer " + token(aud="us", iss="issuer")),) * 2),
                malformed,
            ),
            (with_(authorization="Basic YTpi"), missing),
            (with_(authorization="Basic YTpi, Bearer a"), malformed),
            (with_(), missing),
        ],
    ),
    "JWT claim, public key": (
        resolvers.jwt_claim("tenant", public_pem(RSA_KEY), algorithms=["RS256"], type=int),
        [
            (bearer(token(RSA_KEY, "RS256", tenant=7)), ran(7)),
            (bearer(token(RSA_KEY, "PS256", tenant=7)), INVALID_TOKEN),
            (bearer(token(EC_KEY, "ES256", tenant=7)), INVALID_TOKEN),
            (bearer(token(SECRET, "HS256", tenant=7)), INVALID_TOKEN),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
