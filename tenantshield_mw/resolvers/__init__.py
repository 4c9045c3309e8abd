"""The resolvers that come with the package, one per module.

Each is a callable object that takes the raw request, reads it through
:mod:`tenantshield_mw.request`, and returns a tenant or ``None``, or raises
:class:`~tenantshield_mw.TenantResolutionError`. Those that call the user's code may return an
awaitable under ASGI. The middleware reads two optional attributes:

``varies_on``
    the request headers that the answer depends on, for ``Vary``;
``mount``
    a function that takes the request and the tenant, and returns the path prefix that names
    the tenant.
"""

from __future__ import annotations

from .agree import agree
from .api_key import api_key
from .bound_later import bound_later
from .cached import cached
from .client_certificate import client_certificate
from .cookie import cookie
from .domain import domain
from .first_of import first_of
from .header import header
from .in_thread import in_thread
from .jwt_claim import jwt_claim
from .path_prefix import path_prefix
from .principal import principal
from .query import query
from .session import session
from .subdomain import subdomain

__all__ = [
    "agree",
    "api_key",
    "bound_later",
    "cached",
    "client_certificate",
    "cookie",
    "domain",
    "first_of",
    "header",
    "in_thread",
    "jwt_claim",
    "path_prefix",
    "principal",
    "query",
    "session",
    "subdomain",
]
