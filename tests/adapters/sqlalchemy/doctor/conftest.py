"""A PostgreSQL database with policies, in which nothing is wrong yet, and a folder with models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.sqlalchemy.rls.conftest import RlsDatabase, rls_database

from .commanding import FAULTY, MODELS
from .planting import Place
from .shop import Shop


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    with rls_database() as made:
        made.here.run(f"REVOKE {made.system} FROM {made.app}")
        yield made


@pytest.fixture
def place(base: RlsDatabase) -> Iterator[Place]:
    with base.here.roles(other="") as (other,):
        yield Place(base, Shop(), other)
        base.close()
        base.here.run(
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            f"GRANT CREATE, USAGE ON SCHEMA public TO {base.owner}",
            "GRANT USAGE ON SCHEMA public TO PUBLIC",
            f"ALTER ROLE {base.app} NOSUPERUSER NOBYPASSRLS NOREPLICATION NOCREATEROLE INHERIT",
            f"ALTER ROLE {base.app} RESET ALL",
            f"ALTER DATABASE {base.here.url.database} RESET ALL",
            f"REVOKE {base.owner}, {base.system} FROM {base.app}",
            f"REVOKE pg_monitor, pg_read_server_files, pg_read_all_data FROM {base.app}",
            f"ALTER DATABASE {base.here.url.database} OWNER TO postgres",
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with models, clean ones and faulty ones."""
    (tmp_path / "clean.py").write_text(MODELS)
    (tmp_path / "faulty.py").write_text(MODELS + FAULTY)
    return tmp_path
