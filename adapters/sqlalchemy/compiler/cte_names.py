"""Common table expressions that have the name of a tenants' table.

``WITH invoice AS (...)`` makes every ``FROM invoice`` of the statement read the common table
expression, the guard's own ``EXISTS (SELECT 1 FROM invoice ...)`` included.
"""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy.sql.expression import TableClause

from ..databases import Database
from ..errors import UnguardedStatementError
from ..ownership.model import table_label

__all__ = ["CteNames"]


class CteNames:
    """The names of one statement's CTEs and of its tables that a CTE could stand for.

    Args:
        database: the one that the statement is for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: dict[str, TableClause] = {}
        self._ctes: set[str] = set()

    def add_cte(self, cte: Any) -> None:
        """Take in a CTE.

        Raises:
            UnguardedStatementError: it has the name of a tenants' table in the statement.
        """
        # private: an alias of a CTE is a CTE as well, and nothing reads it by its name.
        if getattr(cte, "_cte_alias", None) is not None:
            return
        name = self._folded(cte.name)
        self._ctes.add(name)
        if name in self._tables:
            _refuse(self._tables[name])

    def add_table(self, table: TableClause, schema: str | None) -> None:
        """Take in a tenants' table.

        Args:
            table: the table, as it stands in a ``FROM``.
            schema: the one that is rendered before its name.

        Raises:
            UnguardedStatementError: a CTE of the statement has its name.
        """
        # private: what SQLAlchemy puts in for a schema that it knows only later, if at all.
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
        f"a CTE has the name of {table_label(table)}, and the statement would read the CTE where "
        "it means the table, which holds tenants' rows; give the CTE another name"
    )
