"""A compiled statement is shared by threads as soon as it is in SQLAlchemy's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, Executable, insert, select, update

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.compiler import compiler
from tenantshield_mw.adapters.sqlalchemy.compiler.parameters import processor_for
from tests.threads import in_thread

from ..watching import engine_for_threads, rows
from .bound import NOTE, seed

engine = engine_for_threads(seed)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], list[Any]]:
    """Return a function that lets another thread in while a statement is first executed.

    It takes what the thread does, and returns a list that comes to hold what that returned.
    """

    def let_in(call: Callable[[], Any]) -> list[Any]:
        found: list[Any] = []
        waiting = [call]

        def pausing(*args: Any, **kw: Any) -> Any:
            if waiting:
                found.append(in_thread(waiting.pop()))
            return processor_for(*args, **kw)

        monkeypatch.setattr(compiler, "processor_for", pausing)
        return found

    return let_in


def execute(engine: Engine, tenant: str, statement: Executable, values: Any = None) -> Any:
    with tenant_scope(tenant), engine.begin() as connection:
        result = connection.execute(statement, values)
        return result.scalars().all() if result.returns_rows else result.rowcount


def test_another_thread_that_executes_it_first_gets_its_own_tenants_rows(
    engine: Engine, meanwhile: Callable[[Callable[[], Any]], list[Any]]
) -> None:
    theirs = meanwhile(lambda: execute(engine, "globex", select(NOTE.c.name)))
    assert execute(engine, "acme", select(NOTE.c.name)) == ["ours"]
    assert theirs == [["theirs"]]


@pytest.mark.parametrize("many", [False, True])
def test_another_thread_that_executes_it_first_writes_no_other_tenants_row(
    engine: Engine, meanwhile: Callable[[Callable[[], Any]], list[Any]], *, many: bool
) -> None:
    def values(number: int, tenant_id: str) -> Any:
        row = {"id": number, "tenant_id": tenant_id, "name": "new"}
        return [row, {**row, "id": number + 1}] if many else row

    def attempt() -> str:
        with pytest.raises(CrossTenantAccessError) as refused:
            execute(engine, "globex", insert(NOTE), values(20, "acme"))
        return str(refused.value)

    refused = meanwhile(attempt)
    execute(engine, "acme", insert(NOTE), values(10, "acme"))
    assert len(refused) == 1
    assert rows(engine, "SELECT count(*) FROM bind_note WHERE id >= 20") == [(0,)]
    assert rows(engine, "SELECT DISTINCT tenant_id FROM bind_note WHERE id >= 10") == [("acme",)]


def test_another_thread_that_executes_it_first_changes_its_own_tenants_rows(
    engine: Engine, meanwhile: Callable[[Callable[[], Any]], list[Any]]
) -> None:
    statement = update(NOTE).values(name=NOTE.c.name + "!")
    theirs = meanwhile(lambda: execute(engine, "globex", statement))
    assert execute(engine, "acme", statement) == 1
    assert theirs == [1]
    assert rows(engine, "SELECT name FROM bind_note ORDER BY id") == [("ours!",), ("theirs!",)]
