"""Leave out the tests of what needs an extra where that is not installed, as in ``test-core``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

NEEDED: Final = {
    "flask": ["test_path_prefix.py"],
    "itsdangerous": ["test_any_request.py", "test_cookie.py"],
    "jwt": [
        "test_any_request.py",
        "test_claims.py",
        "test_jwt_claim.py",
        "test_key_server.py",
        "test_long_fields.py",
    ],
}
"""The modules that need each library."""

collect_ignore = [
    each for library, tests in NEEDED.items() if not find_spec(library) for each in tests
]
