"""A forked process executes statements, whatever the threads of its parent were doing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import NullPool

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import uses
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.forks import held_by_a_thread, in_child, needs_fork

from .letters import LETTER, seed


@pytest.fixture
def engine(tmp_path: Any) -> Engine:
    # Each connection is a child's own.
    return seed(create_engine(f"sqlite:///{tmp_path}/letters.db", poolclass=NullPool))


@needs_fork
@pytest.mark.parametrize("lock", [uses._ENTERING, registry._lock], ids=["uses", "registry"])
def test_a_child_executes_while_a_thread_of_its_parent_is_in_the_midst_of_it(
    engine: Engine, lock: Any
) -> None:
    def bodies() -> list[Any]:
        with tenant_scope("acme"), engine.connect() as connection:
            return list(connection.scalars(select(LETTER.c.body)))

    with held_by_a_thread(lock):
        assert in_child(bodies) == "['ours']"
