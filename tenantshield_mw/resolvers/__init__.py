"""The resolvers that come with the package, one a module.

Each is a callable object that takes the raw request, reads it through
:mod:`tenantshield_mw.request`, and returns a tenant or ``None``, or raises
:class:`~tenantshield_mw.TenantResolutionError`.
"""

from __future__ import annotations

from .header import header

__all__ = ["header"]
