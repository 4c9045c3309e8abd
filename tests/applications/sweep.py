"""The sweep: as one tenant, request every operation with the ids of another one's rows.

The requests are those of :mod:`tenantshield_mw.adapters.testing`, and the answers are compared with
those of an application without the other's rows. For this there are two worlds, each with a server
and a database. Both are filled alike: with Acme's rows, then with Globex's. Then Acme's rows are
deleted from the second one, past the application. A user of Globex sends each request to both.
Besides errors, two things are found:

- ``differs``: what Globex is told depends on Acme's rows.
- ``changed``: a row of Acme's has changed or is gone, or a row that is not Acme's refers to one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import httpx
from sqlalchemy import create_engine, inspect

from tenantshield_mw.adapters.testing import Caller, Finding, Operation
from tenantshield_mw.adapters.testing.requests import Answer, Request
from tenantshield_mw.adapters.testing.sweep import Plan, findings_of
from tenantshield_mw.adapters.testing.sweeping import findings
from tests.databases import Database

__all__ = ["Rows", "Seed", "World", "answer_to", "leaks_of"]

Rows = dict[str, dict[Any, dict[str, Any]]]
"""The rows of each table, by their ids."""

Seed = Callable[[httpx.Client, str], None]
"""Creates rows of the tenant of that name, and leaves the client logged in as its user."""

_IDS: Final = 2
"""How many of Acme's rows of a table are tried."""


class World:
    """A database, and a client of the server that uses it.

    Args:
        database: the database.
        client: the client.
    """

    def __init__(self, database: Database, client: httpx.Client) -> None:
        self._database = database
        self.client = client
        self.acmes: Rows = {}
        """Acme's rows, as they were created."""
        self.acme_ids: dict[str, list[Any]] = {}
        """The ids of Acme's rows, as they were created."""
        self.globex_ids: dict[str, list[Any]] = {}
        self._references: set[tuple[str, Any, str]] = set()

    def fill(self, seed: Seed) -> None:
        """Create rows of both tenants, and stay logged in as Globex."""
        seed(self.client, "acme")
        self.acmes = self.rows()
        self.acme_ids = {table: sorted(rows) for table, rows in self.acmes.items()}
        self.client.cookies.clear()
        self.client.headers.pop("Authorization", None)
        seed(self.client, "globex")
        globexs = self._except_acmes(self.rows())
        self.globex_ids = {table: sorted(rows) for table, rows in globexs.items()}
        # Or new rows of SQLite would get other ids in the world without Acme.
        for table, ids in self.globex_ids.items():
            assert ids, f"there is no row of Globex in {table}"

    def forget_acme(self) -> None:
        """Delete Acme's rows, past the application."""
        deletes = [
            f'DELETE FROM "{table}" WHERE id IN ({", ".join(map(str, rows))})'
            for table, rows in self.acmes.items()
            if rows
        ]
        # Without the checks of foreign keys; SQLite has none on a connection of its own.
        first = ["SET session_replication_role = replica"]
        self._database.run(*(first if self._database.name == "postgresql" else []), *deletes)

    def rows(self) -> Rows:
        """Return the rows that the database has now, read by the driver."""
        found: Rows = {}
        for table, (columns, _) in self._schema.items():
            names = ", ".join(f'"{column}"' for column in columns)
            rows = self._database.read(f'SELECT {names} FROM "{table}"')
            named = (dict(zip(columns, row, strict=True)) for row in rows)
            found[table] = {row["id"]: row for row in named}
        return found

    def watch(self) -> tuple[Rows, set[tuple[str, Any, str]]]:
        """Return Acme's rows, and which others have ever referred to them, by which column."""
        rows = self.rows()
        self._references |= {
            (table, key, column)
            for table, others in self._except_acmes(rows).items()
            for column, referred in self._schema[table][1]
            for key, row in others.items()
            if row[column] in self.acme_ids[referred]
        }
        acmes = {
            table: {key: row for key, row in of_table.items() if key in self.acme_ids[table]}
            for table, of_table in rows.items()
        }
        return acmes, self._references.copy()

    def answer(self, request: Request, status_only: Collection[str]) -> Answer:
        """Return the status, where the answer redirects to, and the body."""
        return answer_to(self.client, request, status_only)

    def _except_acmes(self, rows: Rows) -> Rows:
        return {
            table: {key: row for key, row in of_table.items() if key not in self.acme_ids[table]}
            for table, of_table in rows.items()
        }

    @cached_property
    def _schema(self) -> dict[str, tuple[list[str], list[tuple[str, str]]]]:
        """Return the columns of each table, and its foreign keys with the tables referred to."""
        engine = create_engine(self._database.url)
        found = inspect(engine)
        schema = {
            table: (
                [column["name"] for column in found.get_columns(table)],
                [
                    (key["constrained_columns"][0], key["referred_table"])
                    for key in found.get_foreign_keys(table)
                ],
            )
            for table in found.get_table_names()
        }
        engine.dispose()
        return schema


def answer_to(client: httpx.Client, request: Request, status_only: Collection[str]) -> Answer:
    """Return the status, where the answer redirects to, and the body.

    Args:
        client: who asks.
        request: what is asked for.
        status_only: the operations whose answers differ each time: of these, the status alone.
    """
    answer = client.request(
        request.method,
        request.path,
        params=request.query_string,
        content=request.content,
        headers={"Content-Type": request.content_type} if request.content else {},
    )
    if f"{request.method} {request.path}" in status_only:
        return Answer(answer.status_code, (), b"")
    address = str(client.base_url).rstrip("/")
    location, text = (
        each.replace(address, "") for each in (answer.headers.get("location", ""), answer.text)
    )
    return Answer(answer.status_code, (("location", location),), text.encode())


def leaks_of(
    operations: Sequence[Operation],
    both: World,
    alone: World,
    tables: Mapping[str, str],
    *,
    status_only: Collection[str] = (),
    allow: Collection[str] = (),
) -> list[Finding]:
    """Return what leaks from Acme to Globex, fails, or is refused before a row is looked for.

    Args:
        operations: what is requested.
        both: where both tenants have rows.
        alone: where only Globex has.
        tables: the tables whose ids parameters and fields hold, by the names of these.
        status_only: the operations whose answers differ each time.
        allow: what is found and no leak.
    """
    plan = Plan(
        operations,
        owner=Caller(ids={name: both.acme_ids[table][:_IDS] for name, table in tables.items()}),
        intruder=Caller(ids={name: both.globex_ids[table] for name, table in tables.items()}),
        watches=True,
        compares=True,
        # What an answer depends on is found by comparing it.
        controls=False,
        allow=allow,
    )
    return findings(
        findings_of(plan),
        lambda request: both.answer(request, status_only),
        watch=both.watch,
        compare=lambda request: alone.answer(request, status_only),
    )
