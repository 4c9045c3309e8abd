"""Mutants of connections and statements that several tasks or threads share."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_USES: Final = f"{TESTS}/test_uses.py"
_THREADS: Final = f"{TESTS}/test_uses_in_threads.py"
_INSTALL: Final = f"{TESTS}/test_install.py"

_PLACED: Final = f"{TESTS}/placements/test_nested_scopes.py"
_TOLD: Final = f"{TESTS}/rls/test_nested_scopes.py"

MUTANTS: Final = (
    Mutant(
        "nested-held",
        "A statement is sent in the scope of another one that was executed in its midst.",
        "            self._hold_for(context, statement)\n            execute(",
        "            execute(",
        (
            f"{_PLACED}::test_a_listener_that_writes_in_another_scope",
            f"{_TOLD}::test_a_listener_that_reads_in_another_scope",
        ),
    ),
    Mutant(
        "nested-savepoint",
        "What is told in the midst of a savepoint's end is taken for told after it.",
        "                connection.info.pop(HELD, None)\n\n        dialect.do_rollback",
        "                pass\n\n        dialect.do_rollback",
        (f"{_PLACED}::test_a_listener_that_writes_while_a_savepoint_ends",),
    ),
    Mutant(
        "nested-before",
        "A transaction that began before there were placements is taken for told.",
        "        if tenant is not self.tenant or place is not self.place:",
        "        if False:",
        (f"{_PLACED}::test_a_transaction_that_begins_before_there_are_placements",),
    ),
    Mutant(
        "uses-scope",
        "A connection serves two scopes at a time.",
        "    if not is_same_scope(other.bound, use.bound):",
        "    if False:",
        (f"{_USES}::test_two_threads_do_not_use_a_connection_in_two_scopes",),
    ),
    Mutant(
        "uses-compiled",
        "A thread executes a statement while another one is about to add the tenant's checks.",
        "    @property\n    def _bind_processors",
        "    @util.memoized_property\n    def _bind_processors",
        ("tests/adapters/sqlalchemy/compiler/test_compiler_in_threads.py",),
    ),
    Mutant(
        "uses-begin",
        "A use begins while another scope's goes on.",
        "            _check_others(use)\n        except",
        "            pass\n        except",
        (_USES, _THREADS),
    ),
    Mutant(
        "uses-guard",
        "A connection serves two guards at a time.",
        "    if None not in (other.dialect, use.dialect) and",
        "    if other.dialect is None and",
        (f"{_USES}::test_ddl_does_not_open_the_connection_to_another_statement",),
    ),
    Mutant(
        "uses-guard-late",
        "A guard that is chosen later is not compared with the others'.",
        "    if len(use.uses) > 1:\n        _check_others(use)\n    connection",
        "    connection",
        (f"{_USES}::test_ddl_does_not_open_the_connection_to_another_statement",),
    ),
    Mutant(
        "uses-guard-outer",
        "What a statement executes within does not count as guarded like it.",
        "= None if outer is None else outer.dialect",
        "= None",
        (_USES, _THREADS),
    ),
    Mutant(
        "uses-refused",
        "A use that was refused goes on.",
        "            end_use(connection, use)\n            raise",
        "            raise",
        (f"{_USES}::test_two_threads_do_not_use_a_connection_in_two_scopes",),
    ),
    Mutant(
        "uses-before",
        "A connection goes back to what renders another one's statement.",
        "            use.before = connection.engine.dialect",
        "            pass",
        (_USES, _THREADS),
    ),
    Mutant(
        "uses-others",
        "The first one that ends takes the guard from the others.",
        "        if len(uses) == (outer is not None):",
        "        if True:",
        (_USES, _THREADS),
    ),
    Mutant(
        "uses-around",
        "A thread begins within what is around another one's statement.",
        "            other = other.outer",
        "            other = None",
        (_USES, _THREADS),
    ),
    Mutant(
        "uses-nested",
        "A statement within another one ends the use of both.",
        "            uses[use.by] = outer",
        "            del uses[use.by]",
        (
            _USES,
            _THREADS,
            _INSTALL,
        ),
    ),
    Mutant(
        "uses-dialect",
        "A connection keeps what rendered its last statement.",
        "        connection.dialect = use.before",
        "        pass",
        (f"{_THREADS}::test_whoever_ends_last_gives_a_connection_its_own_dialect_back",),
    ),
    Mutant(
        "uses-entering",
        "A thread begins while another one gives the connection back.",
        "    with _ENTERING:\n        if outer is None:",
        "    if True:\n        if outer is None:",
        (f"{_THREADS}::test_a_thread_begins_while_another_one_gives_the_connection_back",),
    ),
)
