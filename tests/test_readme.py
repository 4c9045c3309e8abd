"""The README works: its code runs, and its commands and links exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import STRICT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

ASGI_CHECK = """
import asyncio

async def status_and_body(headers, path="/"):
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

assert asyncio.run(status_and_body([(b"x-tenant-id", b"acme")])) == (200, b"Hello, acme")
assert asyncio.run(status_and_body([]))[0] == 400
"""

# What each block has to do once it ran. It runs by itself, in an interpreter of its own,
# since a table that it marks as tenant-aware is marked for the whole process.
CHECKS = {
    "Any ASGI app": ASGI_CHECK
    + """
assert asyncio.run(status_and_body([], "/health")) == (200, b"healthy")
""",
    "Any WSGI app": """
from wsgiref.util import setup_testing_defaults

def status_and_body(**headers):
    environ = dict(headers)
    setup_testing_defaults(environ)
    statuses = []
    body = app(environ, lambda status, headers, exc_info=None: statuses.append(status))
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    return statuses[0], content

assert status_and_body(HTTP_X_TENANT_ID="acme") == ("200 OK", b"Hello, acme")
assert status_and_body()[0].startswith("400 ")
""",
    "Starlette and FastAPI": ASGI_CHECK,
    "Litestar": """
import logging
from litestar.testing import TestClient

logging.disable()
with TestClient(app) as client:
    assert client.get("/", headers={"X-Tenant-ID": "acme"}).text == "Hello, acme"
    assert client.get("/").status_code == 400
""",
    "Flask": """
client = app.test_client()
assert client.get("/", headers={"X-Tenant-ID": "acme"}).text == "Hello, acme"
assert client.get("/").status_code == 400
""",
    "SQLAlchemy": """
from tenantshield_mw import MissingTenantContextError, system_scope

with system_scope("look at both tenants"), Session(engine) as session:
    assert session.execute(select(Invoice.tenant_id, Invoice.total)).all() == [
        ("acme", 100), ("globex", 900)
    ]
try:
    with Session(engine) as session:
        session.scalars(select(Invoice)).all()
except MissingTenantContextError:
    pass
else:
    raise AssertionError("rows without a tenant")
engine.dispose()
""",
    "Rows of everybody, beside a tenant's own": """
from tenantshield_mw import CrossTenantAccessError

with tenant_scope("globex"), Session(engine) as session:
    (provider,) = session.scalars(select(Provider))
    assert provider.name == "built-in"
    provider.name = "mine"
    try:
        session.commit()
    except CrossTenantAccessError:
        pass
    else:
        raise AssertionError("a tenant changed a row of everybody")
engine.dispose()
""",
    "Row-level security in PostgreSQL": """
here.run("INSERT INTO invoice (tenant_id, total) VALUES ('globex', 900)")

def seen(session):
    cursor = session.connection().connection.cursor()
    return cursor.execute("SELECT tenant_id, total FROM invoice").fetchall()

with tenant_scope("acme"), Session(engine) as session:
    assert seen(session) == [("acme", 100)]
with Session(engine) as session:
    assert seen(session) == []
engine.dispose()
owner.dispose()
here.run(f"DROP OWNED BY {here.app}")
stack.close()
""",
    "Require every table to be declared": """
from tenantshield_mw import ConfigurationError

class Forgotten(Base):
    __tablename__ = "forgotten"
    id: Mapped[int] = mapped_column(primary_key=True)

try:
    configure_mappers()
except ConfigurationError as error:
    assert "forgotten" in str(error) and "line" not in str(error)
else:
    raise AssertionError("a table was forgotten")
engine.dispose()
""",
}

# Blocks that continue another block.
AFTER = {
    "Require every table to be declared": "SQLAlchemy",
    "Rows of everybody, beside a tenant's own": "SQLAlchemy",
    "Row-level security in PostgreSQL": "SQLAlchemy",
}

# Code to run before a block.
SETUP = {
    "Row-level security in PostgreSQL": """
from contextlib import ExitStack
from tests.policy_database import policy_database

engine.dispose()
stack = ExitStack()
here = stack.enter_context(policy_database())
here.run(
    f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {here.app}",
    f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {here.app}",
)
OWNER_URL, APP_URL = here.url, here.url.set(username=here.app)
""",
}


def python_blocks() -> dict[str, str]:
    """Return the Python blocks by heading."""
    parts = re.split(r"^#+ (.+)$", README, flags=re.MULTILINE)
    return {
        heading: block
        for heading, section in zip(parts[1::2], parts[2::2], strict=True)
        for block in re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    }


def test_each_python_block_has_a_check() -> None:
    assert README.count("```python\n") == len(python_blocks())
    assert python_blocks().keys() == CHECKS.keys()


@pytest.mark.parametrize("heading", CHECKS)
def test_the_python_block_does_what_the_text_says(heading: str) -> None:
    blocks = python_blocks()
    before = blocks[AFTER[heading]] if heading in AFTER else ""
    finished = subprocess.run(
        [
            sys.executable,
            *STRICT,
            "-c",
            before + SETUP.get(heading, "") + blocks[heading] + CHECKS[heading],
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_each_make_target_that_is_named_exists(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (ROOT / document).read_text()))
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", sorted(path.name for path in ROOT.glob("*.md")))
def test_each_link_into_the_repository_leads_somewhere(document: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_table_of_ways_is_the_generated_one() -> None:
    generated = (ROOT / "docs" / "leaks.md").read_text()
    shown = re.search(
        r"^\d+ attacks on another tenant's rows.*?^Fifteen", README, re.DOTALL | re.MULTILINE
    )
    assert shown is not None
    rows = re.findall(r"^\|.*\|$", shown[0], re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if row not in generated] == []


def test_the_command_that_installs_it_does(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\$ (pip install .*)$", README, re.MULTILINE)
    # The command resolves dependencies, and finds only the releases of a lock file.
    wheels = tmp_path / "wheels"
    lock_file = ROOT / "requirements" / "demo.txt"
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(wheels),
    ]
    download += ["--only-binary", ":all:", "--require-hashes", "-r", str(lock_file)]
    downloaded = subprocess.run(download, capture_output=True, text=True, check=False)
    if downloaded.returncode and "TENANTSHIELD_REQUIRE_SERVERS" not in os.environ:
        pytest.skip(f"packages are not to be had here: {downloaded.stderr.strip()}")
    assert downloaded.returncode == 0, downloaded.stderr

    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("tenantshield_mw", "adapters"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    environ = {
        **os.environ,
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    subprocess.run(command, shell=True, cwd=checkout, env=environ, check=True)
    example = python_blocks()["SQLAlchemy"] + "\nengine.dispose()"
    subprocess.run([venv / "bin/python", "-I", "-c", example], cwd=tmp_path, check=True)
