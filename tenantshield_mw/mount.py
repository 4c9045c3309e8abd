"""Mount the application under the path prefix that names the tenant.

The application then routes the rest of the path, and the URLs that it generates begin
with the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final
from urllib.parse import quote

from .errors import ConfigurationError
from .request import path
from .tenant import TenantContext

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

__all__ = ["Mount", "Mounted", "first_mount", "mount_environ", "mount_of", "mounted_scope"]

Mount: TypeAlias = Callable[[Any, TenantContext], str]
"""Returns the path prefix of a request that names the given tenant; ``""`` if none does."""


@final
@dataclass(frozen=True, slots=True)
class Mounted:
    """A tenant, and the path prefix to move."""

    tenant: TenantContext
    prefix: str


def mount_of(resolver: object) -> Mount | None:
    """Return a resolver's attribute ``mount``; ``None`` if it has none.

    Raises:
        ConfigurationError: the attribute is not callable.
    """
    mount: Any = getattr(resolver, "mount", None)
    if mount is not None and not callable(mount):
        raise ConfigurationError(
            "a resolver's attribute mount must be a callable that takes the request and the "
            "tenant, and returns the path prefix that names it"
        )
    return mount  # type: ignore[no-any-return]


def first_mount(*resolvers: object) -> Mount | None:
    """Return a mount that tries those of ``resolvers`` in turn; ``None`` if there is none."""
    mounts = [each for resolver in resolvers if (each := mount_of(resolver)) is not None]
    if len(mounts) < 2:
        return mounts[0] if mounts else None

    def mount(request: Any, tenant: TenantContext) -> str:
        return next((prefix for each in mounts if (prefix := each(request, tenant))), "")

    return mount


def mounted_scope(scope: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a copy of ``scope`` whose ``root_path`` ends in ``prefix``.

    ``path`` and ``raw_path`` hold ``root_path`` and stay as they are (ASGI, "HTTP
    connection scope"). Older servers leave it out of both; then it is added.
    """
    root: str = scope.get("root_path", "")
    inside = path(scope)
    if root + inside == scope["path"]:
        return {**scope, "root_path": root + prefix}
    root = root.rstrip("/")
    mounted = {**scope, "root_path": root + prefix, "path": root + inside}
    if (raw := scope.get("raw_path")) is not None:
        mounted["raw_path"] = quote(root).encode("ascii") + raw
    return mounted


def mount_environ(environ: WSGIEnvironment, prefix: str) -> None:
    """Move ``prefix``, which is ASCII, from ``PATH_INFO`` to the end of ``SCRIPT_NAME``
    (PEP 3333, "environ Variables").
    """
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
