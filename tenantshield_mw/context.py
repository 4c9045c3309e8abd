"""The one ``ContextVar``: the tenant, if any, that the running code works for.

The variable holds the innermost binding of a linked list, outermost last. The list is
immutable: a task or thread that copied the context keeps what it saw, and leaving a scope
removes that scope's own binding and no other. So scopes that end out of order never restore a
tenant whose scope is over, nor leave one behind.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from functools import wraps
from types import FrameType, TracebackType
from typing import Final, Generic, ParamSpec, TypeAlias, TypeVar, final

from .errors import ConfigurationError, MissingTenantContextError
from .generators import check_generators, may_be_suspended
from .messages import missing_tenant
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
    "is_same_scope",
    "leave",
    "system_scope",
    "tenant_scope",
    "try_current_tenant",
    "unbind",
]

P = ParamSpec("P")
R = TypeVar("R")

audit_log: Final = logging.getLogger("tenantshield_mw.audit")
"""Logs the reason of each system scope at level INFO. The application has to give this logger
a handler and that level."""


@final
class SystemContext:
    """What is bound inside :func:`system_scope`: code that may see all tenants.

    Args:
        reason: why, for the readers of the audit log.
        at: where, if tenants' rows are in several places; see :func:`system_scope`.
    """

    __slots__ = ("at", "reason")

    def __init__(self, reason: str, at: Hashable | None = None) -> None:
        self.reason = reason
        self.at = at

    def __repr__(self) -> str:
        return f"SystemContext({self.reason!r})"


Bound: TypeAlias = TenantContext | SystemContext | None
"""What a binding holds. ``None`` binds the absence of a tenant, so that a request without one
does not inherit a binding of the server's own context."""

B = TypeVar("B", bound=Bound)


Binding: TypeAlias = "tuple[Bound, Binding | None, Binding | None]"
"""One entry of the list: what is bound, the binding outside it, and, if an entry was replaced
because one outside it ended first, the entry that it replaces. A plain tuple: every request
makes one, and it costs a quarter of an instance. Entries are compared by identity."""

_INHERITS: Final = (
    "this Python starts each thread with a copy of its creator's context, and with it the "
    "tenant: a worker thread would serve one tenant's rows to others. Switch that off with "
    "-X thread_inherit_context=0 or PYTHON_THREAD_INHERIT_CONTEXT=0"
)

# What a thread inherited and what asyncio.to_thread() carried into it look the same, so they
# cannot be told apart. Python before 3.14 has no such flag.
if getattr(sys.flags, "thread_inherit_context", False):
    raise ConfigurationError(_INHERITS)

binding_var: Final[ContextVar[Binding | None]] = ContextVar("tenantshield_mw", default=None)

current_binding: Final = binding_var.get
"""Return the innermost binding, or ``None`` outside every scope; ``[0]`` is what is bound."""


def current_bound() -> Bound:
    """Return what is bound; ``None`` outside every scope."""
    binding = binding_var.get()
    return None if binding is None else binding[0]


def is_same_scope(left: Bound, right: Bound) -> bool:
    """Return whether two bindings reach the same rows."""
    if isinstance(left, SystemContext):
        return isinstance(right, SystemContext) and left.at == right.at
    return left == right


def bind(bound: Bound) -> Binding:
    """Bind in the current context; the result goes to :func:`unbind`.

    For code that cannot use a ``with`` block; all other code uses the scopes.
    """
    binding = (bound, binding_var.get(), None)
    binding_var.set(binding)
    return binding


def unbind(binding: Binding) -> bool:
    """Remove ``binding``, and no other, from the current context.

    Returns:
        Whether this context had it. A generator that another task closes leaves its scope in
        a context that may never have had it; that context stays as it is.
    """
    innermost = binding_var.get()
    if innermost is binding:
        binding_var.set(binding[1])
        return True
    remaining = _without(innermost, binding)
    binding_var.set(remaining)
    return remaining is not innermost


def _unbind_with_inner(binding: Binding) -> None:
    """Remove ``binding`` and what was bound inside it and never left from the current context."""
    each = binding_var.get()
    while each is not None:
        _, outer, stands_for = each
        if each is binding or stands_for is binding:
            binding_var.set(outer)
            return
        each = outer


_OTHER_CONTEXT: Final = (
    "a tenant or system scope was left in another context than it was entered in, so it did not "
    "cover what it should have: enter and leave a scope in the same task and thread. A sync "
    "dependency with yield that a framework runs in worker threads must become async"
)


def leave(binding: Binding, error: BaseException | None) -> None:
    """Remove a scope's binding, at the end of a ``with`` block.

    Args:
        binding: the result of :func:`bind`.
        error: the exception that ends the block, which is not hidden by another one.

    Raises:
        ConfigurationError: the current context is not the one of :func:`bind`.
    """
    if not unbind(binding) and error is None:
        raise ConfigurationError(_OTHER_CONTEXT)


def _without(binding: Binding | None, gone: Binding) -> Binding | None:
    if binding is None:
        return None
    bound, outer, stands_for = binding
    if binding is gone or stands_for is gone:
        return outer
    remaining = _without(outer, gone)
    return binding if remaining is outer else (bound, remaining, stands_for or binding)


class _OneEntry(Generic[B]):
    """The common part of the sync and the async scope: entered once, left once."""

    __slots__ = ("_binding", "_bound")

    def __init__(self, bound: B) -> None:
        self._bound: B = bound
        self._binding: Binding | None = None

    def _enter(self, caller: FrameType) -> B:
        if self._binding is not None:
            raise ConfigurationError(
                "this scope was entered before; a scope is for one 'with' block, "
                "call tenant_scope(), atenant_scope() or system_scope() again"
            )
        if may_be_suspended(caller.f_code):
            check_generators(caller)
        if isinstance(self._bound, SystemContext):
            audit_log.info("system scope: %s", self._bound.reason)
            outer = current_bound()
            if self._bound.at is None and isinstance(outer, SystemContext):
                self._bound.at = outer.at
        self._binding = bind(self._bound)
        return self._bound

    def _leave(self, error: BaseException | None) -> None:
        if self._binding is not None:
            leave(self._binding, error)


@final
class Scope(_OneEntry[B]):
    """The context manager that :func:`tenant_scope` and :func:`system_scope` return."""

    __slots__ = ()

    def __enter__(self) -> B:
        return self._enter(sys._getframe(1))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)


@final
class AsyncScope(_OneEntry[B]):
    """The async context manager that :func:`atenant_scope` returns."""

    __slots__ = ()

    async def __aenter__(self) -> B:
        return self._enter(sys._getframe(1))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)


def as_tenant_context(tenant: TenantContext | TenantId) -> TenantContext:
    """Return ``tenant`` as a checked :class:`TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` cannot name a tenant.
    """
    return tenant if isinstance(tenant, TenantContext) else TenantContext(tenant)


def tenant_scope(tenant: TenantContext | TenantId) -> Scope[TenantContext]:
    """Bind ``tenant`` for the length of a ``with`` block.

    Scopes nest, and the outer one is restored when the inner one ends::

        with tenant_scope("acme"):
            ...

    A generator must not yield inside a scope, since its consumer would run in it. Collect the
    results inside the scope and yield them after it. Context managers, fixtures and
    dependencies that are written as generators may. A task that is started inside a scope
    keeps the tenant: start workers that serve several tenants outside every scope, and let them
    enter a scope for each item.

    Args:
        tenant: an identifier (``str``, ``int`` or ``uuid.UUID``) or a
            :class:`TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` cannot name a tenant.
        ConfigurationError: on entering, a generator would yield inside the scope; on leaving,
            the context is not the one that was entered.
    """
    return Scope(as_tenant_context(tenant))


def atenant_scope(tenant: TenantContext | TenantId) -> AsyncScope[TenantContext]:
    """Bind ``tenant`` for the length of an ``async with`` block.

    The binding is the one that :func:`tenant_scope` makes: sync code that is called inside
    sees it.

    Args:
        tenant: an identifier (``str``, ``int`` or ``uuid.UUID``) or a
            :class:`TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` cannot name a tenant.
    """
    return AsyncScope(as_tenant_context(tenant))


def system_scope(reason: str, *, at: Hashable | None = None) -> Scope[SystemContext]:
    """Let the code in a ``with`` block see the rows of all tenants.

    For work that belongs to no tenant: migrations, billing runs, support tools. Each time a
    scope is entered, the reason is logged to ``tenantshield_mw.audit`` at level INFO. Give
    that logger a handler and the level: by default Python drops what is below WARNING.

    Args:
        reason: why, in words; non-empty.
        at: the placement whose rows are meant, if the engine has ``Placements`` of the SQLAlchemy
            adapter: a ``Placement``; by default, that of a system scope around this one. Other
            engines ignore it.

    Raises:
        ConfigurationError: there is no reason.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError(
            "system_scope() needs a reason, a non-empty str that says why this code "
            'may see all tenants: system_scope("nightly invoices")'
        )
    return Scope(SystemContext(reason, at))


def try_current_tenant() -> TenantContext | None:
    """Return the tenant in scope, or ``None`` if there is none or in a system scope."""
    bound = current_bound()
    return bound if isinstance(bound, TenantContext) else None


def current_tenant() -> TenantContext:
    """Return the tenant in scope.

    Raises:
        MissingTenantContextError: no tenant is in scope, or only a system scope.
    """
    bound = current_bound()
    if isinstance(bound, TenantContext):
        return bound
    if bound is None:
        is_unbound = current_binding() is not None
        raise MissingTenantContextError(
            f"no tenant is in scope; {missing_tenant(is_unbound=is_unbound)}"
        )
    raise MissingTenantContextError(
        "a system scope is active, which is for all tenants and names none; enter "
        "tenant_scope(...) inside it for the code that works for one"
    )


def carry_tenant(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` wrapped to run under the current binding.

    A thread or executor starts with an empty context, without a tenant; this carries the
    binding over on purpose::

        executor.submit(carry_tenant(export), path)

    Only the binding is carried, no other context variable, and the callee's context is
    restored afterwards. ``function`` must be a plain function: the body of a generator or
    coroutine function runs later, outside the binding.

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
            "function runs later, outside the binding; enter tenant_scope() inside it"
        )
    bound = current_bound()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        own = bind(bound)
        try:
            return function(*args, **kwargs)
        finally:
            _unbind_with_inner(own)

    return carried
