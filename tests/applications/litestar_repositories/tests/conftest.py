from collections.abc import Callable, Iterator
from typing import Any

import pytest
from advanced_alchemy.base import BigIntBase
from litestar import Litestar
from litestar.testing import TestClient

from app.database import alchemy
from app.main import app


async def drop_tables() -> None:
    async with alchemy.get_engine().begin() as connection:
        await connection.run_sync(BigIntBase.metadata.drop_all)


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(app) as client:
        yield client
        client.blocking_portal.call(drop_tables)


@pytest.fixture
def sign_up(client: TestClient[Litestar]) -> Callable[[str], dict[str, Any]]:
    def sign_up(name: str) -> dict[str, Any]:
        answer = client.post("/sign-up", json={"magazine": name, "name": f"Chief of {name}"})
        assert answer.status_code == 201, answer.text
        return {"X-API-Key": answer.json()["key"]}

    return sign_up


@pytest.fixture
def chief(sign_up: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return sign_up("Acme Weekly")
