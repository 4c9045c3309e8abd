from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from . import accounts, projects, reports, tasks
from .admin import add_admin
from .database import create_tables, engine


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await create_tables()
    yield
    await engine.dispose()


app = FastAPI(title="Projects", lifespan=lifespan)
for module in (accounts, projects, tasks, reports):
    app.include_router(module.router)
add_admin(app)
