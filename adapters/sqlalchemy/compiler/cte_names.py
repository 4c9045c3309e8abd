"""Common table expressions with the name of a table that holds tenants' rows.

``WITH invoice AS (...)`` makes every ``FROM invoice`` in the statement read the common table
expression, including the guard's own ``EXISTS (SELECT 1 FROM invoice ...)``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy.sql.expression import TableClause

from ..databases import Database
from ..errors import UnguardedStatementError
from ..ownership.model import table_label

__all__ = ["CteNames"]


class CteNames:
    """The names of the CTEs and of the tenants' tables in one statement.

    Args:
        database: the database that the statement is for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: dict[str, TableClause] = {}
        self._ctes: set[str] = set()

    def add_cte(self, cte: Any) -> None:
        """Add a CTE.

        Raises:
            UnguardedStatementError: it has the name of a tenants' table in the statement.
        """
        # private: an alias of a CTE is a CTE as well, but is never read by its name.
        if getattr(cte, "_cte_alias", None) is not None:
            return
        name = self._folded(cte.name)
        self._ctes.add(name)
        if name in self._tables:
            _refuse(self._tables[name])

    def add_table(self, table: TableClause, schema: str | None) -> None:
        """Add a table with tenants' rows.

        Args:
            table: the table in a ``FROM``.
            schema: the schema that is rendered before its name, if any.

        Raises:
            UnguardedStatementError: a CTE of the statement has its name.
        """
        # private: SQLAlchemy's placeholder for a schema that is known only at execution.
        if schema and not schema.startswith("__[SCHEMA_"):
            return
        name = self._folded(table.name)
        self._tables[name] = table
        if name in self._ctes:
            _refuse(table)

    def _folded(self, name: str) -> str:
        return self._database.cut(name).casefold()


def _refuse(table: TableClause) -> NoReturn:
    raise UnguardedStatementError(
        f"a CTE has the name of {table_label(table)}, which holds tenants' rows, and the "
        "statement would read the CTE instead of the table; give the CTE another name"
    )
