"""What happens when Alembic starts to run migrations, to compare or to stamp.

Alembic has one class for each database, whose ``start_migrations()`` is its hook for this. Each
class here takes the place of Alembic's own for its database.
"""

from __future__ import annotations

from typing import Any, Final

from alembic.ddl.impl import DefaultImpl
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import event
from sqlalchemy.engine import Connection

from ..ownership.registry import registry

__all__ = ["ALL_ROWS", "CheckedMariaDB", "CheckedMySQL", "CheckedPostgresql", "CheckedSQLite"]

ALL_ROWS: Final = "SET LOCAL row_security = off"
"""A statement from which policies would hide rows then raises. By default it skips them, so that
a data migration would change no row without an error."""


class _Checked(DefaultImpl):
    """Refuses to start while a table is undeclared, as the application does."""

    def start_migrations(self) -> None:
        """Prepare a run.

        Raises:
            ConfigurationError: ``require_declared()`` was called, and a table is undeclared.
        """
        super().start_migrations()
        registry.check_required()


class CheckedPostgresql(_Checked, PostgresqlImpl):
    """PostgreSQL."""

    __dialect__ = "postgresql"

    def start_migrations(self) -> None:
        """Let every transaction of the run reach all rows or raise."""
        super().start_migrations()
        connection = self.connection
        if connection is None or self.as_sql:
            return
        # The connection is the run's own: the engine's other connections are left as they are.
        event.listen(connection, "begin", _reach_all_rows)
        if connection.in_transaction():
            _reach_all_rows(connection)


class CheckedSQLite(_Checked, SQLiteImpl):
    """SQLite."""

    __dialect__ = "sqlite"


class CheckedMySQL(_Checked, MySQLImpl):
    """MySQL."""

    __dialect__ = "mysql"


class CheckedMariaDB(_Checked, MariaDBImpl):
    """MariaDB."""

    __dialect__ = "mariadb"


def _reach_all_rows(connection: Connection) -> None:
    # Not through SQLAlchemy, which would begin the transaction that is beginning.
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(ALL_ROWS)
    finally:
        cursor.close()
