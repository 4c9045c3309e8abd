"""The errors that this package raises.

The SQLAlchemy adapter raises subclasses that SQLAlchemy does not wrap; catch the classes
that are named here.
"""

from __future__ import annotations

from typing import Final

from .incidents import Incident, tell

__all__ = [
    "ConfigurationError",
    "CrossTenantAccessError",
    "MissingTenantContextError",
    "PlacementError",
    "PlacementUnavailableError",
    "ScopeMismatchError",
    "TenantNotAuthorizedError",
    "TenantNotFoundError",
    "TenantResolutionError",
    "TenantShieldError",
    "TenantSuspendedError",
    "TenantUnauthenticatedError",
    "TenantUnavailableError",
    "UnguardedStatementError",
]

_CROSS_TENANT: Final = Incident("cross_tenant_error", "cross_tenant")


class TenantShieldError(Exception):
    """Root of all errors of this package."""


class ConfigurationError(TenantShieldError):
    """The program is set up wrongly; the message names what to change."""


class MissingTenantContextError(TenantShieldError):
    """A tenant is needed, and none is in scope."""


class CrossTenantAccessError(TenantShieldError):
    """A write or a reference would reach another tenant's rows.

    The listeners of :func:`~tenantshield_mw.on_incident` are told of each.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        tell(_CROSS_TENANT)


class ScopeMismatchError(TenantShieldError):
    """Work of one tenant, or a result of it, was used under another."""


class UnguardedStatementError(TenantShieldError):
    """A statement cannot be confined to the tenant, so it was not sent."""


class PlacementError(TenantShieldError):
    """The place of a tenant's rows is unknown or invalid; the message names what to do."""


class PlacementUnavailableError(PlacementError):
    """The place of a tenant's rows cannot be used now: it cannot be reached, is not finished, or
    too many are in use.
    """


class TenantResolutionError(TenantShieldError):
    """The tenant of a request is malformed or ambiguous."""


class TenantNotFoundError(TenantResolutionError):
    """The request names a tenant that does not exist."""


class TenantSuspendedError(TenantResolutionError):
    """The request names a tenant that is suspended."""


class TenantUnauthenticatedError(TenantResolutionError):
    """The credentials that name the tenant are invalid.

    Args:
        message: what is wrong with them, without quoting them.
        challenge: the ``WWW-Authenticate`` field of the refusal (RFC 9110 section 11.6.1).
    """

    challenge: str

    def __init__(self, message: str = "", *, challenge: str = "Bearer") -> None:
        super().__init__(message)
        self.challenge = challenge


class TenantNotAuthorizedError(TenantResolutionError):
    """The caller may not act for the tenant that the request names."""


class TenantUnavailableError(TenantResolutionError):
    """The tenant of a request could not be determined in time."""
