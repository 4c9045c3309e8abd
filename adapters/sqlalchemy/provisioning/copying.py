"""Copies the rows of a tenant from one place to another, and compares them."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy.engine import Connection

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..lifecycle.erasing import erase, survey
from ..lifecycle.exporting import export
from ..lifecycle.importing import Options, import_into
from ..lifecycle.opening import transaction
from ..lifecycle.plan import Plan
from ..lifecycle.progress import Progress
from ..lifecycle.rows import TableRows
from ..ownership.model import table_label
from ..placements.placement import Placement
from .checksums import Checksums, settle
from .fleet import Fleet
from .journal import Journal

__all__ = ["Rows", "discard"]


class Rows:
    """The rows of a tenant, at one place.

    Args:
        fleet: the fleet.
        plan: the tables.
        placement: the place.
        tenant_id: the tenant.

    Attributes:
        plan: the tables.
        tenant_id: the tenant.
        engine: an engine for them.
    """

    def __init__(self, fleet: Fleet, plan: Plan, placement: Placement, tenant_id: TenantId) -> None:
        self.plan = plan
        self._placement = placement
        self.tenant_id = tenant_id
        self.engine = fleet.rows_at(placement, plan)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def count(self) -> int:
        """Return how many there are.

        Raises:
            ConfigurationError: rows that belong to no tenant refer to them.
        """
        found = survey(self.engine, self.plan, self.tenant_id)
        if found.referring:
            names = ", ".join(f"{rows} of {name}" for name, rows in found.referring.items())
            raise ConfigurationError(
                f"rows that all tenants share refer to the tenant's rows in {self._placement}: "
                f"{names}; they cannot leave it"
            )
        return sum(found.rows.values())

    def copy_to(self, target: Rows, journal: Journal) -> None:
        """Copy all rows, as of one moment: all of them, or none.

        Args:
            target: where to.
            journal: where the folder with the rows is written down, to be found after a failure.

        Raises:
            ConfigurationError: rows cannot be copied as they are.
        """
        with target.transaction() as connection:
            self.copy_into(connection, journal)

    def copy_into(self, connection: Connection, journal: Journal) -> None:
        """Do what :meth:`copy_to` does in a transaction at the target."""
        folder = tempfile.mkdtemp(prefix="tenantshield-move-")
        journal.write_folder(folder)
        rows = Path(folder, "rows")
        try:
            manifest = export(self.engine, self.plan, self.tenant_id, rows, Progress())
            import_into(
                connection, self.plan, rows, manifest, self.tenant_id, Options(), Progress()
            )
        finally:
            discard(folder)
            journal.write_folder(None)

    def transaction(self, isolation: str | None = None) -> AbstractContextManager[Connection]:
        """Return a transaction under the tenant."""
        return transaction(self.engine, self.tenant_id, isolation)

    def totals(self) -> dict[str, tuple[int, int]]:
        """Return the number of rows of each table, and a checksum of them as the database writes
        them: Python holds some values less exactly, such as an interval of a month.
        """
        found: dict[str, tuple[int, int]] = {}
        with self.transaction("REPEATABLE READ") as connection:
            settle(connection)
            for table in self.plan.tables:
                rows = TableRows(table, self.engine.dialect)
                found[table_label(table)] = Checksums(rows).total(connection)
        return found

    def erase(self) -> None:
        """Delete all rows.

        Raises:
            ConfigurationError: some are left.
        """
        left = erase(self.engine, self.plan, self.tenant_id, Progress())
        if any(left.rows.values()):
            raise ConfigurationError(
                f"rows of the tenant in {self._placement} cannot be deleted: the database keeps "
                "them"
            )


def discard(folder: str | None) -> None:
    """Delete a folder with a copy of rows, if there is one."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
