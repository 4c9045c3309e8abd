"""What a tenant sees and changes is what it would if it were alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenantshield_mw import system_scope
from tests.databases import NAMES, DatabaseName

from .oracle import AsyncPair, Pair
from .statements import CATALOGUE, Statement
from .unguarded import seen


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


@pytest.mark.parametrize(
    "statement",
    [pytest.param(each, id=each.name) for each in CATALOGUE.values() if "postgresql" in each.only],
)
def test_so_it_does_with_policies_in_the_database(
    statement: Statement, policies_pair: Pair
) -> None:
    policies_pair.compare(statement.run, writes=statement.writes)


@pytest.mark.parametrize(("statement", "name"), list(_every()))
async def test_an_async_session_does_the_same(
    statement: Statement, name: DatabaseName, async_pair_of: Callable[[DatabaseName], AsyncPair]
) -> None:
    await async_pair_of(name).compare(statement.run, writes=statement.writes)


def test_the_system_scope_shows_what_a_process_without_the_adapter_sees(
    pair_of: Callable[[DatabaseName], Pair],
) -> None:
    alone = pair_of("sqlite").alone
    command = [sys.executable, "-m", "tests.oracle.unguarded", str(alone.url.database)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    with system_scope("the tenant is alone here"):
        assert seen(alone) == json.loads(ran.stdout)
