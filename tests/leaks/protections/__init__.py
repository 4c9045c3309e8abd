"""What is put to the test: this project, others, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import ForeignKeyConstraint, MetaData, String, Table
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

__all__ = ["PEERS", "Protection", "load", "remembered"]

T = TypeVar("T")

PEERS: Final = {
    "tenantshield": "tenantshield==0.7.0b2",
    "softtenant": "softtenant==0.1.0",
    "litestar_tenants": "litestar-tenants==0.1.0",
}
"""Module names in this folder, and what is installed for them."""


def load(name: str) -> Protection:
    """Return the protection of the module ``name``."""
    protection: Protection = import_module(f"{__name__}.{name}").protection()
    return protection


class PlainColumn:
    """A tenant column as an application writes it."""

    @declared_attr
    def tenant_id(cls) -> Mapped[str]:  # noqa: N805
        return mapped_column(String(40), index=True)


@dataclass
class Protection:
    """How models are marked and how a tenant is entered; here, not at all.

    Attributes:
        features: what can be declared: ``ties`` (tables that belong to a tenant through
            a foreign key), ``core`` (a ``Table`` without a model), ``columns`` (more than
            one name for the tenant column), ``keys`` (a tenant column in the primary key),
            ``concrete`` (concrete inheritance), ``ambient`` (a tenant is in scope for
            code, not for one session object), ``unbound`` (a scope without a tenant inside
            of one that has one), ``system`` (a scope that sees all tenants), ``fills`` (the
            tenant may be left out of every statement, not of new objects alone),
            ``tenant_keys`` (foreign keys in which the tenant is part of the reference),
            ``converts`` (a tenant column whose type converts the tenant), ``shared_rows``
            (rows that every tenant reads beside a tenant's own).
        has_policies: whether the database has policies, and the application a role for which
            they hold.
        at: where the rows of all tenants are, if not in shared tables, for a system scope.
    """

    key: str = "tenant_id"
    mine: Any = "alfa"
    theirs: Any = "bravo"
    own: Any = PlainColumn
    features: frozenset[str] = frozenset(
        [
            "ties",
            "core",
            "columns",
            "keys",
            "concrete",
            "ambient",
            "unbound",
            "system",
            "fills",
            "converts",
            "shared_rows",
        ]
    )
    refusals: tuple[type[Exception], ...] = ()
    has_policies: bool = False
    at: Any = None

    reviewed: ClassVar[dict[str, Any]] = {}

    def aware(self, model: T) -> T:
        """Mark ``model`` as a tenant-aware one."""
        return model

    def aware_shared(self, value: Any) -> Callable[[T], T]:
        """Mark a model in which every tenant reads the rows with ``value`` for a tenant."""
        return lambda model: model

    def aware_column(self, column: str) -> Callable[[T], T]:
        """Mark a model whose tenant column has another name."""
        return lambda model: model

    def aware_table(self, table: Table) -> None:
        """Mark a table that has no model."""

    def through(self, parent: str) -> Callable[[T], T]:
        """Mark a model as tied to the tenant of its row in ``parent``."""
        return lambda model: model

    def subclass(self, model: T) -> T:
        """Mark a subclass, which has its table or its tenant column from its base."""
        return model

    def shared(self, model: T) -> T:
        """Mark ``model`` as the same for all tenants."""
        return model

    def shared_elsewhere(self, table: Table) -> Table:
        """Mark a table of another database, which has the name of a tenant-aware one."""
        return self.shared(table)

    def tenant_key(self, column: str, parent: str) -> ForeignKeyConstraint:
        """Return a foreign key to ``parent`` that includes the tenant."""
        return ForeignKeyConstraint([self.key, column], [f"{parent}.{self.key}", f"{parent}.id"])

    def finish(self, models: Any) -> None:
        """Do what is to be done once all models are there."""

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        """Return a scope of ``tenant``; ``None`` stands for no tenant."""
        return _remembered(tenant)

    def system(self) -> AbstractContextManager[Any]:
        """Return a scope in which every tenant may be seen."""
        return nullcontext()

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` so that it runs under the present tenant in another thread."""
        return function

    def policies(self, metadata: MetaData) -> list[str]:
        """Return the statements that protect the tables in the database itself."""
        return []

    def is_refusal(self, error: Exception) -> bool:
        """Say whether ``error`` is how the protection refuses something."""
        return isinstance(error, self.refusals)

    def opened(self, session: Session) -> None:
        """Do what is to be done with every new session."""


_tenant: ContextVar[Any] = ContextVar("tenant", default=None)


@contextmanager
def _remembered(tenant: Any) -> Generator[None, None, None]:
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


def remembered() -> Any:
    """Return the tenant of the innermost :meth:`Protection.scope`."""
    return _tenant.get()
