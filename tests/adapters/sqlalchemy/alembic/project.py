"""A project with Alembic, in a separate folder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData

__all__ = ["Project", "operations", "written_out"]

ENV = """
from alembic import context

import tenantshield_mw.adapters.sqlalchemy.alembic

given = context.config.attributes
options = {"target_metadata": given["metadata"], **given["options"]}

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with given["engine"].connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

TEMPLATE = """
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""


class Project:
    """Models, a database, and the migration scripts between them."""

    def __init__(self, folder: Path, engine: Engine, metadata: MetaData, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "versions").mkdir(exist_ok=True)
        (folder / "env.py").write_text(ENV)
        (folder / "script.py.mako").write_text(TEMPLATE)
        self.output = StringIO()
        self._config = Config(output_buffer=self.output, stdout=StringIO())
        self._config.set_main_option("script_location", str(folder))
        self._config.attributes.update(engine=engine, metadata=metadata, options=options)

    def generate(self) -> str:
        """Return the script that autogenerate writes."""
        script: Any = command.revision(self._config, "generated", autogenerate=True)
        return Path(script.path).read_text()

    def script(self, upgrade: str, downgrade: str = "pass") -> None:
        """Write a script by hand."""
        script: Any = command.revision(self._config, "by hand")
        path = Path(script.path)
        text = path.read_text().replace("pass", upgrade, 1).replace("pass", downgrade, 1)
        path.write_text(text)

    def upgrade(self, to: str = "head") -> None:
        command.upgrade(self._config, to)

    def downgrade(self, to: str = "-1") -> None:
        command.downgrade(self._config, to)

    def sql(self, act: Callable[..., None] = command.upgrade, revisions: str = "head") -> str:
        """Return the SQL that would be executed."""
        self.output.seek(0)
        self.output.truncate()
        act(self._config, revisions, sql=True)
        return self.output.getvalue()

    def check(self) -> None:
        """Raise if autogenerate would find a difference."""
        command.check(self._config)


@contextmanager
def operations(connection: Connection, **options: Any) -> Generator[Any, None, None]:
    """Yield the ``op`` of a script, in a migration on ``connection``."""
    context = MigrationContext.configure(connection, opts=options)
    with context.begin_transaction():
        yield Operations(context)


def written_out(act: Callable[[Any], None], dialect: str = "postgresql") -> str:
    """Return the SQL of the operations."""
    output = StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": output}
    )
    act(Operations(context))
    return output.getvalue()
