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
    "TenantNotFoundError",
    "TenantResolutionError",
    "TenantShieldError",
    "TenantSuspendedError",
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
