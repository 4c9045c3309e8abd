"""The sweep: as one tenant, request every operation with the ids of another one's rows.

There are two worlds, each with a server and a database. Both are filled alike: with Acme's rows,
then with Globex's. Then Acme's rows are deleted from the second one, past the application. A user
of Globex sends each request to both. Three things count as a leak:

- The answers differ: what Globex is told depends on Acme's rows.
- A row of Acme's has changed or is gone.
- A row that is not Acme's refers to one that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import httpx
from sqlalchemy import create_engine, inspect

from tests.databases import Database

from .operations import Operation

__all__ = ["Leak", "Seed", "World", "leaks_of"]

Rows = dict[str, dict[Any, dict[str, Any]]]
"""The rows of each table, by their ids."""

Seed = Callable[[httpx.Client, str], None]
"""Creates rows of the tenant of that name, and leaves the client logged in as its user."""

_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")
_IDS: Final = 2
"""How many of Acme's rows of a table are tried."""


class Leak(NamedTuple):
    """What reached the other tenant.

    Attributes:
        operation: as in ``GET /projects``.
        what: ``read``, ``changed`` or ``referred to``; or ``failed``, which is no leak, but should
            not happen either.
        request: what was requested.
    """

    operation: str
    what: str
    request: str


class _Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    form: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path} {dict(self.query) or ''} {dict(self.body) or ''}"


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
        """Acme's rows, as they were when they were last compared."""
        self.acme_ids: dict[str, list[Any]] = {}
        """The ids of Acme's rows, as they were created."""
        self.globex_ids: dict[str, list[Any]] = {}

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

    def references(self, rows: Rows) -> set[tuple[str, Any, str]]:
        """Return which of ``rows`` are not Acme's and refer to one that is, by which column."""
        return {
            (table, key, column)
            for table, others in self._except_acmes(rows).items()
            for column, referred in self._schema[table][1]
            for key, row in others.items()
            if row[column] in self.acme_ids[referred]
        }

    def still_acmes(self, rows: Rows) -> Rows:
        """Return those of ``rows`` that are Acme's."""
        return {
            table: {key: row for key, row in of_table.items() if key in self.acme_ids[table]}
            for table, of_table in rows.items()
        }

    def answer(self, request: _Request) -> tuple[Any, ...]:
        """Return the status, where the answer redirects to, and the body."""
        sent: Any = {"data" if request.form else "json": request.body} if request.body else {}
        answer = self.client.request(request.method, request.path, params={**request.query}, **sent)
        address = str(self.client.base_url).rstrip("/")
        said = answer.headers.get("location", ""), answer.text
        return answer.status_code, *(each.replace(address, "") for each in said)

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


def leaks_of(
    operations: Sequence[Operation],
    both: World,
    alone: World,
    tables: Mapping[str, str],
    *,
    status_only: Collection[str] = (),
) -> list[Leak]:
    """Return what leaks from Acme to Globex.

    Args:
        operations: what is requested.
        both: where both tenants have rows.
        alone: where only Globex has.
        tables: the tables whose ids parameters and fields hold, by the names of these.
        status_only: the operations whose answers differ each time.
    """
    found: list[Leak] = []
    references = both.references(both.rows())
    for operation in operations:
        shown = 1 if str(operation) in status_only else 3
        for request in _requests(operation, both, tables):
            answer = both.answer(request)
            if answer[0] >= 500:
                found.append(Leak(str(operation), "failed", str(request)))
            if answer[:shown] != alone.answer(request)[:shown]:
                found.append(Leak(str(operation), "read", str(request)))
            rows = both.rows()
            if (acmes := both.still_acmes(rows)) != both.acmes:
                found.append(Leak(str(operation), "changed", str(request)))
                both.acmes = acmes
            if (now := both.references(rows)) - references:
                found.append(Leak(str(operation), "referred to", str(request)))
            references = now
    return found


def _requests(operation: Operation, world: World, tables: Mapping[str, str]) -> Iterator[_Request]:
    """Yield requests with Acme's ids in one place and Globex's in the others, and in all places."""
    in_path = _PARAMETER.findall(operation.path)
    names = (*in_path, *operation.query, *operation.body)
    used = {name: tables[name] for name in names if name in tables}
    places = [{name} for name in used]
    for acmes in places if len(used) == 1 else [*places, set(used)]:
        for number in range(_IDS if acmes else 1):
            ids = {
                name: _at((world.acme_ids if name in acmes else world.globex_ids)[table], number)
                for name, table in used.items()
            }
            yield _Request(
                operation.method,
                _PARAMETER.sub(r"{\1}", operation.path).format_map(ids),
                {name: ids.get(name, value) for name, value in operation.query.items()},
                {name: ids.get(name, value) for name, value in operation.body.items()},
                operation.form,
            )


def _at(ids: Sequence[Any], number: int) -> Any:
    return ids[number % len(ids)]
