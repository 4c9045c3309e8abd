"""The command, run as a separate process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import make_url

from tenantshield_mw.adapters.sqlalchemy.doctor.targets import without_secrets
from tests.databases import Database, database

ROOT: Final = Path(__file__).parents[4]

MODELS: Final = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tenantshield_mw.adapters.sqlalchemy import tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40), index=True)


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
"""

FAULTY: Final = """

class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)


@tenant_aware
class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40), index=True)
    email: Mapped[str] = mapped_column(String(40), unique=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
"""

IGNORED: Final = ("--ignore", "undeclared:note", "--ignore", "unique-without-tenant")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clean.py").write_text(MODELS)
    (tmp_path / "faulty.py").write_text(MODELS + FAULTY)
    return tmp_path


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here


def doctor(folder: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
    finished = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tenantshield_mw.adapters.command",
            "doctor",
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout, finished.stderr


def test_clean_models(folder: Path) -> None:
    assert doctor(folder, "clean:Base") == (
        0,
        "nothing found, 2 tables examined.\nNo database was examined: give --database URL.\n",
        "",
    )


def test_findings_are_grouped_by_table_with_their_fixes(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base.metadata")
    assert (status, err) == (1, "")
    assert out == (
        "customer\n"
        "  warning  unique-without-tenant\n"
        "    email must be unique across all tenants: a value that one tenant uses is unavailable "
        "to\n"
        "    the others, and the error tells them that it exists.\n"
        '    Fix: UniqueConstraint("tenant_id", "email") in its place, in __table_args__\n'
        "  info     reference-without-tenant\n"
        "    invoice_id refers to invoice without the tenant. The guard looks up the row before "
        "each\n"
        "    write; the database itself would accept another tenant's row.\n"
        '    Fix: tenant_foreign_key("invoice_id", "invoice.id") in __table_args__, in place of '
        "the ForeignKey on the column\n"
        "\n"
        "note\n"
        "  error    undeclared\n"
        "    It is neither tenant-aware, nor tied to a table that is, nor shared. The guard "
        "ignores\n"
        "    it: every tenant sees all of its rows.\n"
        "    Fix: @tenant_aware on the class, or @shared_across_tenants if all tenants are "
        "meant to share its rows; for a Table, call the same functions\n"
        "\n"
        "1 error, 1 warning, 1 note, 4 tables examined.\n"
        "No database was examined: give --database URL.\n"
    )


def test_json(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base", "--json")
    report: dict[str, Any] = json.loads(out)
    assert (status, err) == (1, "")
    assert list(report) == ["database", "tables", "ignored", "counts", "findings"]
    assert report["counts"] == {"error": 1, "warning": 1, "info": 1}
    assert (report["database"], report["tables"], report["ignored"]) == (None, 4, 0)
    for each in report["findings"]:
        assert list(each) == ["severity", "kind", "table", "column", "object", "reason", "fix"]
    assert [(f["severity"], f["kind"], f["table"], f["column"]) for f in report["findings"]] == [
        ("warning", "unique-without-tenant", "customer", "email"),
        ("info", "reference-without-tenant", "customer", "invoice_id"),
        ("error", "undeclared", "note", None),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), 1),
        (("--fail-on", "error"), 1),
        (("--fail-on", "error", "--ignore", "undeclared:note"), 0),
        (("--ignore", "undeclared:note"), 1),
        (("--ignore", "undeclared:customer"), 1),
        (IGNORED, 0),
        ((*IGNORED, "--fail-on", "info"), 1),
        ((*IGNORED, "--ignore", "reference-without-tenant", "--fail-on", "info"), 0),
    ],
)
def test_the_status_is_that_of_the_worst_that_is_not_ignored(
    folder: Path, arguments: tuple[str, ...], expected: int
) -> None:
    assert doctor(folder, "faulty:Base", *arguments)[0] == expected


def test_ignored_findings_are_counted_and_unused_ignores_reported(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base", *IGNORED, "--ignore", "table-missing:x")
    assert status == 0
    assert "1 note, 2 ignored, 4 tables examined." in out
    assert err == "--ignore table-missing:x matched nothing: remove it.\n"


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


@pytest.mark.parametrize("error", ["LookupError('why')", "SystemExit(0)", "SystemExit(1)"])
def test_an_interrupted_examination_is_not_a_finding(folder: Path, error: str) -> None:
    (folder / "odd.py").write_text(f"def __getattr__(name):\n    raise {error}\n")
    status, out, err = doctor(folder, "odd:Base")
    assert (status, out) == (2, "")
    assert error.partition("(")[0] in err
    assert err.endswith("tenantshield-mw: the error above ended the examination early\n")


@pytest.mark.parametrize("said", ["se cret/1", "se%20cret%2F1", "se+cret%2F1", "t0ken"])
def test_a_password_in_a_drivers_error_is_left_out(said: str) -> None:
    url = make_url("postgresql+psycopg://u:se%20cret%2F1@h/d?access_token=t0ken")
    assert without_secrets(f"driver: {said} is refused", url) == "driver: *** is refused"


def test_without_sqlalchemy_it_says_what_to_install(folder: Path) -> None:
    blocked = folder / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sqlalchemy':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    status, out, err = doctor(
        folder, "clean:Base", PYTHONPATH=os.pathsep.join((str(blocked), str(ROOT)))
    )
    assert (status, out) == (2, "")
    assert "pip install 'tenantshield-mw[sqlalchemy]'" in err
    assert doctor(folder, "--help")[0] == 0


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
