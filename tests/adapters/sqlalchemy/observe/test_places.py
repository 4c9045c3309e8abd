"""A report names the line of the application."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope
from tests.databases import memory_async_engine

from .shop import A, Base, Order, observing


def test_a_place_is_the_line_of_the_application_and_reported_once(engine: Engine) -> None:
    with observing() as seen, tenant_scope(A), Session(engine) as session:
        for _ in range(3):
            session.scalars(select(Order)).all()
    (report,) = seen.reports
    code = test_a_place_is_the_line_of_the_application_and_reported_once.__code__
    assert report.line == code.co_firstlineno + 3
    assert report.function == code.co_qualname
    assert report.file == str(Path(__file__).relative_to(Path.cwd()))


async def test_a_place_is_found_through_an_async_session() -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    with observing() as seen, tenant_scope(A):
        async with AsyncSession(engine) as session:
            await session.scalars(select(Order))
    await engine.dispose()
    (report,) = seen.reports
    assert report.function == test_a_place_is_found_through_an_async_session.__qualname__
