"""Tenants with rows in every table, databases with them, and the commands as processes."""

from __future__ import annotations

import datetime as dt
import io
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import JSON, Engine, insert, null
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.command import main
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.commands import ROOT
from tests.databases import Database, database
from tests.policy_database import PolicyDatabase, policy_database

from .models import (
    Base,
    Colour,
    Currency,
    Engineer,
    Invoice,
    Line,
    Note,
    Person,
    Sample,
    Tag,
    Team,
    tagged,
)

__all__ = ["KINDS", "TARGET", "Home", "contents", "home", "killed", "settle", "share", "told"]

TARGET: Final = f"{__package__}.models:Base"
KINDS: Final = ("sqlite", "postgresql", "mariadb", "policies")

Contents: TypeAlias = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Home:
    """A database with the tables, and its URL for a command.

    Attributes:
        database: the database; its ``read`` is outside of the guard.
        engine: an engine for the tests.
    """

    database: Database
    engine: Engine

    @property
    def url(self) -> str:
        return self.engine.url.render_as_string(hide_password=False)


@contextmanager
def home(kind: str, metadata: Any = Base.metadata) -> Generator[Home]:
    """Yield a database with the tables; of the kind ``policies``, a role that they apply to."""
    with policy_database() if kind == "policies" else database(kind) as made:  # type: ignore[arg-type]
        creator = Database.engine(made)
        with system_scope("create the tables"), creator.begin() as connection:
            metadata.create_all(connection)
            if isinstance(made, PolicyDatabase):
                rls.create_policies(connection, metadata)
        creator.dispose()
        if isinstance(made, PolicyDatabase):
            for table in metadata.tables.values():
                made.run(f"ALTER TABLE {table.name} OWNER TO {made.owner}")
            made.grant()
        engine = made.engine()
        yield Home(made, engine)
        engine.dispose()


def share(engine: Engine) -> None:
    """Write the rows of everybody."""
    with system_scope("rows of everybody"), Session(engine) as session:
        session.add_all(Currency(code=code, name=code.lower()) for code in ("EUR", "USD"))
        session.add(Tag(tenant_id=None, text="everybody's"))
        session.commit()


def settle(engine: Engine, *tenants: str, rows: int = 3) -> None:
    """Write rows of tenants into every table."""
    share(engine)
    for number, tenant in enumerate(tenants):
        with tenant_scope(tenant), Session(engine) as session:
            _fill(session, tenant, rows, number)
            session.commit()


def _fill(session: Session, tenant: str, rows: int, salt: int) -> None:
    common = session.query(Tag).filter(Tag.tenant_id.is_(None)).one().id
    own = Tag(text=f"tag of {tenant}")
    boss = Person(kind="person", name=f"boss of {tenant}")
    session.add_all([own, boss])
    session.flush()
    team = Team(lead_id=boss.id)
    session.add(team)
    session.flush()
    boss.team_id, boss.changed = team.id, "as it was"
    for each in range(rows):
        engineer = Engineer(name=f"{tenant} {each}", manager_id=boss.id, language="Python")
        invoice = Invoice(
            number=each + 1, currency=("EUR", "USD")[each % 2], total=Decimal(f"{each}.25")
        )
        session.add_all([engineer, invoice])
        session.flush()
        line = Line(tenant_id=tenant, number=each + 1, position=1, text=f"line of {tenant}")
        session.add(line)
        session.flush()
        session.add(Note(line_id=line.id, secret=f"note of {tenant}"))
        session.execute(
            insert(tagged),
            [
                {"person_id": engineer.id, "tag_id": own.id},
                {"person_id": engineer.id, "tag_id": common},
            ],
        )
    session.execute(insert(Sample), [*_samples(salt)])


def _samples(salt: int) -> Generator[dict[str, Any]]:
    nothing = dict.fromkeys(
        column.name for column in Sample.__table__.c if column.name not in ("id", "tenant_id")
    )
    yield {**nothing, "document": null()}
    yield {**nothing, "document": JSON.NULL}
    yield {
        "text": "Zoë\n\u2028\x01",
        "flag": True,
        "number": -(2**31),
        "real": 0.1 + salt,
        "amount": Decimal("12345.654321"),
        "data": bytes(range(256)),
        "day": dt.date(1, 1, 1) if salt else dt.date(9999, 12, 31),
        "clock": dt.time(23, 59, 58),
        "moment": dt.datetime.fromisoformat("2026-03-29T02:30:00"),
        "zoned": dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "period": dt.timedelta(days=3, seconds=5),
        "key": uuid.UUID(int=salt),
        "text_key": str(uuid.UUID(int=salt)),
        "document": {"a": [1, 2.5, None, "ü"], "json": None},
        "colour": Colour.GREEN,
        "pickled": {1, 2},
    }


def contents(database: Database, metadata: Any = Base.metadata) -> Contents:
    """Return all rows, read by the driver alone."""
    return {
        table.name: sorted(database.read(f"SELECT * FROM {table.name}"), key=repr)
        for table in metadata.tables.values()
    }


def told(*arguments: str, status: int = 0) -> str:
    """Run the command here, and return what it printed, or its error if it must fail.

    Raises:
        AssertionError: it ended with another status.
    """
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        found = main(arguments)
    assert found == status, out.getvalue() + errors.getvalue()
    return errors.getvalue() if status == 2 else out.getvalue()


_KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event

left = int(sys.argv[1])

def count(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", count)
event.listen(Engine, "commit", count)

from tenantshield_mw.adapters.command import main

sys.exit(main(sys.argv[2:]))
"""


def killed(after: int, *arguments: str) -> bool:
    """Run the command as a process that is killed after some statements and commits.

    Returns:
        Whether it was; otherwise it has come to its end.
    """
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, str(after), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in (0, -signal.SIGKILL), run.stdout + run.stderr
    return run.returncode != 0
