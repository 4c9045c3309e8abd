"""The package's errors, in a form that SQLAlchemy does not wrap.

SQLAlchemy wraps errors raised while it prepares a statement in ``StatementError``, unless
their class derives from ``sqlalchemy.exc.DontWrapMixin``. The core does not import
SQLAlchemy, so the classes that the adapter raises are defined here. Applications catch
them under the names in ``tenantshield_mw``.
"""

from __future__ import annotations

from sqlalchemy.exc import DontWrapMixin

from tenantshield_mw import errors

__all__ = [
    "ConfigurationError",
    "CrossTenantAccessError",
    "MissingTenantContextError",
    "PlacementError",
    "PlacementUnavailableError",
    "ScopeMismatchError",
    "UnguardedStatementError",
]


class ConfigurationError(DontWrapMixin, errors.ConfigurationError):
    __doc__ = errors.ConfigurationError.__doc__


class CrossTenantAccessError(DontWrapMixin, errors.CrossTenantAccessError):
    __doc__ = errors.CrossTenantAccessError.__doc__


class MissingTenantContextError(DontWrapMixin, errors.MissingTenantContextError):
    __doc__ = errors.MissingTenantContextError.__doc__


class PlacementError(DontWrapMixin, errors.PlacementError):
    __doc__ = errors.PlacementError.__doc__


class PlacementUnavailableError(PlacementError, errors.PlacementUnavailableError):
    __doc__ = errors.PlacementUnavailableError.__doc__


class ScopeMismatchError(DontWrapMixin, errors.ScopeMismatchError):
    __doc__ = errors.ScopeMismatchError.__doc__


class UnguardedStatementError(DontWrapMixin, errors.UnguardedStatementError):
    __doc__ = errors.UnguardedStatementError.__doc__
