"""Fill and check the bound parameters that hold the tenant.

A statement is compiled once for all tenants. The tenant is read at each execution, when
SQLAlchemy processes the values of bound parameters for the driver. A parameter that a caller
passes cannot replace the tenant in scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from sqlalchemy import BindParameter

from tenantshield_mw.context import SystemContext, current_binding, current_bound
from tenantshield_mw.messages import missing_tenant
from tenantshield_mw.tenant import TenantContext, TenantId

from ..errors import ConfigurationError, CrossTenantAccessError, MissingTenantContextError
from ..ownership.limits import Acceptance
from ..ownership.model import ColumnOwnership

__all__ = [
    "TenantParameter",
    "checked",
    "filled",
    "processor_for",
    "role_of",
    "tell_tenant",
    "tenant_id_for",
]

Processor = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class TenantParameter:
    """The role of a bound parameter that holds the tenant."""

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
    """Mark ``bind`` to refuse any value except the tenant in scope, and return it."""
    # As the parameters that hold the tenant for the other statements convert it.
    bind.type = rule.type_
    # The parameter that is compiled may be a clone of this one; SQLAlchemy copies __dict__.
    bind.__dict__[_ATTRIBUTE] = TenantParameter("check", rule, operation)
    return bind


def role_of(bind: BindParameter[Any]) -> TenantParameter | None:
    """Return the role of ``bind``; ``None`` if it does not hold the tenant."""
    return bind.__dict__.get(_ATTRIBUTE)


def tell_tenant(
    values: MutableMapping[str, Any], filled: Iterable[tuple[str, TenantParameter]]
) -> None:
    """Put the tenant in scope among the values of an execution, before they are converted.

    SQLAlchemy reads them there for the primary key of a new row, to bring returned rows into the
    order of the given ones, and for functions that compute a default from the other columns.

    Args:
        values: the values by the parameters' names.
        filled: the names of the parameters that hold the tenant, with their roles. One for which
            no such tenant is in scope is left to :func:`processor_for`, which refuses it.
    """
    bound = current_bound()
    if not isinstance(bound, TenantContext):
        return
    tenant_id = bound.tenant_id
    for name, role in filled:
        if values[name] is _PLACEHOLDER and type(tenant_id) is role.rule.python_type:
            values[name] = tenant_id


def processor_for(
    role: TenantParameter, inner: Processor | None, kept: Acceptance | None = None
) -> Processor:
    """Return a function that converts the parameter's value for the driver.

    Args:
        role: the parameter's role.
        inner: the processor of the column's type; ``None`` if it has none.
        kept: the check of whether the database keeps an id as it is; ``None`` if it does.
    """
    rule, operation = role.rule, role.operation
    python_type, accepts = rule.python_type, rule.accepts
    if kept is not None:
        inner = _kept(rule, operation, kept, inner)

    def fill(value: object) -> Any:
        # Every guarded statement comes through here: the usual case first, without a call.
        binding = current_binding()
        if binding is not None:
            bound = binding[0]
            if type(bound) is TenantContext:
                tenant_id = bound.tenant_id
                # It is the tenant itself where tell_tenant() has put it.
                if (
                    (value is _PLACEHOLDER or value is tenant_id)
                    and type(tenant_id) is python_type
                    and (accepts is None or accepts(tenant_id))
                ):
                    return tenant_id if inner is None else inner(tenant_id)
        checked_id = tenant_id_for(rule, operation)
        if value is not _PLACEHOLDER and not rule.is_same_tenant(value, checked_id):
            raise CrossTenantAccessError(
                f"{operation} on {rule.label}: a parameter has the name of the one that holds "
                "the tenant; rename it"
            )
        return checked_id if inner is None else inner(checked_id)

    def check(value: object) -> Any:
        # Every row that a session inserts comes through here.
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


def _kept(
    rule: ColumnOwnership, operation: str, kept: Acceptance, inner: Processor | None
) -> Processor:
    def process(tenant_id: Any) -> Any:
        if not kept(tenant_id):
            raise ConfigurationError(
                f"{operation} on {rule.label}: {rule.key}, a {rule.type_!r}, is a number to this "
                "database, which would take the tenant in scope for another one: use Uuid() of "
                "SQLAlchemy, or another type that is a CHAR here, and make the column anew"
            )
        return tenant_id if inner is None else inner(tenant_id)

    return process


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
    """Return the tenant in scope as a value for the column of ``rule``.

    Raises:
        MissingTenantContextError: no tenant is in scope.
        ConfigurationError: the column has another type, or cannot hold this identifier, which
            a database that is not strict would truncate.
    """
    binding = current_binding()
    bound = None if binding is None else binding[0]
    if not isinstance(bound, TenantContext):
        _no_tenant(rule.label, operation, bound)
    tenant_id = bound.tenant_id
    if type(tenant_id) is not rule.python_type:
        raise ConfigurationError(
            f"{operation} on {rule.label}: the id of the tenant in scope is of type "
            f"{type(tenant_id).__name__}, but {rule.key} holds {rule.python_type.__name__}; give "
            "tenant_scope(), or type= of the resolver, that type"
        )
    if rule.is_shared(tenant_id):
        raise ConfigurationError(
            f"{operation} on {rule.label}: {rule.key} of the rows that every tenant reads is the "
            "tenant in scope, which may not write them: use another tenant, or another value for "
            'shared_rows; write them in system_scope("why")'
        )
    if rule.accepts is not None and not rule.accepts(tenant_id):
        raise ConfigurationError(
            f"{operation} on {rule.label}: {rule.key}, a {rule.type_!r}, cannot hold the tenant "
            "in scope, or does not give it back as it was; widen the column, let its type give "
            "back what it stored, or refuse such tenants in the resolver"
        )
    return tenant_id


def _no_tenant(label: str, operation: str, bound: SystemContext | None) -> NoReturn:
    if bound is not None:
        raise MissingTenantContextError(
            f"{operation} on {label}: the statement was prepared outside the system "
            "scope and is executed inside it; prepare it again"
        )
    raise MissingTenantContextError(
        f"{operation} on {label}, which holds tenants' rows, but no tenant is in scope; "
        f"{missing_tenant(is_unbound=current_binding() is not None)}; or, for the rows of all "
        'tenants, in system_scope("why")'
    )
