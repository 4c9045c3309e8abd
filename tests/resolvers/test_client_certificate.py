"""The tenant that a client certificate names."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import TenantContext, resolvers

from ..core.calling import as_environ, http_scope
from .sending import Cases, Outcome, Sent, assert_outcome, each_case, malformed, missing, ran, with_

CASES: Cases = {
    "client certificate": (
        resolvers.client_certificate(),
        [
            (Sent(subject="CN=acme,O=Customers"), ran("acme")),
            (Sent(subject="O=Customers, cn = acme "), ran("acme")),
            (Sent(subject="CN=acme+OU=a,O=b"), ran("acme")),
            (Sent(subject=r"O=x\,CN\=globex,CN=acme"), ran("acme")),
            (Sent(subject=r"O=x\2CCN=globex,CN=acme"), ran("acme")),
            (Sent(subject=r"CN=a\2C b"), ran("a, b")),
            (Sent(subject=r"CN=\61cme"), ran("acme")),
            (Sent(subject="CN=a=b"), ran("a=b")),
            (Sent(subject="CN=acme,CN=acme"), ran("acme")),
            (Sent(subject="CN=acme,CN=globex"), malformed),
            (Sent(subject="CN=acme,CN="), malformed),
            (Sent(subject="CN="), malformed),
            (Sent(subject=r"CN=acme\ "), malformed),
            (Sent(subject=r"CN=acme\\\ "), malformed),
            (Sent(subject=r"CN=acme\\ "), ran("acme\\")),
            (Sent(subject=r"CN=m\C3\BCller"), malformed),
            (Sent(subject="CN=#0C04"), malformed),
            (Sent(subject='CN="acme"'), malformed),
            (Sent(subject="/O=Customers/CN=acme"), malformed),
            (Sent(subject="CN=acme,"), malformed),
            (Sent(subject="CN=acme\\"), malformed),
            (Sent(subject="O=Customers"), missing),
            (Sent(), missing),
            (Sent(subject="CN=acme", certificate_fails=True), malformed),
            (Sent(certificate_fails=True), malformed),
            # A variable that a client can set is a header.
            (with_(ssl_client_s_dn="CN=acme", ssl_client_verify="SUCCESS"), missing),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


def test_a_server_without_the_tls_extension_has_no_certificates() -> None:
    more: Any
    for more in ({}, {"extensions": None}, {"extensions": {}}, {"extensions": {"tls": {}}}):
        assert resolvers.client_certificate()(http_scope(**more)) is None
    environ = as_environ(SSL_CLIENT_S_DN="CN=acme")
    assert resolvers.client_certificate()(environ) is None


def test_the_environs_variables_may_have_other_names() -> None:
    resolver = resolvers.client_certificate("O", subject="SUBJECT", verified="VERIFIED")
    environ = as_environ(SUBJECT="CN=x,O=acme", VERIFIED="SUCCESS", SSL_CLIENT_VERIFY="NONE")
    assert resolver(environ) == TenantContext("acme")
