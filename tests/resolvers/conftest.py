"""Leave out the tests of what needs an extra where that is not installed, as in ``test-core``."""

from __future__ import annotations

from importlib.util import find_spec

# Modules that import jwt or itsdangerous when they are collected.
collect_ignore = (
    []
    if find_spec("jwt") and find_spec("itsdangerous")
    else [
        "test_any_request.py",
        "test_claims.py",
        "test_cookie.py",
        "test_jwt_claim.py",
        "test_key_server.py",
        "test_long_fields.py",
    ]
)
