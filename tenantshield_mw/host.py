"""The host that a request is for, directly or through trusted proxies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .errors import ConfigurationError, TenantResolutionError
from .request import LONGEST_PARSED, HeaderField, HeaderFields, Memo, Request, peer

__all__ = [
    "FORWARDING_HEADERS",
    "ForwardedHost",
    "HostOf",
    "domain_name",
    "host_name",
    "host_of",
    "trusted_networks",
]

T = TypeVar("T")

HostOf: TypeAlias = "HeaderField[T | None] | ForwardedHost[T]"
"""Takes a request and returns the parsed host; ``None`` if the request has none."""

Network: TypeAlias = IPv4Network | IPv6Network

FORWARDING_HEADERS: Final = ("X-Forwarded-Host", "Forwarded")
"""The headers in which a proxy may pass on the host of the original request."""

# RFC 3986 section 3.2.2, limited to the characters of DNS names, with "_", which some have.
_HOST: Final = re.compile(
    rb"(?:(\[[0-9A-Fa-f:.]{2,45}\])|([A-Za-z0-9._\-]{1,254}))(?::[0-9]{0,5})?"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_\-]{1,63}(?<!-)")
_MAX_NAME: Final = 253

# Characters that Python's IDNA 2003 maps differently than IDNA 2008 (UTS #46 section 7).
_DEVIATIONS: Final = frozenset("\u00df\u03c2\u200c\u200d")

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# RFC 7239 section 4, with optional white space around the members of a list. The quantifiers
# are possessive, so that a run of white space cannot cause quadratic backtracking.
_FORWARDED_PAIR: Final = re.compile(
    rb"[ \t]*+(?:(" + _TOKEN + rb")=(?:(" + _TOKEN + rb')|"([^"\\]*+(?:\\.[^"\\]*+)*)"))?'
    rb"[ \t]*+([;,]|\Z)",
    re.DOTALL,
)
_FORWARDED_NODE: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?")


def host_name(value: bytes) -> str:
    """Return the host of ``host[:port]`` in lower case, without a trailing dot.

    An international name stays in its DNS form, ``xn--...``. An IP address stays as it is
    written, IPv6 in brackets.

    Raises:
        TenantResolutionError: the value is not a host (RFC 9110 section 7.2), for example
            because the field was repeated.
    """
    found = _HOST.fullmatch(value)
    if found is None:
        raise TenantResolutionError("the host is not a single valid name")
    if found[1] is not None:
        return found[1].decode("ascii").lower()
    name = found[2].decode("ascii").lower().removesuffix(".")
    if len(name) > _MAX_NAME or not all(_is_label(label) for label in name.split(".")):
        raise TenantResolutionError("the host is not a valid DNS name")
    return name


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    if not label.startswith("xn--"):
        return True
    # RFC 5890 section 2.3.2.1: an A-label encodes a label that is not ASCII, in one form only.
    coded = label.removeprefix("xn--")
    try:
        text = coded.encode("ascii").decode("punycode")
        return not text.isascii() and text.encode("punycode").decode("ascii") == coded
    except (UnicodeError, OverflowError, ValueError):
        return False


def domain_name(name: object) -> str:
    """Return a domain from the configuration in the form of :func:`host_name`.

    Raises:
        ConfigurationError: ``name`` is not a domain; or it has characters whose DNS form
            depends on the version of IDNA, and must be given in its DNS form.
    """
    refused = ConfigurationError(
        'a domain must be a str without scheme, port and path, as in "example.com"; if an '
        'international domain is refused, give it in its DNS form, "xn--..."'
    )
    if not isinstance(name, str):
        raise refused
    if not name.isascii():
        if not _DEVIATIONS.isdisjoint(name):
            raise refused
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise refused from None
    try:
        # Ports and addresses are refused below.
        found = host_name(name.encode("ascii"))
    except TenantResolutionError:
        raise refused from None
    if ":" in name or found.rpartition(".")[2].isdigit():
        raise refused
    return found


def trusted_networks(addresses: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks in ``addresses``, as in ``("10.0.0.0/8", "::1")``.

    Raises:
        ConfigurationError: one of them is neither an address nor a network.
    """
    refused = ConfigurationError(
        "trusted_proxies must be IP addresses, and networks without host bits, as in "
        '("10.0.0.0/8", "::1")'
    )
    if isinstance(addresses, str | bytes) or not isinstance(addresses, Iterable):
        raise refused
    try:
        # ip_network() also accepts int and bytes.
        return tuple(ip_network(address) for address in addresses if _is_text(address))
    except ValueError:
        raise refused from None


def _is_text(address: object) -> bool:
    if isinstance(address, str):
        return True
    raise ValueError


def host_of(
    trusted_proxies: Iterable[str],
    proxy_headers: Iterable[str],
    meaning: Callable[[str], T | None],
) -> HostOf[T]:
    """Return a function that reads the host of a request.

    Args:
        trusted_proxies: addresses and networks of the proxies whose headers are read; without
            any, only ``Host`` is.
        proxy_headers: those of :data:`FORWARDING_HEADERS` that these proxies set.
        meaning: takes the host's name and returns the result, or raises. It must return the
            same for the same name, since results are remembered.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    networks = trusted_networks(trusted_proxies)
    names = {name.lower(): name for name in FORWARDING_HEADERS}
    if isinstance(proxy_headers, str) or not all(
        isinstance(name, str) and name.lower() in names for name in proxy_headers
    ):
        raise ConfigurationError(
            'proxy_headers must be those of ("X-Forwarded-Host", "Forwarded") that the trusted '
            "proxies set"
        )
    if not networks:
        # Vary needs Host: a cache key holds the host (RFC 9111 section 2), but nginx's default
        # proxy_cache_key holds the upstream's, not the one that the client sent.
        return HeaderField("Host", lambda value: meaning(host_name(value)))
    chosen = tuple(names[name.lower()] for name in proxy_headers)
    return ForwardedHost(networks, chosen, meaning)


@final
class ForwardedHost(Generic[T]):
    """Reads the host of a request that may have passed through proxies, some of them trusted."""

    __slots__ = ("_by_proxies", "_direct", "_fields", "_is_trusted", "_known", "varies_on")

    def __init__(
        self,
        networks: tuple[Network, ...],
        names: tuple[str, ...],
        meaning: Callable[[str], T | None],
    ) -> None:
        def is_trusted(address: str) -> bool:
            try:
                found = ip_address(address)
            except ValueError:
                return False
            mapped = getattr(found, "ipv4_mapped", None)
            return any((mapped or found) in network for network in networks)

        self._is_trusted: Memo[str, bool] = Memo(is_trusted)
        parsers: dict[str, Callable[[bytes], str | None]] = {
            "X-Forwarded-Host": _the_one_host,
            "Forwarded": self._forwarded,
        }
        self._known: Memo[str, T | None] = Memo(meaning)
        self._direct: HeaderField[str | None] = HeaderField("Host", host_name)
        self._by_proxies = [HeaderField(name, parsers[name]) for name in names]
        self._fields = HeaderFields(*self._by_proxies, self._direct)
        # Host as well: if the proxy that sets the other headers is also the cache, the requests
        # that it receives do not have them.
        self.varies_on = (*names, "Host")

    def __call__(self, request: Request) -> T | None:
        """Return the result for the host; ``None`` if the request has no host.

        Raises:
            TenantResolutionError: the host is invalid, or the headers name several.
        """
        if self._is_trusted[peer(request)]:
            found = self._fields(request)
            if len(found) == 1:
                [(field, value)] = found.items()
                host = field.meaning(value)
            else:
                host = self._from_proxy(found)
        else:
            host = self._direct(request)
        return None if host is None else self._known[host]

    def _from_proxy(self, found: dict[HeaderField[str | None], Any]) -> str | None:
        host: str | None = None
        for field in self._by_proxies:
            if field in found:
                name = field.meaning(found[field])
                if host is not None and name is not None and name != host:
                    raise TenantResolutionError(
                        "X-Forwarded-Host and Forwarded name different hosts"
                    )
                host = name or host
        if host is None and self._direct in found:
            return self._direct.meaning(found[self._direct])
        return host

    def _forwarded(self, value: bytes) -> str | None:
        """Return the host in a ``Forwarded`` field (RFC 7239 section 5.3).

        The connected proxy added the last element. The element before it was added by the
        proxy that connected to that one, and counts only if that proxy is trusted, and so on.
        """
        elements = _elements(_short_enough("Forwarded", value))
        hosts: set[str] = set()
        for element in reversed(elements):
            if b"host" in element:
                hosts.add(host_name(element[b"host"]))
            node = _FORWARDED_NODE.fullmatch(element.get(b"for", b"").decode("latin-1"))
            if node is None or not self._is_trusted[node[1] or node[2]]:
                break
        if len(hosts) > 1:
            raise TenantResolutionError("the proxies name different hosts in Forwarded")
        return hosts.pop() if hosts else None


def _short_enough(name: str, value: bytes) -> bytes:
    if len(value) > LONGEST_PARSED:
        raise TenantResolutionError(f"{name} has more than {LONGEST_PARSED} octets")
    return value


def _the_one_host(value: bytes) -> str:
    members = _short_enough("X-Forwarded-Host", value).split(b",")
    names = {host_name(member.strip(b" \t")) for member in members}
    if len(names) > 1:
        raise TenantResolutionError("X-Forwarded-Host names different hosts")
    return names.pop()


def _elements(value: bytes) -> list[dict[bytes, bytes]]:
    elements: list[dict[bytes, bytes]] = [{}]
    position = 0
    while position < len(value):
        found = _FORWARDED_PAIR.match(value, position)
        if found is None:
            raise TenantResolutionError("Forwarded does not follow RFC 7239")
        name, token, quoted, separator = found.groups()
        if name is not None:
            if name.lower() in elements[-1]:
                raise TenantResolutionError("Forwarded repeats a parameter in one element")
            text = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if token is None else token
            elements[-1][name.lower()] = text
        if separator == b",":
            elements.append({})
        position = found.end()
    return [element for element in elements if element]
