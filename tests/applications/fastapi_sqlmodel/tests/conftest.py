from collections.abc import Callable, Iterator

import pytest
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from app.database import engine
from app.main import app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
        client.portal.call(drop_tables)


async def drop_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.drop_all)


@pytest.fixture
def sign_up(client: TestClient) -> Callable[[str], dict[str, str]]:
    def sign_up(name: str) -> dict[str, str]:
        body = {"organization": name, "email": f"boss@{name}.test", "password": "12345678"}
        answer = client.post("/sign-up", json=body)
        assert answer.status_code == 201
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return sign_up


@pytest.fixture
def boss(sign_up: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return sign_up("acme")
