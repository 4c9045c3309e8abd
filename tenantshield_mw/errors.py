"""Every error that this package raises, under one root.

The SQLAlchemy adapter raises subclasses of these that SQLAlchemy hands through
unwrapped; catch the classes named here.
"""

from __future__ import annotations

__all__ = [
    "ConfigurationError",
    "CrossTenantAccessError",
    "MissingTenantContextError",
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


class TenantShieldError(Exception):
    """Root of all errors of this package."""


class ConfigurationError(TenantShieldError):
    """The program is set up wrongly; the message names what to change."""


class MissingTenantContextError(TenantShieldError):
    """Something needs a tenant and no tenant is in scope."""


class CrossTenantAccessError(TenantShieldError):
    """A write or a reference would reach another tenant's rows."""


class ScopeMismatchError(TenantShieldError):
    """A session or a transaction that serves one tenant was used under another."""


class UnguardedStatementError(TenantShieldError):
    """A statement cannot be confined to the tenant, so it was not sent."""


class TenantResolutionError(TenantShieldError):
    """The tenant of a request is malformed or ambiguous."""


class TenantNotFoundError(TenantResolutionError):
    """The request names a tenant that does not exist."""


class TenantSuspendedError(TenantResolutionError):
    """The request names a tenant that may not be used at present."""


class TenantUnauthenticatedError(TenantResolutionError):
    """The credentials that should name the tenant do not hold.

    Args:
        message: what is wrong with them, without a part of them.
        challenge: the ``WWW-Authenticate`` field of the refusal (RFC 9110 section 11.6.1).
    """

    challenge: str

    def __init__(self, message: str = "", *, challenge: str = "Bearer") -> None:
        super().__init__(message)
        self.challenge = challenge


class TenantNotAuthorizedError(TenantResolutionError):
    """Whoever sent the request may not act for the tenant that it names."""


class TenantUnavailableError(TenantResolutionError):
    """Which tenant a request is for could not be found out in time."""
