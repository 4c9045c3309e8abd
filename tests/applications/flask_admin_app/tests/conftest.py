from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.database import db


@pytest.fixture
def app() -> Iterator[Flask]:
    app = create_app()
    app.testing = True
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()
        db.engine.dispose()


@pytest.fixture
def register(app: Flask) -> Callable[[str], FlaskClient]:
    def register(company: str) -> FlaskClient:
        client = app.test_client()
        form = {"company": company, "email": f"boss@{company}.test", "password": "12345678"}
        assert client.post("/register", data=form).status_code == 201
        return client

    return register


@pytest.fixture
def client(register: Callable[[str], FlaskClient]) -> FlaskClient:
    client = register("acme")
    client.post("/suppliers", data={"name": "Wood & Co"})
    client.post("/items", data={"supplier_id": 1, "name": "Table", "price": 90, "stock": 2})
    client.post("/items", data={"supplier_id": 1, "name": "Chair", "price": 40, "stock": 5})
    return client
