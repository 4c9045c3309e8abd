"""Read the tenant id from the beginning of the path."""

from __future__ import annotations

import re
from typing import Final, final

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import Memo, Request, path
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["PathPrefix", "path_prefix"]

_SLOT: Final = "{tenant}"
# RFC 3986 section 3.3, without percent-encoding and braces.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@]+")

# RFC 3986 section 3.3: dot segments, which refer to other segments.
_DOTS: Final = frozenset({".", ".."})


@final
class PathPrefix:
    """What :func:`path_prefix` returns."""

    __slots__ = ("_known", "_pattern")

    varies_on: Final = ()

    def __init__(self, pattern: str, kind: Kind) -> None:
        segments = pattern.split("/") if isinstance(pattern, str) else []
        if (
            len(segments) < 2
            or segments[0]
            or segments.count(_SLOT) != 1
            or not all(
                segment == _SLOT or (_SEGMENT.fullmatch(segment) and segment not in _DOTS)
                for segment in segments[1:]
            )
        ):
            raise ConfigurationError(
                "path_prefix() takes a path that begins but does not end with '/', and has "
                'exactly one segment {tenant}, as in path_prefix("/t/{tenant}")'
            )
        read = reader_for(kind)

        def parse(segment: str) -> TenantContext:
            # Every generated URL begins with this segment, and frameworks do not escape it.
            if not _SEGMENT.fullmatch(segment):
                raise TenantResolutionError(
                    "the tenant's segment of the path is empty, or has characters that must be "
                    "percent-encoded"
                )
            return TenantContext(read(segment))

        self._known: Memo[str, TenantContext] = Memo(parse)
        # Only whole segments match.
        self._pattern = re.compile(
            "/".join("([^/]*)" if each == _SLOT else re.escape(each) for each in segments)
            + r"(?=/|\Z)"
        )

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if the path does not begin with the pattern.

        Raises:
            TenantResolutionError: the segment names no tenant, or the path has a dot segment.
        """
        found = self._found(request)
        return None if found is None else self._known[found[1]]

    def mount(self, request: Request, tenant: TenantContext) -> str:
        """Return the path prefix that names ``tenant``; ``""`` if none does."""
        try:
            found = self._found(request)
            if found is None or self._known[found[1]].tenant_id != tenant.tenant_id:
                return ""
        except TenantResolutionError:
            return ""
        return found[0]

    def _found(self, request: Request) -> re.Match[str] | None:
        inside = path(request)
        # A proxy that resolves dot segments would see another tenant: "/t/acme/../globex".
        if "/." in inside and not _DOTS.isdisjoint(inside.split("/")):
            raise TenantResolutionError("the path has a dot segment; resolve it before sending")
        return self._pattern.match(inside)


def path_prefix(
    pattern: str = "/t/{tenant}",
    *,
    type: Kind = str,  # noqa: A002
) -> PathPrefix:
    """Return a resolver that reads the tenant id from the beginning of the path.

    The application does not see this prefix: ``/t/acme/invoices`` is routed as
    ``/invoices``, and generated URLs begin with ``/t/acme``. In ASGI the middleware extends
    ``root_path``; in WSGI it moves the prefix from ``PATH_INFO`` to ``SCRIPT_NAME``. If the
    request's tenant comes from another resolver and differs from the path's, the path is not
    changed. A path with a segment ``.`` or ``..`` is refused (RFC 3986 section 3.3), and so is
    a tenant id that would need percent-encoding in a path.

    Args:
        pattern: whole segments, one of them ``{tenant}``; compared with the
            percent-decoded path within the application.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``pattern`` or ``type`` is invalid.
    """
    return PathPrefix(pattern, type)
