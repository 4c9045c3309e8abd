"""The tenant that the client's TLS certificate names."""

from __future__ import annotations

import re
from typing import Final, final

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import LONGEST_PARSED, Memo, Request, over_asgi
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["ClientCertificate", "client_certificate"]

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9\-]*")
# RFC 4514 section 3; a value that is given as "#" and hexadecimal digits is not read. No part
# gives back what it took, or blanks that nothing follows would be tried in all their parts.
_ATTRIBUTE: Final = re.compile(
    r" *+([A-Za-z][A-Za-z0-9\-]*+|[0-9]++(?:\.[0-9]++)*) *+= *+"
    r'([^\\",+;<>\x00]*+(?:\\[^\x00][^\\",+;<>\x00]*+)*)([,+]|\Z)'
)
_ESCAPED: Final = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


@final
class ClientCertificate:
    """What :func:`client_certificate` returns."""

    __slots__ = ("_known", "_subject", "_verified")

    varies_on: Final = ()

    def __init__(self, attribute: str, subject: str, verified: str, kind: Kind) -> None:
        if not isinstance(attribute, str) or not _TYPE.fullmatch(attribute):
            raise ConfigurationError(
                'client_certificate() takes an attribute of the subject, as in "CN" or "O"'
            )
        for variable in (subject, verified):
            if not isinstance(variable, str) or not variable or variable.startswith("HTTP_"):
                raise ConfigurationError(
                    "the environ's variables of the client certificate are set by the server; "
                    "one that begins with HTTP_ is a header, which header() reads"
                )
        self._subject = subject
        self._verified = verified
        read = reader_for(kind)

        def parse(subject: str) -> TenantContext | None:
            values = _values(subject, attribute.lower())
            if not values:
                return None
            if len(values) > 1:
                raise TenantResolutionError(f"the certificate's subject has several {attribute}")
            return TenantContext(read(values.pop()))

        self._known: Memo[str, TenantContext | None] = Memo(parse)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` where there is no certificate, or no such attribute.

        Raises:
            TenantResolutionError: the certificate was not verified, or does not name one
                tenant.
        """
        if over_asgi(request):
            tls = (request.get("extensions") or {}).get("tls") or {}
            subject: str | None = tls.get("client_cert_name")
            failed = tls.get("client_cert_error") is not None
        else:
            subject = request.get(self._subject)
            verified = request.get(self._verified, "NONE")
            failed = verified not in ("SUCCESS", "NONE")
            if verified == "NONE":
                subject = None
        if failed:
            raise TenantResolutionError("the client's certificate was not verified")
        return self._known[subject] if subject else None


def _values(subject: str, attribute: str) -> set[str]:
    """Return the values of an attribute in a distinguished name (RFC 4514)."""
    if len(subject) > LONGEST_PARSED:
        raise TenantResolutionError(
            f"the certificate's subject has more than {LONGEST_PARSED} characters"
        )
    values: set[str] = set()
    position = 0
    while True:
        found = _ATTRIBUTE.match(subject, position)
        if found is None:
            raise TenantResolutionError(
                "the certificate's subject is not written as RFC 4514 has it"
            )
        name, value, separator = found.groups()
        if name.lower() == attribute:
            if value.startswith("#"):
                raise TenantResolutionError("the certificate's subject has a value in BER")
            values.add(_unescaped(value))
        if not separator:
            return values
        position = found.end()


def _unescaped(value: str) -> str:
    text = value.rstrip(" ")
    if (len(text) - len(text.rstrip("\\"))) % 2:
        # The last blank was escaped; an even number escapes backslashes.
        text += " "
    octets = bytearray()
    position = 0
    for escape in _ESCAPED.finditer(text):
        octets += text[position : escape.start()].encode()
        octets += bytes.fromhex(escape[1]) if escape[1] else escape[2].encode()
        position = escape.end()
    octets += text[position:].encode()
    return octets.decode("utf-8", "replace")


def client_certificate(
    attribute: str = "CN",
    *,
    subject: str = "SSL_CLIENT_S_DN",
    verified: str = "SSL_CLIENT_VERIFY",
    type: Kind = str,  # noqa: A002
) -> ClientCertificate:
    """Return a resolver that reads the tenant id from the client's certificate.

    In ASGI the subject is ``client_cert_name`` of the TLS extension (ASGI, "TLS
    Extension"); in WSGI it stands in the server's environ, under the names that Apache's
    mod_ssl gives. Both are in the form of RFC 4514. Which authorities are believed is the
    server's to say: name only those that issue certificates to tenants.

    Args:
        attribute: the attribute of the subject, in any case.
        subject: the environ's variable with the subject.
        verified: the environ's variable that says ``SUCCESS``, or ``NONE`` where there is
            no certificate.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    return ClientCertificate(attribute, subject, verified, type)
