"""What a tenant sees and changes is what it would if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.databases import NAMES, DatabaseName

from .oracle import AsyncPair, Pair
from .statements import CATALOGUE, Statement


def _every() -> Iterator[Any]:
    for each in CATALOGUE.values():
        for name in NAMES:
            if name in each.only:
                yield pytest.param(each, name, id=f"{each.name}-{name}")


@pytest.mark.parametrize(("statement", "name"), list(_every()))
def test_a_statement_acts_as_if_the_tenant_were_alone(
    statement: Statement, name: DatabaseName, pair_of: Callable[[DatabaseName], Pair]
) -> None:
    pair_of(name).compare(statement.run, writes=statement.writes)


@pytest.mark.parametrize(("statement", "name"), list(_every()))
async def test_an_async_session_does_the_same(
    statement: Statement, name: DatabaseName, async_pair_of: Callable[[DatabaseName], AsyncPair]
) -> None:
    await async_pair_of(name).compare(statement.run, writes=statement.writes)
