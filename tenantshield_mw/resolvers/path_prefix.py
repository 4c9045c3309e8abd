"""The tenant that the beginning of the path names."""

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

# RFC 3986 section 3.3: these stand for other segments, not for themselves.
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
                "path_prefix() takes a path that begins with '/' and does not end with one, "
                'with one segment {tenant}, as in path_prefix("/t/{tenant}")'
            )
        read = reader_for(kind)

        def parse(segment: str) -> TenantContext:
            # What must be escaped would have to be so in each URL that begins with it, and
            # frameworks put it there as it is.
            if not _SEGMENT.fullmatch(segment):
                raise TenantResolutionError(
                    "the tenant's segment of the path is empty, or has characters that have to "
                    "be percent-encoded there"
                )
            return TenantContext(read(segment))

        self._known: Memo[str, TenantContext] = Memo(parse)
        # A segment is whole or it is another one.
        self._pattern = re.compile(
            "/".join("([^/]*)" if each == _SLOT else re.escape(each) for each in segments)
            + r"(?=/|\Z)"
        )

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` where the path does not begin like the pattern.

        Raises:
            TenantResolutionError: the segment names no tenant, or one of the path's is a dot
                segment.
        """
        found = self._found(request)
        return None if found is None else self._known[found[1]]

    def mount(self, request: Request, tenant: TenantContext) -> str:
        """Return the beginning of the path that names ``tenant``, else ``""``."""
        try:
            found = self._found(request)
            if found is None or self._known[found[1]].tenant_id != tenant.tenant_id:
                return ""
        except TenantResolutionError:
            return ""
        return found[0]

    def _found(self, request: Request) -> re.Match[str] | None:
        inside = path(request)
        # Whoever takes them out, as a proxy does that parsers by the path, comes to another
        # tenant's: "/t/acme/../globex".
        if "/." in inside and not _DOTS.isdisjoint(inside.split("/")):
            raise TenantResolutionError("the path has a dot segment; send it without")
        return self._pattern.match(inside)


def path_prefix(
    pattern: str = "/t/{tenant}",
    *,
    type: Kind = str,  # noqa: A002
) -> PathPrefix:
    """Return a resolver that reads the tenant id from the beginning of the path.

    The application does not see that beginning: ``/t/acme/invoices`` is routed as
    ``/invoices``, and generated URLs begin with ``/t/acme``. In ASGI the middleware
    extends ``root_path``, in WSGI it moves the beginning from ``PATH_INFO`` to
    ``SCRIPT_NAME``. Where another resolver named another tenant than the path does, the
    path stays as it is. A path with a segment ``.`` or ``..`` is refused, and so is a tenant
    id that cannot stand in a path without percent-encoding.

    Args:
        pattern: whole segments, one of them ``{tenant}``; compared with the
            percent-decoded path within the application.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``pattern`` or ``type`` is not one of these.
    """
    return PathPrefix(pattern, type)
