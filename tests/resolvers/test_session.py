"""The tenant in the framework's session."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import PRINCIPAL_KEY, SESSION_KEY, ConfigurationError, TenantContext, resolvers

from ..core.calling import as_environ, http_scope
from .sending import Cases, Outcome, Sent, assert_outcome, each_case, malformed, missing, ran

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")

CASES: Cases = {
    "session": (
        resolvers.session("tenant"),
        [
            (Sent(session={"tenant": "acme"}), ran("acme")),
            (Sent(session={"tenant": "müller"}), ran("müller")),
            (Sent(session={}), missing),
            (Sent(session={"tenant": None}), missing),
            (Sent(session={"tenant": ""}), malformed),
            (Sent(session={"tenant": 7}), malformed),
            (Sent(session={"tenant": ["acme"]}), malformed),
        ],
    ),
    "session, UUID": (
        resolvers.session("tenant", type=UUID),
        [
            (Sent(session={"tenant": str(SOME_UUID)}), ran(SOME_UUID)),
            (Sent(session={"tenant": SOME_UUID}), ran(SOME_UUID)),
            (Sent(session={"tenant": "acme"}), malformed),
            (Sent(session={"tenant": 7}), malformed),
        ],
    ),
    "session, int": (
        resolvers.session("tenant", type=int),
        [
            (Sent(session={"tenant": 7}), ran(7)),
            (Sent(session={"tenant": "7"}), ran(7)),
            (Sent(session={"tenant": True}), malformed),
            (Sent(session={"tenant": 7.0}), malformed),
            (Sent(session={"tenant": 2**63}), malformed),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


@pytest.mark.parametrize("request_", [http_scope(), as_environ()])
@pytest.mark.parametrize("resolver", [resolvers.session("tenant"), resolvers.principal("tenant")])
def test_a_missing_session_or_user_is_a_configuration_error(resolver: Any, request_: Any) -> None:
    with pytest.raises(ConfigurationError, match="must run before"):
        resolver(request_)


def test_a_wsgi_framework_may_pass_a_function_that_opens_the_session() -> None:
    opened: list[int] = []

    def opening() -> dict[str, str]:
        opened.append(1)
        return {"tenant": "acme"}

    environ = {**as_environ(), SESSION_KEY: opening, PRINCIPAL_KEY: opening}
    assert resolvers.session("tenant")(environ) == TenantContext("acme")
    assert resolvers.principal("tenant")(environ) == TenantContext("acme")
    assert opened == [1, 1]
