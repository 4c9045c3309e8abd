"""Mutants of what a forked child begins with, and of what a finalizer does in the midst."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_CACHE: Final = "tests/core/test_cache_in_threads.py"
_FORKING: Final = "tests/core/test_forking.py"
_CHANGES: Final = f"{TESTS}/ownership/test_changes.py"
_PLACES: Final = f"{TESTS}/placements/test_forks.py"

MUTANTS: Final = (
    Mutant(
        "fork-lock",
        "A child waits for a lock that a thread of its parent holds.",
        "            lock._at_fork_reinit()",
        "            pass",
        (f"{_FORKING}::test_a_child_takes_a_lock_that_a_thread_of_its_parent_holds",),
    ),
    Mutant(
        "fork-own-lock",
        "A child loses the lock that it holds.",
        "        if not lock._is_owned():",
        "        if True:",
        (f"{_FORKING}::test_what_the_forking_thread_holds_it_holds_in_the_child",),
    ),
    Mutant(
        "fork-flights",
        "A child waits for what a thread of its parent loads.",
        "        self._flights: dict[Hashable, Future[V]] = {}",
        "        self._flights: dict[Hashable, Future[V]] = getattr(self, '_flights', {})",
        (f"{_CACHE}::test_a_child_does_not_wait_for_what_a_thread_of_its_parent_loads",),
    ),
    Mutant(
        "fork-engines",
        "A child uses its parent's connections to databases of tenants.",
        "        self._closing = 0\n        self.dispose(close=False)",
        "        self._closing = 0",
        (f"{_PLACES}::test_a_child_has_connections_of_its_own",),
    ),
    Mutant(
        "fork-engines-closed",
        "A child closes its parent's connections to databases of tenants.",
        "        self._closing = 0\n        self.dispose(close=False)",
        "        self._closing = 0\n        self.dispose(close=True)",
        (f"{_PLACES}::test_a_child_has_connections_of_its_own",),
    ),
    Mutant(
        "fork-generation",
        "A child uses what was compiled before a table was declared.",
        "        if self._published is not self._state:",
        "        if False:",
        (f"{_CHANGES}::test_a_child_finishes_what_a_thread_of_its_parent_was_declaring",),
    ),
    Mutant(
        "declared-in-the-midst",
        "A declaration loses another one that a finalizer makes meanwhile.",
        "                if self._state is state:\n",
        "                if True:\n",
        (f"{_CHANGES}::test_a_declaration_in_the_midst_of_another_one_loses_neither",),
    ),
    Mutant(
        "cache-landing",
        "What cannot be remembered is never given to those who wait for it.",
        (
            "        finally:\n"
            "            # The others wait without a limit, and need not care what is remembered."
        ),
        "        except ZeroDivisionError:\n            pass\n        else:",
        (f"{_CACHE}::test_the_others_get_an_answer_that_cannot_be_remembered",),
    ),
)
