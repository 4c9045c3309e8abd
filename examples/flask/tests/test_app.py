"""The example, started as its README says, over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.commands import ROOT, serving

COMMAND = ("flask", "--app", "examples.flask.app", "run", "--port", "0")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flask") / "invoices.sqlite3"


@pytest.fixture(scope="module")
def address(database: Path) -> Iterator[str]:
    with serving(*COMMAND, environ={"INVOICES_DATABASE": str(database)}) as address:
        yield address


@pytest.fixture
def acme(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "acme") as client:
        yield client


@pytest.fixture
def globex(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "globex") as client:
        yield client


def client_of(address: str, tenant_id: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"X-Tenant-ID": tenant_id}, trust_env=False)


def prefixes(client: httpx.Client) -> set[str]:
    return {row["number"][:3] for row in client.get("/invoices").json()}


def test_each_tenant_sees_its_own_invoices(acme: httpx.Client, globex: httpx.Client) -> None:
    assert prefixes(acme) == {"ACM"}
    assert prefixes(globex) == {"GLX"}


def test_a_new_invoice_belongs_to_whoever_made_it(acme: httpx.Client, globex: httpx.Client) -> None:
    made = acme.post("/invoices", json={"number": "ACM-9", "amount": 5})
    assert made.status_code == 201
    assert acme.get(f"/invoices/{made.json()['id']}").json() == made.json()
    assert globex.get(f"/invoices/{made.json()['id']}").status_code == 404
    assert prefixes(globex) == {"GLX"}


def test_a_row_for_another_tenant_is_refused(acme: httpx.Client, globex: httpx.Client) -> None:
    forged = {"tenant_id": "globex", "number": "ACM-X", "amount": 1}
    response = acme.post("/careless", json=forged)
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "cross_tenant"
    assert prefixes(globex) == {"GLX"}


def test_nobody_sees_nothing(address: str) -> None:
    response = httpx.get(f"{address}/invoices", trust_env=False)
    assert response.status_code == 400
    assert response.json()["code"] == "tenant_missing"


def test_tenants_do_not_mix_in_concurrent_requests(
    acme: httpx.Client, globex: httpx.Client
) -> None:
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(prefixes, [acme, globex] * 20))
    assert seen == [{"ACM"}, {"GLX"}] * 20


@pytest.mark.parametrize("tenant_id", ["acme", "globex"])
def test_the_command_adds_up_one_tenants_invoices(
    acme: httpx.Client, globex: httpx.Client, database: Path, tenant_id: str
) -> None:
    rows = {"acme": acme, "globex": globex}[tenant_id].get("/invoices").json()
    command = ["flask", "--app", "examples.flask.app", "total", "--tenant", tenant_id]
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", *command],
        cwd=ROOT,
        env={**os.environ, "INVOICES_DATABASE": str(database)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == f"{tenant_id} {sum(row['amount'] for row in rows)}\n"
