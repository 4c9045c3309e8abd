"""How databases are reached is checked when it is said."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.placements import Databases


def url(name: str) -> str:
    return f"sqlite:///{name}.db"


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None])
@pytest.mark.parametrize("name", ["connections", "open_databases"])
def test_a_limit_is_a_number_of_at_least_one(name: str, number: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=...\\) must be an int"):
        Databases(url=url, **{name: number})


def test_urls_come_from_a_function() -> None:
    given: Any = "sqlite:///acme.db"
    with pytest.raises(ConfigurationError, match="takes a function"):
        Databases(url=given)


@pytest.mark.parametrize("name", ["pool_size", "max_overflow", "poolclass", "creator"])
def test_an_option_that_would_undo_a_limit_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Databases(url=url, options={name: 5})
