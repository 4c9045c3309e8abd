"""The middlewares' keyword arguments, for the adapters that take them and hand them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypedDict

from .admission import Authorize
from .directory import Lookup, TenantDirectory
from .exempt import Exempt
from .refusal import OnMissingTenant
from .vary import ASGIApp, chosen

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["ALREADY", "ASGIOptions", "WSGIOptions", "reusable"]

ALREADY: Final = (
    "this app is bound to its tenants already; keep one registration, with first_of(...) "
    "where tenants show in several ways"
)
"""What a :class:`~tenantshield_mw.ConfigurationError` of a second registration says."""


class _Options(TypedDict, total=False):
    on_missing_tenant: OnMissingTenant
    exempt: Exempt
    directory: TenantDirectory | Lookup | None
    authorize: Authorize | None
    timeout: float | None
    vary: Iterable[str] | None


class ASGIOptions(_Options, total=False):
    """What :class:`~tenantshield_mw.TenantSessionMiddleware` takes besides a resolver."""

    on_refused: ASGIApp | None


class WSGIOptions(_Options, total=False):
    """What :class:`~tenantshield_mw.TenantSessionMiddlewareWSGI` takes besides a resolver."""

    on_refused: WSGIApplication | None


def reusable(
    middleware: Callable[..., object], *, resolve_tenant: object, **options: Any
) -> dict[str, Any]:
    """Return these arguments, checked, such that any number of middlewares can be made of them.

    An iterator has nothing more to say to the second, so what it says is kept.

    Args:
        middleware: the class of the middleware.
        resolve_tenant: the resolver.
        **options: the other arguments.

    Raises:
        ConfigurationError: an argument is not as the middleware needs it.
        TypeError: the middleware has no such argument.
    """
    kept = {"resolve_tenant": resolve_tenant, **options}
    kept["vary"] = chosen(options.get("vary"), resolve_tenant, options.get("authorize"))
    exempt = options.get("exempt", ())
    # A str is no collection of paths, which is the middleware's to say.
    if isinstance(exempt, Iterable) and not isinstance(exempt, str) and not callable(exempt):
        kept["exempt"] = tuple(exempt)
    middleware(reusable, **kept)
    return kept
