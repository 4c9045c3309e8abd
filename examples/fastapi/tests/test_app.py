"""The example, started as its README says, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.commands import serving

COMMAND = ("uvicorn", "--factory", "examples.fastapi.app:create_app", "--port", "0")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fastapi") / "invoices.sqlite3"


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


def test_the_schema_shows_the_header(address: str) -> None:
    schema = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    for operation in (each for path in schema["paths"].values() for each in path.values()):
        named = [each for each in operation["parameters"] if each["in"] == "header"]
        assert [(each["name"], each["required"]) for each in named] == [("X-Tenant-ID", True)]


def test_the_dependency_names_the_tenant(acme: httpx.Client, globex: httpx.Client) -> None:
    assert [client.get("/tenant").json() for client in (acme, globex)] == ["acme", "globex"]
