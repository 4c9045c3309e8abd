"""The applications: how each is started, filled and attacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.databases import Database, DatabaseName

from .operations import Operation, operations_of
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
        status_only: the paths whose answers differ each time.
        leaks: the operations that reach another tenant's rows before the diff.
    """

    name: str
    database: DatabaseName
    environ: Callable[[Database], Mapping[str, str]]
    serve: Sequence[str]
    seed: Seed
    operations: Callable[[httpx.Client, Path], list[Operation]]
    tables: Mapping[str, str]
    leaks: Sequence[str]
    status_only: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """Where it is, as it was before."""
        return Path(__file__).parent / self.name


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
    # A token has the time in it.
    status_only=("/sign-up", "/token"),
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

APPLICATIONS: Final = (PROJECTS,)
