"""A server with the demonstration's two tenants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.starlette.tests.serving import ROOT, serving


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("starlette") / "invoices.sqlite3"
    subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.invoices.seed", str(path)],
        cwd=ROOT,
        check=True,
    )
    return path


@pytest.fixture(scope="module")
def address(database: Path) -> Iterator[str]:
    with serving(database) as address:
        yield address


@pytest.fixture
def acme(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "acme") as client:
        yield client


@pytest.fixture
def globex(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "globex") as client:
        yield client


@pytest.fixture
def nobody(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def client_of(address: str, tenant_id: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"X-Tenant-ID": tenant_id}, trust_env=False)
