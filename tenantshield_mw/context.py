"""The one ``ContextVar``: which tenant, if any, the running code works for.

The variable holds the innermost binding of a linked list, outermost last. The list
is immutable, so a task or a thread that copied the context keeps what it saw, and
leaving a scope takes out that scope's own binding and no other. Scopes that end out
of order (two generators that are iterated in turn, say) therefore never put back a
tenant whose scope is already over, nor leave one behind.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Final, Generic, ParamSpec, TypeAlias, TypeVar, final

from .errors import ConfigurationError, MissingTenantContextError
from .tenant import TenantContext, TenantId

__all__ = [
    "AsyncScope",
    "Binding",
    "Bound",
    "Scope",
    "SystemContext",
    "as_tenant_context",
    "atenant_scope",
    "bind",
    "binding_var",
    "carry_tenant",
    "current_binding",
    "current_bound",
    "current_tenant",
    "describe",
    "is_same_scope",
    "system_scope",
    "tenant_scope",
    "try_current_tenant",
    "unbind",
]

P = ParamSpec("P")
R = TypeVar("R")

audit_log: Final = logging.getLogger("tenantshield_mw.audit")
"""Whenever a system scope is entered its reason is logged here, at level INFO. It is the
application's to give this logger a handler and that level."""


@final
class SystemContext:
    """What is bound inside :func:`system_scope`: code that may see all tenants.

    Args:
        reason: why, in words for whoever reads the audit log.
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"SystemContext({self.reason!r})"


Bound: TypeAlias = TenantContext | SystemContext | None
"""What a binding holds. ``None`` binds the absence of a tenant, so that a request
without one does not inherit whatever the server's own context happens to hold."""

B = TypeVar("B", bound=Bound)


Binding: TypeAlias = "tuple[Bound, Binding | None, Binding | None]"
"""One entry of the list: who is bound, the binding outside of it, and, where an entry
had to be made anew because one outside of it ended first, the entry that it stands
for. A plain tuple, because every request makes one and it costs a quarter of an
instance. Entries are told apart by identity."""

binding_var: Final[ContextVar[Binding | None]] = ContextVar("tenantshield_mw", default=None)

current_binding: Final = binding_var.get
"""Return the innermost binding, or ``None`` outside every scope; ``[0]`` is who is bound."""


def current_bound() -> Bound:
    """Return who is bound; ``None`` for nobody, and outside every scope."""
    binding = binding_var.get()
    return None if binding is None else binding[0]


def is_same_scope(left: Bound, right: Bound) -> bool:
    """Return whether two bindings reach the same rows."""
    if isinstance(left, SystemContext):
        return isinstance(right, SystemContext)
    return left == right


def describe(bound: Bound) -> str:
    """Return what is bound in words, without naming a tenant."""
    if bound is None:
        return "no scope"
    return "one tenant's scope" if isinstance(bound, TenantContext) else "a system scope"


def bind(bound: Bound) -> Binding:
    """Bind in the current context; the result goes to :func:`unbind`.

    For code that cannot use a ``with`` block. Everything else uses the scopes.
    """
    binding = (bound, binding_var.get(), None)
    binding_var.set(binding)
    return binding


def unbind(binding: Binding) -> None:
    """Take ``binding``, and no other, out of the current context.

    A binding that this context never had (a generator closed by another task) is
    not there to be taken out, and what this context has bound stays as it is.
    """
    innermost = binding_var.get()
    if innermost is binding:
        binding_var.set(binding[1])
    else:
        binding_var.set(_without(innermost, binding))


def _without(binding: Binding | None, gone: Binding) -> Binding | None:
    if binding is None:
        return None
    bound, outer, stands_for = binding
    if binding is gone or stands_for is gone:
        return outer
    remaining = _without(outer, gone)
    return binding if remaining is outer else (bound, remaining, stands_for or binding)


class _OneEntry(Generic[B]):
    """What the sync and the async scope share: they are entered once, left once."""

    __slots__ = ("_binding", "_bound")

    def __init__(self, bound: B) -> None:
        self._bound: B = bound
        self._binding: Binding | None = None

    def _enter(self) -> B:
        if self._binding is not None:
            raise ConfigurationError(
                "this scope was entered before; a scope is for one 'with' block, "
                "call tenant_scope(), atenant_scope() or system_scope() again"
            )
        if isinstance(self._bound, SystemContext):
            audit_log.info("system scope: %s", self._bound.reason)
        self._binding = bind(self._bound)
        return self._bound

    def _leave(self) -> None:
        if self._binding is not None:
            unbind(self._binding)


@final
class Scope(_OneEntry[B]):
    """The context manager that :func:`tenant_scope` and :func:`system_scope` return."""

    __slots__ = ()

    def __enter__(self) -> B:
        return self._enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()


@final
class AsyncScope(_OneEntry[B]):
    """The async context manager that :func:`atenant_scope` returns."""

    __slots__ = ()

    async def __aenter__(self) -> B:
        return self._enter()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()


def as_tenant_context(tenant: TenantContext | TenantId) -> TenantContext:
    """Return ``tenant`` as a :class:`TenantContext`, checked.

    Raises:
        TenantResolutionError: it is neither, or an identifier that names no tenant.
    """
    return tenant if isinstance(tenant, TenantContext) else TenantContext(tenant)


def tenant_scope(tenant: TenantContext | TenantId) -> Scope[TenantContext]:
    """Bind ``tenant`` for the length of a ``with`` block.

    Scopes nest, and the outer one is back when the inner one ends::

        with tenant_scope("acme"):
            ...

    Args:
        tenant: an identifier (``str``, ``int`` or ``uuid.UUID``) or a
            :class:`TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` cannot name a tenant.
    """
    return Scope(as_tenant_context(tenant))


def atenant_scope(tenant: TenantContext | TenantId) -> AsyncScope[TenantContext]:
    """Bind ``tenant`` for the length of an ``async with`` block.

    The binding is the same one that :func:`tenant_scope` makes: sync code that is
    called inside sees it.

    Args:
        tenant: an identifier (``str``, ``int`` or ``uuid.UUID``) or a
            :class:`TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` cannot name a tenant.
    """
    return AsyncScope(as_tenant_context(tenant))


def system_scope(reason: str) -> Scope[SystemContext]:
    """Let the code in a ``with`` block see the rows of all tenants.

    For what belongs to no tenant: migrations, billing runs, support tools. Whenever one is
    entered, the reason is logged to ``tenantshield_mw.audit`` at level INFO. Give that
    logger a handler and the level, since Python by itself drops what is below WARNING.

    Args:
        reason: why, in words; non-empty.

    Raises:
        ConfigurationError: there is no reason.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError(
            "system_scope() needs a reason, a non-empty str that says why this code "
            'may see all tenants: system_scope("nightly invoices")'
        )
    return Scope(SystemContext(reason))


def try_current_tenant() -> TenantContext | None:
    """Return the tenant in scope; ``None`` where there is none or in a system scope."""
    bound = current_bound()
    return bound if isinstance(bound, TenantContext) else None


def current_tenant() -> TenantContext:
    """Return the tenant in scope.

    Raises:
        MissingTenantContextError: none is in scope, or a system scope is, which
            stands for no one tenant.
    """
    tenant = try_current_tenant()
    if tenant is None:
        raise MissingTenantContextError(
            "no tenant is in scope; wrap the app in TenantSessionMiddleware, or the "
            "code in tenant_scope(...)"
        )
    return tenant


def carry_tenant(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` so that it runs under what is bound here and now.

    A plain thread or executor starts with an empty context and so without a tenant;
    this carries the binding over on purpose::

        executor.submit(carry_tenant(export), path)

    Only the binding is carried, no other context variable, and the callee's own
    context is as it was afterwards. ``function`` must be a plain function: of a
    generator or coroutine function the body runs later, outside of the binding.

    Raises:
        ConfigurationError: ``function`` is a generator or coroutine function.
    """
    # An instance runs its class's __call__.
    if any(
        kind(code)
        for code in (function, type(function).__call__)
        for kind in (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        )
    ):
        raise ConfigurationError(
            "carry_tenant() takes a plain function: the body of a generator or coroutine "
            "function runs later, outside of the binding; enter tenant_scope() inside it"
        )
    bound = current_bound()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        own = bind(bound)
        try:
            return function(*args, **kwargs)
        finally:
            unbind(own)

    return carried
