"""Bind the tenant that an argument of a function names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from .context import Scope, as_tenant_context, tenant_scope, try_current_tenant
from .errors import ConfigurationError, ScopeMismatchError, TenantResolutionError
from .resolution import close_unawaited, is_undone
from .tenant import TenantContext, TenantId

__all__ = ["tenant_from"]

P = ParamSpec("P")
R = TypeVar("R")

_NAMED: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def tenant_from(
    argument: str, tenant: Callable[[Any], TenantContext | TenantId | None] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that runs a function under the tenant that one of its arguments names.

    ::

        @tenant_from("actor", lambda actor: actor.organization_id)
        def close_month(actor: User, month: date) -> None: ...

    The function may be sync or async. It runs in a :func:`~tenantshield_mw.tenant_scope`, also
    inside a system scope or a scope of the same tenant. What it returns to be run later, such as
    the body of a streaming response, runs outside of it.

    Args:
        argument: the name of a parameter; the call may give it by position or by name.
        tenant: takes the argument and returns the tenant; by default the argument itself is the
            tenant.

    Raises:
        ConfigurationError: from the decorator, if it decorates a generator, a class or anything
            else that is not a function, or the function has no such parameter, as the wrapper
            that another decorator has put around it; from the function,
            if it returns an awaitable or a generator, whose body would run outside of the scope.
        TenantResolutionError: from the function, if the argument names no tenant.
        ScopeMismatchError: from the function, if another tenant is in scope.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = _checked_signature(function, argument)

        def scope_for(args: Any, kwargs: Any) -> Scope[TenantContext]:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            value = given.arguments[argument]
            named = value if tenant is None or value is None else tenant(value)
            return _scope_of(named, argument)

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with scope_for(args, kwargs):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", awaited)

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with scope_for(args, kwargs):
                result = function(*args, **kwargs)
                _check_done(result)
                return result

        return called

    return decorate


_WRAPPED: Final = (
    " itself, since another decorator wraps it: put tenant_from() below that one, directly above "
    "the function"
)


def _checked_signature(function: Any, argument: str) -> inspect.Signature:
    if not inspect.isfunction(function):
        raise ConfigurationError(
            "tenant_from() decorates functions: put it below @staticmethod, @classmethod and "
            "every other decorator that does not return a function"
        )
    # A decorator's wrapper of a generator function is not one itself.
    inner = inspect.unwrap(function)
    if any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each)
        for each in (function, inner)
    ):
        raise ConfigurationError(
            "tenant_from() cannot decorate a generator, whose body runs in its consumer: collect "
            "the results in a function with tenant_from(), and yield them outside of it"
        )
    # Not the signature of what it wraps, to which a wrapper may give other arguments than it gets.
    signature = inspect.signature(function, follow_wrapped=False)
    found = signature.parameters.get(argument)
    if found is None or found.kind not in _NAMED:
        raise ConfigurationError(
            f"tenant_from({argument!r}): {function.__qualname__}() has no parameter of this name"
            + (_WRAPPED if inner is not function else "")
        )
    return signature


def _scope_of(named: TenantContext | TenantId | None, argument: str) -> Scope[TenantContext]:
    if named is None:
        raise TenantResolutionError(
            f"the argument {argument!r} names no tenant, and the function works for one"
        )
    tenant = as_tenant_context(named)
    bound = try_current_tenant()
    if bound is not None and bound != tenant:
        raise ScopeMismatchError(
            f"the argument {argument!r} names another tenant than the one in scope: call the "
            "function for the tenant in scope, or outside of its scope"
        )
    return tenant_scope(tenant)


def _check_done(result: object) -> None:
    if not is_undone(result):
        return
    close_unawaited(result)
    raise ConfigurationError(
        "a function with tenant_from() returned an awaitable or a generator, whose body would run "
        "outside of the scope: make the function async, or return what it has collected"
    )
