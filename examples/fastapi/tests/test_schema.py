"""The FastAPI example's schema, and the tenant as a dependency."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from examples.invoices.tests.started import client_of, started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started("fastapi", tmp_path_factory.mktemp("fastapi") / "invoices.sqlite3") as address:
        yield address


def test_the_schema_shows_the_header_and_needs_none(address: str) -> None:
    schema = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    assert "/invoices" in schema["paths"]
    for operation in (each for path in schema["paths"].values() for each in path.values()):
        named = [each for each in operation["parameters"] if each["in"] == "header"]
        assert [(each["name"], each["required"]) for each in named] == [("X-Tenant-ID", True)]


@pytest.mark.parametrize("tenant_id", ["acme", "globex"])
def test_the_dependency_names_the_tenant(address: str, tenant_id: str) -> None:
    with client_of(address, tenant_id) as client:
        assert client.get("/tenant").json() == tenant_id
