"""The tenant of the user whom the framework has authenticated."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, TenantContext, resolvers

from ..core.calling import http_scope
from .sending import Cases, Outcome, Sent, assert_outcome, each_case, malformed, missing, ran


class User:
    def __init__(self, tenant_id: Any, *, is_authenticated: bool = True) -> None:
        self.tenant_id = tenant_id
        self.is_authenticated = is_authenticated


CASES: Cases = {
    "principal": (
        resolvers.principal("tenant_id"),
        [
            (Sent(user=User("acme")), ran("acme")),
            (Sent(user=User(TenantContext("acme"))), ran("acme")),
            (Sent(user={"tenant_id": "acme"}), ran("acme")),
            (Sent(user={}), missing),
            (Sent(user=None), missing),
            (Sent(user=User(None)), missing),
            (Sent(user=User("acme", is_authenticated=False)), missing),
            (Sent(user=User("")), malformed),
            (Sent(user=User(7)), malformed),
            (Sent(user=User(TenantContext(7))), malformed),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


def test_a_principal_without_the_attribute_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="'tenant_id'"):
        resolvers.principal("tenant_id")(http_scope(user=object()))
