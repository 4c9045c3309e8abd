"""The adapter's errors are the package's, and SQLAlchemy does not wrap them."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DontWrapMixin

import tenantshield_mw
from tenantshield_mw.adapters.sqlalchemy import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_caught_under_its_public_name(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, getattr(tenantshield_mw, name))
    assert issubclass(kind, DontWrapMixin)
    assert kind.__doc__
