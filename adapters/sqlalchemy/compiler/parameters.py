"""The bound parameters that carry the tenant, and what fills and checks them.

A statement is compiled once for all tenants. What tells them apart is read when it is
executed, where SQLAlchemy processes the values of bound parameters for the driver.
Nothing that a caller passes as a parameter can take the place of the tenant in scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from sqlalchemy import BindParameter

from tenantshield_mw.context import SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext, TenantId

from ..errors import ConfigurationError, CrossTenantAccessError, MissingTenantContextError
from ..ownership.model import ColumnOwnership

__all__ = ["TenantParameter", "checked", "filled", "processor_for", "role_of", "tenant_id_for"]

Processor = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class TenantParameter:
    """What a bound parameter has to do with the tenant."""

    kind: Literal["fill", "check"]
    rule: ColumnOwnership
    operation: str


class _TenantInScope:
    def __repr__(self) -> str:
        return "<tenant in scope>"


_PLACEHOLDER: Final = _TenantInScope()
_ATTRIBUTE: Final = "_tenantshield_role"


def filled(rule: ColumnOwnership, operation: str) -> BindParameter[Any]:
    """Return a parameter whose value is the tenant in scope."""
    bind = BindParameter("tenantshield", _PLACEHOLDER, type_=rule.type_, unique=True)
    bind.__dict__[_ATTRIBUTE] = TenantParameter("fill", rule, operation)
    return bind


def checked(bind: BindParameter[Any], rule: ColumnOwnership, operation: str) -> BindParameter[Any]:
    """Return ``bind`` so that any value but the tenant in scope is refused."""
    # SQLAlchemy's clones keep what is in __dict__; the parameter that is compiled may
    # be a clone of a clone of this one.
    bind.__dict__[_ATTRIBUTE] = TenantParameter("check", rule, operation)
    return bind


def role_of(bind: BindParameter[Any]) -> TenantParameter | None:
    """Return what ``bind`` has to do with the tenant, if anything."""
    return bind.__dict__.get(_ATTRIBUTE)


def processor_for(role: TenantParameter, inner: Processor | None) -> Processor:
    """Return what turns the parameter's value into the driver's.

    Args:
        role: what the parameter is for.
        inner: what the column's type does with a value; ``None`` for nothing.
    """
    rule, operation = role.rule, role.operation
    python_type, accepts = rule.python_type, rule.accepts

    def fill(value: object) -> Any:
        # Every guarded statement passes here: the good case first, in one frame.
        binding = current_binding()
        if binding is not None and value is _PLACEHOLDER:
            bound = binding[0]
            if type(bound) is TenantContext:
                tenant_id = bound.tenant_id
                if type(tenant_id) is python_type and (accepts is None or accepts(tenant_id)):
                    return tenant_id if inner is None else inner(tenant_id)
        checked_id = tenant_id_for(rule, operation)
        if value is not _PLACEHOLDER:
            raise CrossTenantAccessError(
                f"{operation} on {rule.label}: a parameter was passed under the name of "
                "the one that holds the tenant; rename it"
            )
        return checked_id if inner is None else inner(checked_id)

    def check(value: object) -> Any:
        # So does every row that a session inserts.
        binding = current_binding()
        if binding is not None:
            bound = binding[0]
            if type(bound) is TenantContext and type(value) is python_type:
                tenant_id = bound.tenant_id
                if (
                    type(tenant_id) is python_type
                    and value == tenant_id
                    and (accepts is None or accepts(tenant_id))
                ):
                    return value if inner is None else inner(value)
        tenant_id = tenant_id_for(rule, operation)
        if not rule.is_same_tenant(value, tenant_id):
            _refuse_other(rule, operation, value)
        return value if inner is None else inner(value)

    return fill if role.kind == "fill" else check


def _refuse_other(rule: ColumnOwnership, operation: str, value: object) -> NoReturn:
    if operation == "UPDATE":
        raise CrossTenantAccessError(
            f"UPDATE on {rule.label} sets {rule.key}: a row never changes tenant; leave it "
            'out, or move the row inside system_scope("why")'
        )
    if value is None:
        raise CrossTenantAccessError(
            f"{operation} on {rule.label}: {rule.key} is None; leave it out and it is "
            "filled with the tenant in scope"
        )
    raise CrossTenantAccessError(
        f"{operation} on {rule.label}: {rule.key} is not the tenant in scope; leave "
        "it out and it is filled in"
    )


def tenant_id_for(rule: ColumnOwnership, operation: str) -> TenantId:
    """Return the identifier of the tenant in scope, as ``rule``'s column takes it.

    Raises:
        MissingTenantContextError: no tenant is in scope.
        ConfigurationError: the column holds another type of identifier, or cannot hold this
            one: a database that is not strict would cut it.
    """
    binding = current_binding()
    bound = None if binding is None else binding[0]
    if not isinstance(bound, TenantContext):
        _no_tenant(rule.label, operation, bound)
    tenant_id = bound.tenant_id
    if type(tenant_id) is not rule.python_type:
        raise ConfigurationError(
            f"{operation} on {rule.label}: the tenant in scope is named by a "
            f"{type(tenant_id).__name__}, and {rule.key} holds a "
            f"{rule.python_type.__name__}; let the resolver return that type"
        )
    if rule.accepts is not None and not rule.accepts(tenant_id):
        raise ConfigurationError(
            f"{operation} on {rule.label}: {rule.key}, a {rule.type_!r}, cannot hold the tenant "
            "in scope; widen the column, or refuse such tenants in the resolver"
        )
    return tenant_id


def _no_tenant(label: str, operation: str, bound: SystemContext | None) -> NoReturn:
    if bound is not None:
        raise MissingTenantContextError(
            f"{operation} on {label}: the statement was prepared outside of the system "
            "scope and is run inside it; prepare it again"
        )
    raise MissingTenantContextError(
        f"{operation} on {label}, which holds tenants' rows, and no tenant is in scope; "
        "wrap the app in TenantSessionMiddleware, or the code in tenant_scope(...) or "
        'system_scope("why")'
    )
