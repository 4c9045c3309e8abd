"""Notes that are read after the application has authenticated the caller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from .notes import Note, seed

# What a caller sends to be authenticated; each belongs to one organization.
USERS = {"ann": "acme", "gil": "globex"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'notes.sqlite3'}")
    with engine.begin() as connection:
        seed(connection)
    yield engine
    engine.dispose()


def bodies(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [*session.scalars(select(Note.body))]


def as_user(name: str) -> dict[str, str]:
    return {"X-User": name}


def iter_bodies(engine: Engine) -> Iterator[str]:
    yield from bodies(engine)
