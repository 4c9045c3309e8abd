"""The errors: one root, and nothing lost when one is copied or sent to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from tenantshield_mw import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_each_error_can_be_caught_as_one_of_the_package(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.TenantShieldError)
    with pytest.raises(errors.TenantShieldError, match="what to change"):
        raise kind("what to change")


def test_an_error_of_credentials_keeps_its_challenge() -> None:
    assert errors.TenantUnauthenticatedError().challenge == "Bearer"
    error = errors.TenantUnauthenticatedError("no such key", challenge="ApiKey")
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(each), each.challenge) == ("no such key", "ApiKey")
