"""Moves a tenant's rows to another place while the application serves.

The steps, each of which can be interrupted at any point:

1. The target is made, and closed to the tenant. The rows are copied, in a transaction that stays
   open, so that nobody sees them there, and the copy catches up with what has changed meanwhile.
   The application is as it was.
2. Both places are closed: the tenant's transactions are refused with
   ``PlacementUnavailableError``, those of system scopes wait. The copy catches up for the last
   time and is committed. Both places are read again and compared.
3. The directory names the target. From here on the move can only be completed.
4. The target is opened to the tenant. The source stays closed to it, for processes that remember
   it. The rows at the source are deleted, and only then does a system scope see any row.

So a row is in use at one place at most, at any time. If the mover dies in the second step, the
places stay closed until the move is resumed or undone. A move that is resumed before the switch
lets the tenant be served again, and copies from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..placements.placement import SHARED, Placement
from .copying import Rows, discard
from .fleet import Fleet
from .following import Copy
from .gates import Gates, prepare
from .journal import Entry, Journal, Step
from .leaving import check_leaving
from .listing import Listing
from .making import make

__all__ = ["Moved", "move", "resume", "undo"]

_PATIENCE: Final = 10.0
"""Seconds to wait for transactions that have begun."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did.

    Attributes:
        tenant: the tenant's id, as the directory looks it up.
        source: where the rows were.
        target: where they are.
        rows: how many there are.
        stopped: for how many seconds the tenant's transactions were refused.
    """

    tenant: str
    source: Placement
    target: Placement
    rows: int
    stopped: float


def move(fleet: Fleet, id_: str, target: Placement, *, patience: float = _PATIENCE) -> Moved:
    """Move a tenant's rows.

    Args:
        fleet: the fleet, on PostgreSQL with ``schemas``.
        id_: the tenant's id, as the directory looks it up.
        target: where to.
        patience: for how many seconds to wait for transactions that have begun.

    Raises:
        ConfigurationError: the rows cannot be moved; the application is as it was.
    """
    _check_fleet(fleet)
    fleet.check(target)
    with Journal.opened(fleet) as journal:
        journal.check_none()
        listing = Listing(fleet)
        listing.check(target)
        tenant_id, source = listing.find(id_)
        if source == target:
            raise ConfigurationError(f"the tenant is in {target} already")
        work = _Move(fleet, journal, Entry(id_, source, target, Step.BEGUN, None), tenant_id)
        journal.begin(id_, source, target)
        try:
            return work.run(patience)
        except BaseException:
            work.give_up()
            raise


def resume(fleet: Fleet, id_: str, *, patience: float = _PATIENCE) -> Moved:
    """Complete the move of a tenant that was interrupted.

    Args:
        fleet: the fleet.
        id_: the tenant's id, as the directory looks it up.
        patience: for how many seconds to wait for transactions that have begun.

    Raises:
        ConfigurationError: there is none, or the rows cannot be moved.
    """
    _check_fleet(fleet)
    with Journal.opened(fleet) as journal:
        return _interrupted(fleet, journal, id_).run(patience)


def undo(fleet: Fleet, id_: str, *, patience: float = _PATIENCE) -> Entry:
    """Undo the move of a tenant that was interrupted, and return it.

    Args:
        fleet: the fleet.
        id_: the tenant's id, as the directory looks it up.
        patience: for how many seconds to wait for transactions that have begun.

    Raises:
        ConfigurationError: there is none, or the directory names the target already.
    """
    _check_fleet(fleet)
    with Journal.opened(fleet) as journal:
        work = _interrupted(fleet, journal, id_)
        work.undo(patience)
        return work.entry


def _interrupted(fleet: Fleet, journal: Journal, id_: str) -> _Move:
    entry = journal.find()
    if entry is None or entry.tenant != id_:
        raise ConfigurationError("no move of this tenant was interrupted")
    tenant_id, _ = Listing(fleet).find(entry.tenant)
    return _Move(fleet, journal, entry, tenant_id)


def _check_fleet(fleet: Fleet) -> None:
    if fleet.schemas is None:
        raise ConfigurationError(
            "rows are moved on PostgreSQL only, where each transaction asks the database for its "
            "place: Fleet(schemas=Schemas(...)) and Placements(engine, schemas=Schemas(...)); "
            f"{fleet.how_rows_move()}"
        )


class _Move:
    """One move.

    Args:
        fleet: the fleet.
        journal: the journal, which has the move.
        entry: the move.
        tenant_id: the tenant.
    """

    def __init__(self, fleet: Fleet, journal: Journal, entry: Entry, tenant_id: TenantId) -> None:
        self._fleet = fleet
        self._journal = journal
        self._listing = Listing(fleet)
        self.entry = entry
        self._gates = Gates(fleet, tenant_id, (entry.source, entry.target))
        plan = fleet.plan()
        self._rows: Callable[[Placement], Rows] = lambda placement: Rows(
            fleet, plan, placement, tenant_id
        )

    def run(self, patience: float) -> Moved:
        """Go from where it is to the end."""
        entry = self.entry
        discard(entry.folder)
        if self._is_past_switch():
            return self._end(patience)
        if entry.step is not Step.BEGUN:
            # Copied again from the start, so let the tenant be served meanwhile.
            self._restore(patience)
            self._journal.write(Step.BEGUN)
        self._make()
        with self._both() as (source, target):
            self._check_rows(source, target)
            with Copy.opened(source, target) as copy:
                copy.make(self._journal)
                began = time.monotonic()
                with self._gates.alone(patience) as let_tenant:
                    rows = self._switch(source, target, copy)
                    self._open(let_tenant)
                    stopped = time.monotonic() - began
                    self._clean_up(source)
        return Moved(entry.tenant, entry.source, entry.target, rows, stopped)

    @contextmanager
    def _both(self) -> Generator[tuple[Rows, Rows]]:
        source, target = self._rows(self.entry.source), self._rows(self.entry.target)
        try:
            yield source, target
        finally:
            source.close()
            target.close()

    def _is_past_switch(self) -> bool:
        """Return whether the directory names the target.

        Raises:
            ConfigurationError: something else than this move has written the directory.
        """
        entry, is_switched = self.entry, self._is_switched()
        if is_switched and entry.step in (Step.BEGUN, Step.CLOSED):
            raise ConfigurationError(
                f"the directory names {entry.target}, and something else than this move has "
                f"written that before the rows were there: let it name {entry.source} again"
            )
        if entry.step is Step.SWITCHED and not is_switched:
            raise ConfigurationError(
                f"the directory does not name {entry.target}, where the rows are: something else "
                "than this move has written it; let it name this place again"
            )
        return is_switched

    def _make(self) -> None:
        """Make the target; nothing of it is noticed."""
        entry = self.entry
        if entry.target != SHARED:
            make(self._fleet, entry.target)
        for each in (entry.source, entry.target):
            prepare(self._fleet, each)
        self._gates.close_to_tenant(entry.target)

    def _check_rows(self, source: Rows, target: Rows) -> None:
        """Fail before anything is copied if rows cannot leave."""
        engine = self._fleet.engine_at(self.entry.source)
        try:
            check_leaving(engine, source)
        finally:
            engine.dispose()
        source.count()
        if target.count():
            raise ConfigurationError(
                f"the tenant has rows in {self.entry.target} that the directory does not name: "
                "export them if they matter, and erase them"
            )

    def _switch(self, source: Rows, target: Rows, copy: Copy) -> int:
        """Complete the copy while no transaction is at the places, and let the directory name the
        target; return the number of rows.
        """
        entry, journal = self.entry, self._journal
        journal.write(Step.CLOSED)
        self._gates.close()
        # For rows that cannot be deleted in the end.
        rows = source.count()
        if not copy.complete():
            target.erase()
            source.copy_to(target, journal)
            if source.totals() != target.totals():
                raise ConfigurationError(
                    f"the rows in {entry.target} are not those in {entry.source}: a trigger, or "
                    "something outside of the application, has changed them, or a value is none "
                    "that Python has, such as an interval of a month or an array that does not "
                    "begin at 1"
                )
        journal.write(Step.COPIED)
        self._listing.switch(entry.tenant, entry.target)
        return rows

    def _open(self, let_tenant: Callable[[], None]) -> None:
        """Let the tenant be served from the target."""
        self._journal.write(Step.SWITCHED)
        self._gates.open_to_tenant(self.entry.target)
        let_tenant()

    def _clean_up(self, source: Rows) -> None:
        """Delete the rows at the source, and only then let system scopes read any."""
        source.erase()
        self._gates.open_to_system()
        self._journal.end()

    def _end(self, patience: float) -> Moved:
        """Go from the switch to the end."""
        entry, began = self.entry, time.monotonic()
        with self._both() as (source, target), self._gates.alone(patience) as let_tenant:
            self._open(let_tenant)
            stopped = time.monotonic() - began
            self._clean_up(source)
            rows = target.count()
        return Moved(entry.tenant, entry.source, entry.target, rows, stopped)

    def _restore(self, patience: float) -> None:
        """Let the places be as they were, after they were closed."""
        with self._both() as (source, target), self._gates.alone(patience):
            # What a mover that was killed has sent comes first.
            with Copy.opened(source, target):
                target.erase()
            self._gates.open_to_tenant(self.entry.source)
            self._gates.open_to_system()

    def _is_switched(self) -> bool:
        return self._listing.find(self.entry.tenant)[1] == self.entry.target

    def give_up(self) -> None:
        """Undo a move that has failed, if it has not been switched; the error is on its way."""
        if self._journal.find() is not None and not self._is_switched():
            self.undo(_PATIENCE)

    def undo(self, patience: float) -> None:
        """Let all be as it was.

        Args:
            patience: for how many seconds to wait for transactions.

        Raises:
            ConfigurationError: the directory names the target.
        """
        entry = self.entry
        if entry.step is Step.SWITCHED or self._is_switched():
            raise ConfigurationError(
                f"the directory names {entry.target} already: complete the move with --resume, and "
                f"then move the tenant back to {entry.source}"
            )
        discard(entry.folder)
        found = self._journal.find()
        # Before that, nothing was closed; what was copied was not committed.
        if found is not None and found.step is not Step.BEGUN:
            self._restore(patience)
        self._journal.end()
