"""Many tenants at once, against the running example."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from examples.invoices.contents import Contents, read_contents
from examples.starlette.tests.serving import ROOT, serving

TENANTS: Final = [f"tenant-{number:02}" for number in range(20)]
REQUESTS: Final = 500
INVOICES_EACH: Final = 8

SEED: Final = """
import json, sys
from pathlib import Path
from examples.invoices.seed import Sale, seed
database, tenants = sys.argv[1:]
seed(Path(database), {
    tenant: [Sale(*sale) for sale in sales] for tenant, sales in json.loads(tenants).items()
})
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "invoices.sqlite3"
    tenants = {
        tenant: [
            (f"{tenant}/{number}", f"customer of {tenant}", "EUR", 100 * number)
            for number in range(INVOICES_EACH)
        ]
        for tenant in TENANTS
    }
    subprocess.run(
        [sys.executable, "-W", "error", "-c", SEED, str(path), json.dumps(tenants)],
        cwd=ROOT,
        check=True,
    )
    return path


@pytest.fixture
def address(database: Path) -> Iterator[str]:
    with serving(database) as address:
        yield address


def clients_of(address: str, count: int) -> Iterator[httpx.AsyncClient]:
    tls = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=None)
    for _ in range(count):
        yield httpx.AsyncClient(
            base_url=address, limits=limits, timeout=60, trust_env=False, verify=tls
        )


class Caller:
    """Sends requests as one tenant and checks the responses."""

    def __init__(self, client: httpx.AsyncClient, tenant: str, contents: Contents) -> None:
        self.client = client
        self.headers = {"X-Tenant-ID": tenant}
        self.tenant = tenant
        self.own_numbers = contents.numbers_of(tenant)
        self.own = min(contents.invoices_of(tenant))
        self.customer = min(contents.customers_of(tenant))
        others = contents.invoices.keys() - contents.invoices_of(tenant).keys()
        self.theirs = sorted(others)

    def check_all(self, numbers: list[str]) -> None:
        """Check that ``numbers`` has all own invoices, and none of another tenant."""
        assert self.own_numbers <= set(numbers)
        assert {number.partition("/")[0] for number in numbers} == {self.tenant}

    async def get(self, path: str, status: int = 200) -> httpx.Response:
        response = await self.client.get(path, headers=self.headers)
        assert response.status_code == status
        return response

    async def list_invoices(self, turn: int) -> None:
        self.check_all([row["number"] for row in (await self.get("/invoices")).json()])

    async def export(self, turn: int) -> None:
        lines = (await self.get("/invoices/export")).text.splitlines()
        self.check_all([json.loads(line)["number"] for line in lines])

    async def core_select(self, turn: int) -> None:
        rows: list[dict[str, Any]] = (await self.get("/careless/core-select")).json()
        self.check_all([row["number"] for row in rows])
        assert {row["tenant_id"] for row in rows} == {self.tenant}

    async def own_invoice(self, turn: int) -> None:
        assert (await self.get(f"/invoices/{self.own}")).json()["number"] in self.own_numbers

    async def their_invoice(self, turn: int) -> None:
        await self.get(f"/careless/by-id/{self.theirs[turn % len(self.theirs)]}", 404)

    async def read_page(self, turn: int) -> None:
        html = (await self.get("/page")).text
        assert f"Invoices of {self.tenant}<" in html
        assert [each for each in TENANTS if each in html] == [self.tenant]

    async def create(self, turn: int) -> None:
        number = f"{self.tenant}/+{turn}"
        response = await self.client.post(
            "/invoices",
            headers=self.headers,
            json={
                "number": number,
                "customer_id": self.customer,
                "currency_code": "USD",
                "amount": turn,
            },
        )
        assert (response.status_code, response.json()["number"]) == (201, number)

    async def leave_a_stream(self, turn: int) -> None:
        async with self.client.stream("GET", "/hold", headers=self.headers) as response:
            first = await anext(response.aiter_lines())
            rows = [row.split(" ") for row in json.loads(first)]
            assert {tenant_id for tenant_id, _ in rows} == {self.tenant}
            self.check_all([number for _, number in rows])

    async def without_tenant(self, turn: int) -> None:
        await self.get("/careless/public", 500)

    async def stall(self, turn: int) -> None:
        await self.get("/stall")
        raise AssertionError("a request that stalls was answered")


FINISHED: Final = (
    Caller.list_invoices,
    Caller.export,
    Caller.core_select,
    Caller.own_invoice,
    Caller.their_invoice,
    Caller.read_page,
    Caller.create,
)
KINDS: Final = (*FINISHED, Caller.leave_a_stream, Caller.stall)


async def test_500_concurrent_requests_of_20_tenants_see_their_own_rows_only(
    address: str, database: Path
) -> None:
    before = read_contents(database)
    async with AsyncExitStack() as clients:
        # One a tenant: a client looks through all of its connections for each request.
        callers = [
            Caller(await clients.enter_async_context(client), tenant, before)
            for tenant, client in zip(TENANTS, clients_of(address, len(TENANTS)), strict=True)
        ]
        client = callers[0].client
        sent = Counter[str]()
        stalling = []
        async with asyncio.TaskGroup() as others:
            for turn in range(REQUESTS):
                caller = callers[turn % len(callers)]
                kind = KINDS[turn // len(callers) % len(KINDS)]
                sent[kind.__name__] += 1
                if kind is Caller.stall:
                    stalling.append(asyncio.create_task(caller.stall(turn)))
                else:
                    others.create_task(kind(caller, turn))
        # All others are done; these are known to have reached the application.
        await client.get("/witness", params={"stalled": len(stalling)})
        for task in stalling:
            task.cancel()
        ended = await asyncio.gather(*stalling, return_exceptions=True)
        assert [type(each) for each in ended] == [asyncio.CancelledError] * len(stalling)

        seen = (await client.get("/witness", params={"stalled": 0})).json()
        async with asyncio.TaskGroup() as afterwards:
            for caller in callers:
                afterwards.create_task(caller.list_invoices(REQUESTS))
            for caller in callers:
                afterwards.create_task(caller.without_tenant(REQUESTS))

    assert sum(sent.values()) == REQUESTS
    assert min(sent[kind.__name__] for kind in KINDS) >= len(TENANTS)
    assert seen == {
        "under_way": 0,
        "stalled": 0,
        "stalled_and_kept": sent["stall"],
        "held_and_kept": sent["leave_a_stream"],
    }

    after = read_contents(database)
    assert len(after.invoices) == len(before.invoices) + sent["create"]
    for row in after.invoices.values():
        assert str(row["number"]).partition("/")[0] == row["tenant_id"]
    assert after.crossed_references() == set()
