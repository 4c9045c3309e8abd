"""Statements in which a table's name stands for something else than the table.

``WITH invoice AS (...)`` makes every ``FROM invoice`` of the statement read the common table
expression, the guard's own ``EXISTS (SELECT 1 FROM invoice ...)`` included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import util
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import TableClause

from ..errors import UnguardedStatementError
from ..ownership.model import table_label
from ..ownership.registry import registry
from .rewriting import default_schemas

__all__ = ["Shadows"]

if TYPE_CHECKING:
    _Base = SQLCompiler
else:
    _Base = object

_MAX_NAME: Final = 63
"""The bytes of a name that PostgreSQL goes by (``NAMEDATALEN`` less one)."""


class Shadows(_Base):
    """Refuses a common table expression that has the name of a tenants' table it stands with."""

    @util.memoized_property
    def _tenantshield_tables(self) -> dict[str, TableClause]:
        return {}

    @util.memoized_property
    def _tenantshield_ctes(self) -> set[str]:
        return set()

    def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
        # private: an alias of a CTE is a CTE as well, and nothing reads it by its name.
        if getattr(cte, "_cte_alias", None) is None:
            name = _folded(cte.name)
            self._tenantshield_ctes.add(name)
            if name in self._tenantshield_tables:
                _refuse(self._tenantshield_tables[name])
        return super().visit_cte(cte, *args, **kw)

    def visit_table(self, table: Any, *args: Any, **kw: Any) -> Any:
        if kw.get("asfrom") and self._tenantshield_can_be_shadowed(table):
            name = _folded(table.name)
            self._tenantshield_tables[name] = table
            if name in self._tenantshield_ctes:
                _refuse(table)
        return cast("Any", super()).visit_table(table, *args, **kw)

    def _tenantshield_can_be_shadowed(self, table: TableClause) -> bool:
        schema = self.preparer.schema_for_object(table)
        # private: what SQLAlchemy puts in for a schema that it knows only later, if at all.
        if schema and not schema.startswith("__[SCHEMA_"):
            return False
        return registry.ownership_of(table, default_schemas(self.dialect)) is not None


def _folded(name: str) -> str:
    return name.encode()[:_MAX_NAME].decode(errors="ignore").casefold()


def _refuse(table: TableClause) -> None:
    raise UnguardedStatementError(
        f"a CTE has the name of {table_label(table)}, and the statement would read the CTE where "
        "it means the table, which holds tenants' rows; give the CTE another name"
    )
