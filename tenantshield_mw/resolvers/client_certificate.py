"""Read the tenant id from the client's TLS certificate."""

from __future__ import annotations

import re
from typing import Final, final

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import LONGEST_PARSED, Memo, Request, over_asgi
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["ClientCertificate", "client_certificate"]

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9\-]*")
# RFC 4514 section 3, but for values that are "#" and hexadecimal digits. The quantifiers are
# possessive, so that a run of blanks cannot cause quadratic backtracking.
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
                'client_certificate() takes an attribute of the subject, such as "CN" or "O"'
            )
        for variable in (subject, verified):
            if not isinstance(variable, str) or not variable or variable.startswith("HTTP_"):
                raise ConfigurationError(
                    "subject and verified must name variables that the server sets; one that "
                    "begins with HTTP_ is a request header, for which there is header()"
                )
        self._subject = subject
        self._verified = verified
        read = reader_for(kind)

        def parse(subject: str) -> TenantContext | None:
            values = _values(subject, attribute.lower())
            if not values:
                return None
            if len(values) > 1:
                raise TenantResolutionError(
                    f"the certificate's subject has several values of {attribute}"
                )
            return TenantContext(read(values.pop()))

        self._known: Memo[str, TenantContext | None] = Memo(parse)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` without a certificate or without the attribute.

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
            raise TenantResolutionError("the certificate's subject does not follow RFC 4514")
        name, value, separator = found.groups()
        if name.lower() == attribute:
            if value.startswith("#"):
                raise TenantResolutionError(
                    "the certificate's subject has a value in BER, which is not supported"
                )
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
    Extension"); in WSGI it is in the environ, by default under the names of Apache's
    mod_ssl. Both are in the form of RFC 4514. The server decides which certificate
    authorities to trust: configure only those that issue certificates to tenants.

    Args:
        attribute: the attribute of the subject, in any case.
        subject: the variable in the environ that holds the subject.
        verified: the variable in the environ that holds ``SUCCESS``, or ``NONE`` if there
            is no certificate; any other value is refused.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    return ClientCertificate(attribute, subject, verified, type)
