"""A resolver whose library is not installed says which extra installs it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, resolvers


@pytest.mark.parametrize(
    ("module", "extra", "make"),
    [
        ("itsdangerous", "signed", lambda: resolvers.cookie("tenant", "a secret")),
        ("jwt", "jwt", lambda: resolvers.jwt_claim("tenant", "secret", algorithms=["HS256"])),
    ],
)
def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str, make: Any
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"tenantshield-mw\[{extra}\]"):
        make()
