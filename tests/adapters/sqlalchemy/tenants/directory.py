"""Tenants in a table, in every state, on each database."""

from __future__ import annotations

import enum
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, Enum, ForeignKey, Integer, MetaData, String, TypeDecorator, Uuid
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import TenantState
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenants_in
from tests.databases import NAMES, Database, database, require

ACME_ID = uuid.UUID(int=0xAC)
GLOBEX_ID = uuid.UUID(int=0x61)


class State(enum.Enum):
    LIVE = "live"
    TRIAL = "trial"
    LOCKED = "locked"
    GONE = "gone"


class Base(DeclarativeBase):
    metadata = MetaData()


class Backwards(TypeDecorator[int]):
    """An integer that is stored in another form, which not every integer has."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        if value == 13:
            raise ValueError("no such number")
        return None if value is None else -value

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else -value


@shared_across_tenants
class Tenant(Base):
    __tablename__ = "directory_tenant"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    number: Mapped[int] = mapped_column(unique=True)
    backwards: Mapped[int] = mapped_column(Backwards)
    text_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    state: Mapped[State | None]
    listed: Mapped[TenantState | None] = mapped_column(Enum(TenantState))
    open: Mapped[bool | None]
    name: Mapped[str] = mapped_column("display_name", String(100))
    plan: Mapped[str | None] = mapped_column(String(100))


@shared_across_tenants
class Domain(Base):
    __tablename__ = "directory_domain"
    host: Mapped[str] = mapped_column(String(100), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("directory_tenant.id"))


STATES = {
    State.LIVE: TenantState.ACTIVE,
    State.TRIAL: TenantState.ACTIVE,
    State.GONE: TenantState.UNKNOWN,
}
COLUMNS: dict[str, Any] = {
    "id": Tenant.slug,
    "state": Tenant.state,
    "states": STATES,
    "tenant_id": Tenant.id,
    "attributes": (Tenant.name, Tenant.plan),
}


def tenant(slug: str, number: int, state: State | None, **more: Any) -> dict[str, Any]:
    id_ = more.pop("id", uuid.UUID(int=1000 + number))
    return {
        "id": id_,
        "slug": slug,
        "number": number,
        "backwards": number,
        "text_id": str(id_),
        "state": state,
        "listed": None,
        "open": None,
        "name": slug.title(),
        "plan": None,
        **more,
    }


ROWS = [
    tenant("acme", 1, State.LIVE, id=ACME_ID, plan="gold", listed=TenantState.ACTIVE, open=True),
    tenant("globex", 2, State.LOCKED, id=GLOBEX_ID, listed=TenantState.SUSPENDED, open=False),
    tenant("initech", 3, State.TRIAL, listed=TenantState.UNKNOWN),
    tenant("umbrella", 4, State.GONE),
    tenant("nameless", 5, None),
    tenant("first", 6, State.LIVE, name="Twin", plan="same"),
    tenant("second", 7, State.LIVE, name="TWIN", plan="same"),
]


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Generator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(Tenant(**row) for row in ROWS)
            session.flush()
            for host in ("acme.test", "shop.acme.test"):
                session.add(Domain(host=host, tenant_id=ACME_ID))
            session.commit()
        engine.dispose()
        yield here


def checked_out(engine: Engine | AsyncEngine) -> int:
    """Return the number of connections in use, if the pool keeps any."""
    # SQLAlchemy 2.0's pool for aiosqlite keeps no connections and cannot tell.
    count: Any = getattr(engine.pool, "checkedout", lambda: 0)
    return int(count())


@pytest.fixture
def engine(here: Database) -> Generator[Engine]:
    engine = here.engine()
    # The statements of a first connection are not the lookup's.
    with engine.connect():
        pass
    yield engine
    assert checked_out(engine) == 0
    engine.dispose()


@pytest.fixture
async def async_engine(here: Database) -> AsyncGenerator[AsyncEngine]:
    engine = here.async_engine()
    async with engine.connect():
        pass
    yield engine
    assert checked_out(engine) == 0
    await engine.dispose()


def lookup_in(source: Any, **changed: Any) -> Any:
    """Return the lookup over ``source``, with the columns above except for ``changed``."""
    options = {key: value for key, value in (COLUMNS | changed).items() if value is not ...}
    return tenants_in(source, options.pop("tenants", Tenant), **options)


@contextmanager
def suspended(here: Database, slug: str, column: str = "LOCKED") -> Generator[None]:
    """Change a tenant's row without SQLAlchemy, and restore it."""
    here.run(f"UPDATE directory_tenant SET state = '{column}' WHERE slug = '{slug}'")
    try:
        yield
    finally:
        here.run(f"UPDATE directory_tenant SET state = 'LIVE' WHERE slug = '{slug}'")
