"""What the resolvers that are made of several have in common."""

from __future__ import annotations

from tenantshield_mw.dispatch import EitherResolver, callable_directly
from tenantshield_mw.errors import ConfigurationError

__all__ = ["checked"]


def checked(by: str, resolvers: tuple[EitherResolver, ...]) -> tuple[EitherResolver, ...]:
    """Return ``resolvers`` in the form that costs least to call.

    Raises:
        ConfigurationError: there is none, or one is not callable.
    """
    if not resolvers:
        raise ConfigurationError(f"{by}() takes at least one resolver")
    return tuple(callable_directly(resolver) for resolver in resolvers)
