"""The applications: how each is started, filled and attacked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tenantshield_mw.adapters.testing import Operation
from tenantshield_mw.adapters.testing.operations import in_order, operations_of
from tests.commands import STRICT
from tests.databases import Database, DatabaseName, database

from .sweep import Seed

__all__ = ["APPLICATIONS", "Application"]

PASSWORD: Final = "correct horse"


@dataclass(frozen=True)
class Application:
    """One application.

    Attributes:
        name: of its folder.
        database: the kind of database that it is for.
        environ: from a database, the environment that it is configured with.
        serve: the command that serves it, after ``python -m``.
        seed: creates rows of a tenant.
        operations: what can be requested, from a client and its folder.
        tables: the tables whose ids parameters and fields hold, by the names of these.
        status_only: the operations whose answers differ each time.
        models: the models, for ``tenantshield-mw prove``.
        tenant_column: of the tables that have one; the tenants' own table is named alike.
        leaks: the operations that reach another tenant's rows before the diff.
        allow: what the sweep finds and is no leak.
    """

    name: str
    database: DatabaseName
    environ: Callable[[Database], Mapping[str, str]]
    serve: Sequence[str]
    seed: Seed
    operations: Callable[[httpx.Client, Path], list[Operation]]
    tables: Mapping[str, str]
    models: str
    tenant_column: str
    leaks: Sequence[str]
    status_only: Sequence[str] = ()
    allow: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """Where it is, as it was before."""
        return Path(__file__).parent / self.name

    def run_tests(self, folder: Path) -> str:
        """Run its own tests in ``folder``, all of which must pass, and return what is printed."""
        with database(self.database) as here:
            done = subprocess.run(
                # Before, nothing of this package is to be loaded, and so not its plugin.
                [sys.executable, *STRICT, "-m", "pytest", "-rap", "-p", "no:tenantshield"],
                cwd=folder,
                env={**os.environ, **self.environ(here)},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


# -- FastAPI, SQLModel, SQLAdmin -------------------------------------------------


def _projects_environ(database: Database) -> dict[str, str]:
    return {
        "DATABASE_URL": database.async_url.render_as_string(hide_password=False),
        "SECRET_KEY": "a secret of at least thirty-two characters",
        "SUPPORT_PASSWORD": "support",
    }


def _projects_seed(client: httpx.Client, tenant: str) -> None:
    def post(path: str, **body: object) -> int:
        return int(client.post(path, json=body).raise_for_status().json()["id"])

    boss = f"boss@{tenant}.test"
    new = {"organization": tenant, "email": boss, "password": PASSWORD}
    client.post("/sign-up", json=new).raise_for_status()
    form = {"username": boss, "password": PASSWORD}
    token = client.post("/token", data=form).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    user = post("/users", email=f"member@{tenant}.test", password=PASSWORD)
    for number in (1, 2):
        project = post("/projects", name=f"{tenant} release {number}", budget=len(tenant))
        title = f"{tenant} {number}"
        task = post("/tasks", title=title, project_id=project, assignee_id=user)
        post(f"/tasks/{task}/comments", text=f"the secret of {tenant}, number {number}")


def _projects_operations(client: httpx.Client, folder: Path) -> list[Operation]:
    described = operations_of(client.get("/openapi.json").raise_for_status().json())
    # SQLAdmin is mounted, and so in no document.
    admin = [
        Operation(method, f"/admin/{name}/{what}")
        for name in ("organization", "user", "project")
        for method, what in (("GET", "list"), ("GET", "details/1"), ("POST", "edit/1"))
    ]
    return [*described, *admin]


PROJECTS: Final = Application(
    "fastapi_sqlmodel",
    "postgresql",
    _projects_environ,
    ("uvicorn", "app.main:app", "--port", "0"),
    _projects_seed,
    _projects_operations,
    tables={
        "project_id": "project",
        "task_id": "task",
        "comment_id": "comment",
        "user_id": "users",
        "assignee_id": "users",
    },
    models="app.models:SQLModel",
    tenant_column="organization_id",
    # A token has the time in it.
    status_only=("POST /sign-up", "POST /token"),
    # Nobody has the example's password.
    allow=("unreached POST /token",),
    leaks=(
        "GET /projects/{project_id}",
        "GET /projects/{project_id}/tasks",
        "DELETE /projects/{project_id}",
        "GET /tasks",
        "POST /tasks",
        "PATCH /tasks/{task_id}",
        "GET /tasks/{task_id}/comments",
        "POST /tasks/{task_id}/comments",
        "DELETE /comments/{comment_id}",
        "PUT /users/{user_id}/role",
        "GET /export.csv",
        "GET /statistics",
        "GET /busiest",
        "GET /activities",
    ),
)

# -- Flask, Flask-SQLAlchemy, Flask-Login, Flask-Admin ----------------------------


def _shop_environ(database: Database) -> dict[str, str]:
    return {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "SECRET_KEY": "a secret",
    }


def _shop_seed(client: httpx.Client, tenant: str) -> None:
    def post(path: str, **form: object) -> int:
        return int(client.post(path, data=form).raise_for_status().json()["id"])

    boss = f"boss@{tenant}.test"
    post("/register", company=tenant, email=boss, password=PASSWORD)
    client.post("/logout").raise_for_status()
    post("/login", email=boss, password=PASSWORD)
    for number in (1, 2):
        supplier = post("/suppliers", name=f"{tenant} supplies {number}")
        name = f"article {number} of {tenant}"
        item = post("/items", supplier_id=supplier, name=name, price=len(tenant), stock=number)
        post("/orders", item_id=item, quantity=number, note=f"the secret of {tenant}")


_ROUTE: Final = re.compile(r"^\S+ +(\w+(?:, \w+)*) +(/\S*) *$", re.MULTILINE)
_CONVERTER: Final = re.compile(r"<(?:\w+:)?(\w+)>")

_SHOP_FORMS: Final[Mapping[str, Mapping[str, object]]] = {
    "/suppliers": {"name": "e"},
    "/items": {"supplier_id": 1, "name": "e", "price": 1, "stock": 1},
    "/items/{item_id}/price": {"price": 1},
    "/items/discount": {"supplier_id": 1, "amount": 1},
    "/orders": {"item_id": 1, "quantity": 1, "note": "e"},
    "/manage/item/new/": {"supplier": 1, "name": "e", "price": 1, "stock": 1},
    "/manage/item/edit/": {"supplier": 1, "name": "e", "price": 1, "stock": 1},
    "/manage/item/delete/": {"manage_item": 1, "id": 1},
    "/manage/item/action/": {"action": "delete", "rowid": 1},
    "/manage/supplier/new/": {"name": "e"},
    "/manage/supplier/edit/": {"name": "e"},
}
_SHOP_QUERIES: Final[Mapping[str, Mapping[str, object]]] = {
    "/items": {"search": "e"},
    "/manage/item/": {"search": "e"},
    "/manage/item/details/": {"id": 1},
    "/manage/item/edit/": {"id": 1},
    "/manage/supplier/details/": {"id": 1},
    "/manage/supplier/edit/": {"id": 1},
}


def _shop_operations(client: httpx.Client, folder: Path) -> list[Operation]:
    """Return what Flask's own command lists."""
    with database("sqlite") as unused:
        environ = {**os.environ, **_shop_environ(unused)}
        command = [sys.executable, "-m", "flask", "--app", "app", "routes"]
        listed = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, check=True
        ).stdout
    return in_order(
        [
            Operation(
                method,
                path,
                _SHOP_QUERIES.get(path, {}),
                _SHOP_FORMS.get(path, {}) if method == "POST" else {},
                form=True,
            )
            for methods, rule in _ROUTE.findall(listed)
            # The client is to stay who it is.
            if "static" not in rule and rule not in ("/register", "/login", "/logout")
            for path in [_CONVERTER.sub(r"{\1}", rule).replace("{export_type}", "csv")]
            for method in methods.split(", ")
            if method not in ("HEAD", "OPTIONS")
        ]
    )


SHOP: Final = Application(
    "flask_admin_app",
    "sqlite",
    _shop_environ,
    ("flask", "--app", "app", "run", "--port", "0"),
    _shop_seed,
    _shop_operations,
    tables={
        "supplier_id": "supplier",
        "item_id": "item",
        "supplier": "supplier",
        "id": "item",
        "rowid": "item",
    },
    models="app.models:Base",
    tenant_column="company_id",
    leaks=(
        "GET /items/{item_id}",
        "DELETE /items/{item_id}",
        "GET /items",
        "POST /items",
        "POST /items/discount",
        "GET /suppliers/{supplier_id}/items",
        "GET /orders",
        "POST /orders",
        "GET /orders.csv",
        "GET /report",
        # Flask-Admin counts and gets rows past get_query(), and offers all of them in forms.
        "GET /manage/item/",
        "GET /manage/item/details/",
        "GET /manage/item/edit/",
        "POST /manage/item/edit/",
        "GET /manage/item/new/",
        "POST /manage/item/new/",
        "GET /manage/supplier/",
        "GET /manage/supplier/details/",
        "GET /manage/supplier/edit/",
        "POST /manage/supplier/edit/",
    ),
)

# -- Litestar, Advanced Alchemy --------------------------------------------------


def _magazine_environ(database: Database) -> dict[str, str]:
    return {"DATABASE_URL": database.async_url.render_as_string(hide_password=False)}


def _magazine_seed(client: httpx.Client, tenant: str) -> None:
    def post(path: str, body: object) -> Any:
        return client.post(path, json=body).raise_for_status().json()

    client.headers.pop("X-API-Key", None)
    chief = post("/sign-up", {"magazine": tenant, "name": f"chief of {tenant}"})
    client.headers["X-API-Key"] = chief["key"]
    for number in (1, 2):
        title = f"secret {number} of {tenant}"
        new = {"title": title, "words": len(tenant), "author_id": chief["id"]}
        article = post("/articles", new)["id"]
        post(f"/articles/{article}/comments", {"text": f"opinion {number} of {tenant}"})


def _described(client: httpx.Client, folder: Path) -> list[Operation]:
    return operations_of(client.get("/schema/openapi.json").raise_for_status().json())


MAGAZINES: Final = Application(
    "litestar_repositories",
    "sqlite",
    _magazine_environ,
    ("uvicorn", "app.main:app", "--port", "0"),
    _magazine_seed,
    _described,
    tables={"article_id": "article", "author_id": "editor", "comment_id": "comment"},
    models="app.models:BigIntBase",
    tenant_column="magazine_id",
    # A key is random.
    status_only=("POST /sign-up", "POST /editors"),
    leaks=(
        "GET /articles",
        "POST /articles",
        "GET /articles/{article_id}",
        "PATCH /articles/{article_id}",
        "DELETE /articles/{article_id}",
        "GET /articles/{article_id}/comments",
        "POST /articles/{article_id}/comments",
        "POST /articles/{article_id}/count-words",
        "DELETE /comments",
        "GET /articles/export",
        "GET /articles/statistics",
    ),
)

APPLICATIONS: Final = (PROJECTS, SHOP, MAGAZINES)
