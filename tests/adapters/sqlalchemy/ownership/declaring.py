"""Tables that tests declare in their own way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Session

from tenantshield_mw import ConfigurationError, MissingTenantContextError, tenant_scope
from tests.databases import memory_engine
from tests.threads import in_thread

from ..watching import fill


def base() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        metadata = MetaData()

    return Base


def is_confined(metadata: MetaData, statement: Any) -> bool:
    """Return whether ``statement``, on empty tables, needs a tenant."""
    engine = memory_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        try:
            connection.execute(statement).all()
        except MissingTenantContextError:
            return True
    return False


def names_seen(metadata: MetaData, tenant: Any, statement: Any, *seed: str) -> list[Any]:
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, *seed)
    with tenant_scope(tenant), Session(engine) as session:
        return sorted(session.scalars(statement))


NUMBERS = count()


def new_name() -> str:
    return f"effect_{next(NUMBERS)}"


def refuse(statement: Any, message: str) -> None:
    with (
        tenant_scope("acme"),
        memory_engine().connect() as connection,
        pytest.raises(ConfigurationError, match=message),
    ):
        connection.execute(statement)


class LetsIn(UniqueConstraint):
    """A unique constraint that calls ``meanwhile`` once, when its columns are looked at."""

    meanwhile: Callable[[], object] | None = None

    @property
    def columns(self) -> Any:  # type: ignore[override]
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            in_thread(meanwhile)
        return super().columns
