"""Changes to its table that this process commits invalidate a directory, and no others do."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, String, func, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantDirectory,
    TenantNotFoundError,
    TenantSuspendedError,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import (
    invalidate_on_commit,
    shared_across_tenants,
    tenants_in,
)
from tests.databases import NAMES, Database, database, require

from ..watching import sent

ACME_ID = uuid.UUID(int=0xAC)


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Tenant(Base):
    __tablename__ = "invalidation_tenant"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    open: Mapped[bool] = mapped_column(default=True)


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Generator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        engine.dispose()
        yield here


@pytest.fixture
def engine(here: Database) -> Generator[Engine]:
    here.run("DELETE FROM invalidation_tenant")
    engine = here.engine()
    with Session(engine) as session:
        session.add_all([Tenant(id=ACME_ID, slug="acme"), Tenant(slug="globex")])
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def directory(engine: Engine) -> TenantDirectory:
    """Return a directory whose entries never expire."""
    directory = TenantDirectory(
        tenants_in(engine, Tenant, id=Tenant.slug, state=Tenant.open, tenant_id=Tenant.id),
        ttl=1000,
        negative_ttl=1000,
        clock=lambda: 0.0,
    )
    invalidate_on_commit(directory, Tenant.slug)
    return directory


def of(directory: TenantDirectory, *slugs: str) -> list[str]:
    """Return the directory's answer for each."""

    def find(slug: str) -> str:
        try:
            directory.find(slug, blocking=True)
        except (TenantNotFoundError, TenantSuspendedError) as error:
            return "unknown" if isinstance(error, TenantNotFoundError) else "suspended"
        return "active"

    return [find(slug) for slug in slugs]


def acme_in(session: Session) -> Tenant:
    acme = session.get(Tenant, ACME_ID)
    assert acme is not None
    return acme


def test_a_change_counts_once_it_is_committed(engine: Engine, directory: TenantDirectory) -> None:
    assert of(directory, "acme", "globex") == ["active", "active"]
    with Session(engine) as session:
        acme_in(session).open = False
        session.commit()
        with sent(engine) as statements:
            assert of(directory, "globex", "acme") == ["active", "suspended"]
        assert len(statements) == 1
        # The suspension is cached only under the requested id.
        acme_in(session).open = True
        session.commit()
        assert of(directory, "acme") == ["active"]


@pytest.mark.parametrize("end", ["rollback", "close"])
def test_what_is_rolled_back_counts_for_nothing(
    end: str, engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "acme") == ["active"]
    session = Session(engine)
    acme_in(session).open = False
    session.flush()
    getattr(session, end)()
    # Nor with the session's next commit.
    session.add(Tenant(slug="initech"))
    session.commit()
    session.close()
    with sent(engine) as statements:
        assert of(directory, "acme") == ["active"]
    assert statements == []


def test_a_savepoint_counts_with_the_transaction_around_it(
    engine: Engine, here: Database, directory: TenantDirectory
) -> None:
    assert of(directory, "acme", "globex") == ["active", "active"]
    with Session(engine) as session:
        with session.begin_nested():
            acme_in(session).open = False
        if here.name != "sqlite":  # where a writer locks readers out
            assert of(directory, "acme") == ["active"]
        # An answer from before the change becomes visible is forgotten too.
        directory.invalidate("acme")
        if here.name != "sqlite":
            assert of(directory, "acme") == ["active"]
        session.commit()
    assert of(directory, "acme", "globex") == ["suspended", "active"]


def test_a_tenant_that_is_added_is_not_unknown_any_more(
    engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "initech") == ["unknown"]
    with Session(engine) as session:
        session.add(Tenant(slug="initech"))
        session.commit()
    assert of(directory, "initech") == ["active"]


def test_a_tenant_that_is_deleted_is_unknown(engine: Engine, directory: TenantDirectory) -> None:
    assert of(directory, "acme") == ["active"]
    with Session(engine) as session:
        session.delete(acme_in(session))
        session.commit()
    assert of(directory, "acme") == ["unknown"]


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_tenant_that_is_renamed_goes_by_its_new_name_alone(
    is_expired: bool, engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "acme", "new") == ["active", "unknown"]
    with Session(engine) as session:
        acme = acme_in(session)
        if is_expired:
            session.expire(acme)
        acme.slug = "new"
        session.commit()
    assert of(directory, "acme", "new") == ["unknown", "active"]


def test_a_name_that_the_database_makes_is_no_obstacle(
    engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "acme") == ["active"]
    with Session(engine) as session:
        acme: Any = acme_in(session)
        acme.slug = func.concat("the-", "new")
        if engine.name == "sqlite":
            acme.slug = func.lower("THE-NEW")
        session.commit()
    assert of(directory, "acme", "the-new") == ["unknown", "active"]


def test_it_counts_within_a_tenants_scope_as_well(
    engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "acme") == ["active"]
    with tenant_scope(ACME_ID), Session(engine) as session:
        acme_in(session).open = False
        session.commit()
    assert of(directory, "acme") == ["suspended"]


async def test_an_async_session_counts_as_well(here: Database, engine: Engine) -> None:
    async_engine = here.async_engine()
    sessions = async_sessionmaker(async_engine)
    directory = TenantDirectory(
        tenants_in(sessions, Tenant, id=Tenant.slug, state=Tenant.open, tenant_id=Tenant.id)
    )
    invalidate_on_commit(directory, Tenant.slug)

    async def found() -> Any:
        listed: Any = directory.find("acme", blocking=False)
        return listed if isinstance(listed, TenantContext) else await listed

    async def change(session: AsyncSession) -> None:
        acme = await session.get(Tenant, ACME_ID)
        assert acme is not None
        acme.open = False
        await session.flush()

    try:
        assert await found() == TenantContext(ACME_ID)
        async with sessions() as session:
            await change(session)
            await session.rollback()
            assert await found() == TenantContext(ACME_ID)
            await change(session)
            await session.commit()
        with pytest.raises(TenantSuspendedError):
            await found()
    finally:
        await async_engine.dispose()


def test_a_bulk_statement_is_not_noticed_and_needs_a_call(
    engine: Engine, directory: TenantDirectory
) -> None:
    assert of(directory, "acme") == ["active"]
    with Session(engine) as session:
        session.execute(update(Tenant).values(open=False))
        session.commit()
    assert of(directory, "acme") == ["active"]
    directory.invalidate("acme")
    assert of(directory, "acme") == ["suspended"]


@pytest.mark.parametrize("attribute", [Tenant, Tenant.__table__.c.slug, "slug", None])
def test_an_invalid_attribute_is_refused(attribute: Any, directory: TenantDirectory) -> None:
    with pytest.raises(ConfigurationError, match=r"Tenant\.slug"):
        invalidate_on_commit(directory, attribute)


def test_an_invalid_directory_is_refused() -> None:
    lookup: Any = print
    with pytest.raises(ConfigurationError, match="TenantDirectory"):
        invalidate_on_commit(lookup, Tenant.slug)
