"""The tables and the database that the command is given, and what if it cannot read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tenantshield_mw.adapters.sqlalchemy.doctor.targets import without_secrets
from tests.databases import Database, database

from .commanding import MODELS, doctor


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("clean",), "'clean' is not module:attribute, such as myapp.models:Base"),
        (("clean:make()",), "only attributes, no calls"),
        (("nowhere:Base",), "could not import 'nowhere': ModuleNotFoundError"),
        (("clean:Model",), "has no 'Model': name"),
        (("clean:String",), "not a declarative base or a MetaData"),
        (("empty:metadata",), "has no tables: name a module that imports all models"),
        (("broken:Base",), "OSError: no postgresql://***@db/x; run this"),
        (("script:Base",), "'script': it exits the program (SystemExit); name the module"),
        (("clean:Base", "--ignore", "typo:invoice"), "no such kind of finding"),
        (("clean:Base", "--role", "app"), "a role requires a database"),
        (("clean:Base", "--database", "sqlite://", "--role", "app"), "leave the role out"),
        (("clean:Base", "--database", "not secret"), "is not a URL that SQLAlchemy understands"),
        (("clean:Base", "--database", "nosql://u:secret@h/d"), "could not examine nosql://h/d"),
        (
            ("clean:Base", "--database", "postgresql+psycopg://u:se%20cret@127.0.0.1:1/d?x=1"),
            "could not examine postgresql+psycopg://127.0.0.1:1/d",
        ),
        (
            ("clean:Base", "--database", "postgresql+asyncpg://u:secret@127.0.0.1:1/d"),
            "could not examine postgresql+asyncpg://127.0.0.1:1/d",
        ),
    ],
)
def test_failures_are_reported_without_secrets(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "empty.py").write_text("import sqlalchemy\nmetadata = sqlalchemy.MetaData()\n")
    (folder / "broken.py").write_text("raise OSError('no postgresql://me:secret@db/x')\n")
    (folder / "script.py").write_text(f"{MODELS}\nimport sys\nsys.exit(0)\n")
    status, out, err = doctor(folder, *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert "secret" not in err
    assert "se%20cret" not in err
    assert "se cret" not in err


@pytest.mark.parametrize("said", ["se cret/1", "se%20cret%2F1", "se+cret%2F1", "t0ken"])
def test_a_password_in_a_drivers_error_is_left_out(said: str) -> None:
    url = make_url("postgresql+psycopg://u:se%20cret%2F1@h/d?access_token=t0ken")
    assert without_secrets(f"driver: {said} is refused", url) == "driver: *** is refused"


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_a_database_without_the_tables(folder: Path, driver: str) -> None:
    status, out, err = doctor(folder, "clean:Base", "--database", f"{driver}:///here.db")
    assert (status, err) == (1, "")
    assert "table-missing" in out
    assert "2 errors, 2 tables examined.\n" in out


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_database_on_postgresql(folder: Path, postgresql: Database, driver: str) -> None:
    url = postgresql.url.set(drivername=f"postgresql+{driver}").render_as_string(
        hide_password=False
    )
    status, out, err = doctor(folder, "clean:Base", "--database", url, "--json")
    report = json.loads(out)
    assert (status, err) == (1, "")
    assert {each["kind"] for each in report["findings"]} == {"table-missing", "role-superuser"}
    assert report["database"] == f"postgresql+{driver}:///{postgresql.url.database}"
    status, out, _ = doctor(
        folder, "clean:Base", "--database", url, "--ignore", "role-superuser:postgres"
    )
    assert "role-superuser" not in out
