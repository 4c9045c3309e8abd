"""Each example on each server, with concurrent clients of several tenants."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copyfile
from typing import Final

import httpx
import pytest
import websockets

from examples.invoices.contents import Contents, read_contents
from tests.commands import ROOT

from .clients import Tenant, nobody
from .started import SERVED, started

TENANTS: Final = [f"tenant-{letter}" for letter in "abcdefgh"]
CLIENTS: Final = 4
REQUESTS: Final = 15
"""Of each client of each tenant."""

KINDS: Final = (
    Tenant.create,
    Tenant.list_invoices,
    Tenant.list_customers,
    Tenant.create_for_nobody,
    Tenant.create_for_a_stranger,
)

# In a process of its own, since the marks on the models hold for a whole process.
SEED: Final = """
import json, sys
from pathlib import Path
from examples.invoices.seed import Sale, seed
seed(Path(sys.argv[1]), {
    name: [Sale(f"{name}/{number}", f"customer of {name}", "EUR", number) for number in range(3)]
    for name in json.loads(sys.argv[2])
})
"""


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeded") / "invoices.sqlite3"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", SEED, str(path), json.dumps(TENANTS)],
        cwd=ROOT,
        check=True,
    )
    return path


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> Path:
    path = tmp_path / "invoices.sqlite3"
    copyfile(seeded, path)
    return path


def tenants_of(before: Contents) -> list[Tenant]:
    customers = [min(before.customers_of(name)) for name in TENANTS]
    return [
        Tenant(name, customers[at], customers[at - 1], before.numbers_of(name))
        for at, name in enumerate(TENANTS)
    ]


async def ask(tenants: list[Tenant], address: str, *, feeds: bool) -> None:
    """Send all requests of all tenants, and read the feeds in between."""
    feed = f"{address.replace('http', 'ws', 1)}/feed"
    tls = httpx.create_ssl_context()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as asking:
        for _ in range(CLIENTS):
            # Tenants share connections, as behind a proxy.
            client = await opened.enter_async_context(
                httpx.AsyncClient(
                    base_url=address,
                    limits=httpx.Limits(max_connections=len(tenants) // 2),
                    timeout=60,
                    trust_env=False,
                    verify=tls,
                )
            )
            for at, tenant in enumerate(tenants):
                told = None
                if feeds:
                    told = await opened.enter_async_context(
                        websockets.connect(feed, additional_headers=tenant.headers, proxy=None)
                    )
                asking.create_task(ask_as(tenant, client, told, first=at))
    if feeds:
        assert 400 <= await nobody(feed) < 500


async def ask_as(
    tenant: Tenant,
    client: httpx.AsyncClient,
    feed: websockets.ClientConnection | None,
    *,
    first: int,
) -> None:
    for turn in range(first, first + REQUESTS):
        await KINDS[turn % len(KINDS)](tenant, client)
        if feed is not None and turn % len(KINDS) == 0:
            await tenant.read_feed(feed)


@pytest.mark.parametrize(("example", "server"), SERVED)
async def test_tenants_who_ask_at_once_see_and_write_their_own_rows_alone(
    database: Path, example: str, server: str
) -> None:
    before = read_contents(database)
    tenants = tenants_of(before)
    with started(example, server, database) as address:
        await ask(tenants, address, feeds=example != "flask")

    after = read_contents(database)
    assert {name: after.numbers_of(name) for name in TENANTS} == {
        tenant.name: tenant.numbers for tenant in tenants
    }
    assert len(after.invoices) == len(before.invoices) + (
        len(TENANTS) * CLIENTS * REQUESTS // len(KINDS)
    )
    assert after.customers == before.customers
    assert after.crossed_references() == set()
