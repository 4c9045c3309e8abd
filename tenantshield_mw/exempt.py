"""Requests that are exempt from having a tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from .errors import ConfigurationError
from .request import Request, path
from .resolution import close_unawaited

__all__ = ["Exempt", "exemption"]

Exempt: TypeAlias = Iterable[str] | Callable[[Any], bool]
"""Paths, or a predicate that takes the raw ASGI scope or the raw WSGI environ."""


# In wildcards, and in the routes of frameworks.
_PATTERN: Final = frozenset("*{}<>")


def exemption(exempt: Exempt) -> Callable[[Request], bool] | None:
    """Return a function that returns whether a request is exempt; ``None`` if none can be.

    Args:
        exempt: paths such as ``"/health"``, each of which covers itself and
            everything below it (``/health/db``, not ``/healthy``), compared with the
            percent-decoded path within the application; or a predicate.

    Raises:
        ConfigurationError: ``exempt`` or a path is invalid; from the function, if the
            predicate does not return a ``bool``.
    """
    if callable(exempt):
        return _checked_predicate(exempt)
    if isinstance(exempt, str | bytes) or not isinstance(exempt, Iterable):
        raise ConfigurationError(
            'exempt must be an iterable of paths, as in exempt=["/health"], or a predicate'
        )
    paths = tuple(_checked_path(entry) for entry in exempt)
    if not paths:
        return None
    below = tuple(f"{entry}/" for entry in paths)

    def is_exempt(request: Request) -> bool:
        requested = path(request)
        return requested in paths or requested.startswith(below)

    return is_exempt


def _checked_path(entry: object) -> str:
    if not isinstance(entry, str) or not entry.startswith("/") or "?" in entry or "#" in entry:
        raise ConfigurationError(
            "each path in exempt must be a str that begins with '/' and has neither a query "
            'nor a fragment, as in exempt=["/health"]'
        )
    if not _PATTERN.isdisjoint(entry):
        raise ConfigurationError(
            "the paths in exempt are no patterns: each covers everything below it, so give "
            'exempt=["/docs"] for "/docs/*" and "/docs/{page}"; for anything else, give a '
            "predicate"
        )
    trimmed = entry.rstrip("/")
    if not trimmed:
        raise ConfigurationError(
            "the path '/' in exempt covers every path; to exempt only the start page, give a "
            "predicate; to let every request run without a tenant, give "
            'on_missing_tenant="allow_unbound"'
        )
    return trimmed


def _checked_predicate(predicate: Callable[[Any], bool]) -> Callable[[Request], bool]:
    def is_exempt(request: Request) -> bool:
        answer: object = predicate(request)
        if answer is True or answer is False:
            return answer
        close_unawaited(answer)
        raise ConfigurationError(
            f"the predicate given as exempt returned a {type(answer).__name__}; "
            "it must be a plain function that returns True or False"
        )

    return is_exempt
