"""Keys and tokens as an issuer creates them."""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

__all__ = ["EC_KEY", "OTHER_RSA_KEY", "RSA_KEY", "SECRET", "private_pem", "public_pem", "token"]

SECRET = "a secret of thirty-two characters"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def private_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def token(
    key: Any = SECRET, algorithm: str = "HS256", *, kid: str | None = None, **claims: Any
) -> bytes:
    """Return a token with the given claims that expires in a minute."""
    payload = {"tenant": "acme", "exp": int(time.time()) + 86_400, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers).encode()
