"""The middlewares' keyword arguments, for adapters that pass them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypedDict

from .admission import Authorize
from .directory import Lookup, TenantDirectory
from .exempt import Exempt
from .refusal import OnMissingTenant
from .types import ASGIApp
from .vary import chosen

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["ALREADY", "ASGIOptions", "WSGIOptions", "reusable"]

ALREADY: Final = (
    "this app already has the tenant middleware; register it once, with "
    "resolvers.first_of(...) for several ways to name a tenant"
)
"""The message of the :class:`~tenantshield_mw.ConfigurationError` on a second registration."""


class _Options(TypedDict, total=False):
    on_missing_tenant: OnMissingTenant
    exempt: Exempt
    directory: TenantDirectory | Lookup | None
    authorize: Authorize | None
    timeout: float | None
    vary: Iterable[str] | None


class ASGIOptions(_Options, total=False):
    """The arguments of :class:`~tenantshield_mw.TenantSessionMiddleware` besides the resolver."""

    on_refused: ASGIApp | None


class WSGIOptions(_Options, total=False):
    """The arguments of :class:`~tenantshield_mw.TenantSessionMiddlewareWSGI` besides the
    resolver.
    """

    on_refused: WSGIApplication | None


def reusable(
    middleware: Callable[..., object], *, resolve_tenant: object, **options: Any
) -> dict[str, Any]:
    """Check the arguments and return them in a form that can be used repeatedly.

    An iterator would be empty the second time, so its items are kept.

    Args:
        middleware: the class of the middleware.
        resolve_tenant: the resolver.
        **options: the other arguments.

    Raises:
        ConfigurationError: an argument is invalid.
        TypeError: the middleware has no such argument.
    """
    kept = {"resolve_tenant": resolve_tenant, **options}
    kept["vary"] = chosen(options.get("vary"), resolve_tenant, options.get("authorize"))
    exempt = options.get("exempt", ())
    # A str is no collection of paths; the middleware refuses it.
    if isinstance(exempt, Iterable) and not isinstance(exempt, str) and not callable(exempt):
        kept["exempt"] = tuple(exempt)
    middleware(reusable, **kept)
    return kept
