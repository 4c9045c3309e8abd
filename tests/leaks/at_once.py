"""Tenants in shared tables, in a schema and in a database at once, on one engine.

Each way is run in one place after the other, on the connections and with the compiled statements
that the others have left, and nothing may be written to the places whose turn it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tests.databases import database
from tests.policy_database import policy_database

from .arena import Arena, Flavour, Outcome
from .catalogue import Way
from .placed import AT, Places, fill, placed_in, with_named_schema
from .protections import Protection
from .schema import Models

__all__ = ["AtOnce", "at_once"]

# Not a schema of the same database as the shared tables: one table of the catalogue names its
# schema, and would be the same one in both.
_HOMES: Final = (SHARED, AT["schema of a database"], AT["database"])

_WORST_FIRST: Final = ("LEAK", "wrong", "confined", "refused", "n/a")


@dataclass
class _Turn:
    """Where the tenants are now."""

    at: Placement = SHARED


class AtOnce:
    """The places, as one arena.

    Args:
        homes: an arena for each place, all on the same engines.
        turn: what says where the tenants are.
    """

    def __init__(self, homes: list[Arena], turn: _Turn) -> None:
        self._homes = homes
        self._turn = turn
        self.protection = homes[0].protection

    def run(self, way: Way, flavour: Flavour) -> Outcome:
        """Run ``way`` in each place, and return the worst outcome."""
        outcomes = [self._run(home, way, flavour) for home in self._homes]
        return min(outcomes, key=lambda each: _WORST_FIRST.index(each.verdict))

    def _run(self, home: Arena, way: Way, flavour: Flavour) -> Outcome:
        self._turn.at = home.protection.at
        outcome = home.run(way, flavour)
        if outcome.verdict != "n/a" and way.kind != "read":
            for other in self._homes:
                if other is not home and not other.is_untouched():
                    return Outcome("LEAK", f"{home.protection.at}: rows changed in another place")
        return Outcome(outcome.verdict, f"in {home.protection.at}: {outcome.detail}")


@contextmanager
def at_once(protection: Protection, models: Models, runner: asyncio.Runner) -> Generator[AtOnce]:
    """Yield the three places, on PostgreSQL.

    Args:
        protection: what is put to the test.
        models: the models, marked for it.
        runner: the event loop of the async ways.
    """
    turn = _Turn()
    with ExitStack() as stack:
        here = stack.enter_context(
            policy_database() if protection.has_policies else database("postgresql")
        )
        away = {
            each.database: stack.enter_context(database("postgresql"))
            for each in _HOMES
            if each.database is not None
        }
        stack.enter_context(with_named_schema())
        places = Places(here, lambda: turn.at, away)
        homes: list[Arena] = []
        for placement in _HOMES:
            at = replace(protection, at=placement)
            home = Arena(at, models, placed_in(places, placement), runner)
            stack.callback(home.close)
            homes.append(home)
        # Beside the schema, where nothing of it must be looked for.
        fill(away["palace"], protection, models)
        for home in homes[1:]:
            home.use_engines_of(homes[0])
        yield AtOnce(homes, turn)
