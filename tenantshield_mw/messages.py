"""The words for scopes in the messages of errors, which name no tenant."""

from __future__ import annotations

from .tenant import TenantContext

__all__ = ["describe", "missing_tenant"]


def describe(bound: object, beside: object = None) -> str:
    """Return what is bound in words.

    Args:
        bound: what is bound.
        beside: the scope that the message has named before, if any.
    """
    if bound is None:
        return "no scope"
    is_tenant = isinstance(bound, TenantContext)
    if type(bound) is not type(beside):
        return "one tenant's scope" if is_tenant else "a system scope"
    if is_tenant and bound == beside:
        return "that scope at another place"
    return "another tenant's scope" if is_tenant else "another system scope"


def missing_tenant(*, is_unbound: bool) -> str:
    """Return what to do where no tenant is in scope.

    Args:
        is_unbound: whether the absence of a tenant is what is bound, as the middleware does for a
            request without one; otherwise nothing is.
    """
    if is_unbound:
        return (
            "the middleware runs this request without one. With bound_later(), the dependency, "
            "tenant_from() or enter_tenant() that binds it is missing or comes too late; where a "
            "request may have none, wrap the code in tenant_scope(...)"
        )
    return "wrap the app in TenantSessionMiddleware, or the code in tenant_scope(...)"
