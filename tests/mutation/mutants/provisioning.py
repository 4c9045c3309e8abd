"""Mutants of what makes places and moves tenants."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_APPLYING: Final = f"{TESTS}/provisioning/test_applying.py"
_CHECKSUMS: Final = f"{TESTS}/provisioning/test_checksums.py"
_DIFFERING: Final = f"{TESTS}/provisioning/test_differing.py"
_FOLLOWING: Final = f"{TESTS}/provisioning/test_following.py"
_GATES: Final = f"{TESTS}/provisioning/test_gates.py"
_JOURNAL: Final = f"{TESTS}/provisioning/test_journal.py"
_LEAVING: Final = f"{TESTS}/provisioning/test_leaving.py"
_MAKING: Final = f"{TESTS}/provisioning/test_making.py"
_MOVING: Final = f"{TESTS}/provisioning/test_moving.py"
_PLACING: Final = f"{TESTS}/provisioning/test_placing.py"
_TRIGGERS: Final = f"{TESTS}/provisioning/test_triggers.py"

MUTANTS: Final = (
    Mutant(
        "mover-alone",
        "Two movers run at once.",
        '                if not take(connection, lock_of("the mover"), _PATIENCE):',
        "                if False:",
        (f"{_JOURNAL}::test_two_at_once_are_refused",),
    ),
    Mutant(
        "mover-given-up",
        "A move that fails leaves the tenant where nobody serves it.",
        "            work.give_up()\n",
        "            pass\n",
        (f"{_MOVING}::test_a_transaction_that_has_begun_is_waited_for_and_its_rows_move",),
    ),
    Mutant(
        "mover-target-rows",
        "Rows that the directory does not name are mixed with those that move.",
        "        if target.count():",
        "        if False:",
        (f"{_MOVING}::test_what_cannot_be_moved_is_refused_and_all_is_as_it_was",),
    ),
    Mutant(
        "mover-leaving",
        "What would stay behind is not looked for.",
        "            check_leaving(engine, source)",
        "            pass",
        (f"{_LEAVING}::test_a_column_that_the_model_lacks",),
    ),
    Mutant(
        "mover-closed",
        "The tenant is served while its copy is completed.",
        "        self._gates.close()\n",
        "",
        (f"{_MOVING}::test_nothing_of_the_tenant_runs_while_its_copy_is_completed",),
    ),
    Mutant(
        "mover-waits",
        "Transactions that have begun are not waited for.",
        "                    if not take(connection, key, patience):",
        "                    if False:",
        (f"{_MOVING}::test_a_transaction_that_has_begun_is_waited_for_and_its_rows_move",),
    ),
    Mutant(
        "mover-same",
        "Rows that are not the same count as copied.",
        "            if source.totals() != target.totals():",
        "            if False:",
        (f"{_MOVING}::test_a_copy_with_other_rows_is_not_switched_to",),
    ),
    Mutant(
        "mover-not-same",
        "A copy that is not complete counts as one.",
        "        if not copy.complete():",
        "        if copy.complete() is None:",
        (f"{_MOVING}::test_a_copy_that_cannot_follow_is_made_again_while_the_tenant_is_stopped",),
    ),
    Mutant(
        "mover-opened",
        "The target stays closed to the tenant.",
        "        self._gates.open_to_tenant(self.entry.target)\n        let_tenant()",
        "        let_tenant()",
        (f"{_MOVING}::test_new_rows_get_new_keys_after_a_move",),
    ),
    Mutant(
        "mover-let",
        "The tenant waits while its old rows are deleted.",
        "        let_tenant()\n",
        "        pass\n",
        (f"{_MOVING}::test_the_tenant_is_served_again_while_its_old_rows_are_deleted",),
    ),
    Mutant(
        "mover-seen-twice",
        "A system scope sees the rows at both places.",
        "        source.erase()\n        self._gates.open_to_system()\n",
        "        self._gates.open_to_system()\n        source.erase()\n",
        (f"{_MOVING}::test_the_tenant_is_served_again_while_its_old_rows_are_deleted",),
    ),
    Mutant(
        "mover-erased",
        "The rows stay at the source, too.",
        "        source.erase()\n        self._gates",
        "        self._gates",
        (f"{_MOVING}::test_a_process_that_remembers_the_old_place_is_refused_once",),
    ),
    Mutant(
        "mover-early",
        "A move goes on that something else has switched before the rows were there.",
        "        if is_switched and entry.step in (Step.BEGUN, Step.CLOSED):",
        "        if False:",
        (f"{_MOVING}::test_rows_are_left_alone_if_something_else_writes_the_directory",),
    ),
    Mutant(
        "mover-switched-back",
        "The only rows are deleted where something else has written the directory.",
        "        if entry.step is Step.SWITCHED and not is_switched:",
        "        if False:",
        (f"{_MOVING}::test_rows_are_left_alone_if_something_else_writes_the_directory",),
    ),
    Mutant(
        "mover-postgresql",
        "Rows are moved where no transaction asks for its place.",
        (
            "    if fleet.schemas is None:\n"
            "        raise ConfigurationError(\n"
            '            "rows are moved'
        ),
        '    if False:\n        raise ConfigurationError(\n            "rows are moved',
        (f"{_MOVING}::test_what_cannot_be_moved_is_refused_and_all_is_as_it_was",),
    ),
    Mutant(
        "mover-column",
        "A column that its model lacks loses its values.",
        "        if columns := [*_unknown_columns(connection, plan)]:",
        "        if columns := []:",
        (f"{_LEAVING}::test_a_column_that_the_model_lacks",),
    ),
    Mutant(
        "mover-computed",
        "A computed column that the model lacks keeps a tenant.",
        ' and "computed" not in column:',
        ":",
        (f"{_LEAVING}::test_a_column_that_the_model_lacks",),
    ),
    Mutant(
        "mover-referring",
        "Rows of a table without a model go with the tenant's.",
        "        if tables := [*_referring(connection, plan)]:",
        "        if tables := []:",
        (f"{_LEAVING}::test_rows_of_a_table_without_a_model_that_refer_to_the_tenants",),
    ),
    Mutant(
        "mover-keeping",
        "Rows stay behind that a trigger or rule keeps.",
        "        if keeping := [*_keeping(connection, plan)]:",
        "        if keeping := []:",
        (f"{_LEAVING}::test_rows_that_could_not_be_deleted",),
    ),
    Mutant(
        "mover-keeping-rule",
        "Rows stay behind that a rule keeps.",
        "WHERE ev_type = '4' AND is_instead",
        "WHERE ev_type = '9' AND is_instead",
        (f"{_LEAVING}::test_rows_that_could_not_be_deleted",),
    ),
    Mutant(
        "mover-keeping-disabled",
        "A trigger that is disabled keeps a tenant.",
        "NOT tgisinternal AND tgenabled <> 'D' AND ",
        "NOT tgisinternal AND ",
        (f"{_LEAVING}::test_rows_that_could_not_be_deleted",),
    ),
    Mutant(
        "mover-keeping-after",
        "A trigger that runs afterwards keeps a tenant.",
        "tgtype & 11 = 11",
        "tgtype & 9 = 9",
        (f"{_LEAVING}::test_a_trigger_after_rows_are_deleted_keeps_none",),
    ),
    Mutant(
        "mover-elsewhere",
        "Rows of another MetaData stay behind.",
        ("        if left := [table_label(each) for each in there if count_of(connection, each)]:"),
        "        if left := []:",
        (f"{_LEAVING}::test_rows_of_a_table_in_another_metadata",),
    ),
    Mutant(
        "gates-system",
        "Only the tenant's transactions are waited for.",
        "            for key in (lock_of(self._tenant_id), lock_of(None)):",
        "            for key in (lock_of(self._tenant_id),):",
        (
            _GATES,
            f"{_MOVING}::test_nothing_of_the_tenant_runs_while_its_copy_is_completed",
        ),
    ),
    Mutant(
        "gates-let-go",
        "The locks are kept until the server notices the end of a connection.",
        '                    _run(connection, "pg_advisory_unlock_all()")',
        "                    pass",
        (f"{_GATES}::test_it_lets_go_before_its_connection_is_closed",),
    ),
    Mutant(
        "place-unfinished",
        "A place is used before it is finished.",
        ('        connection.exec_driver_sql(f"CREATE TABLE {prefix}{UNFINISHED} (id integer)")\n'),
        "",
        (f"{_MAKING}::test_a_place_that_is_not_finished_is_closed_and_can_be_finished",),
    ),
    Mutant(
        "place-opened",
        "A place stays closed after it was finished.",
        "        if is_marked:",
        "        if False:",
        (f"{_MAKING}::test_a_place_that_is_not_finished_is_closed_and_can_be_finished",),
    ),
    Mutant(
        "place-ours",
        "The tables of something else are migrated.",
        "            _check_ours(tables, fleet, placement)\n",
        "            pass\n",
        (f"{_MAKING}::test_a_schema_of_something_else_is_left_alone",),
    ),
    Mutant(
        "place-verified",
        "A place that is less safe than the shared tables is opened.",
        "        _verify(engine, fleet, placement)\n",
        "        pass\n",
        (f"{_MAKING}::test_a_table_that_the_migrations_do_not_make_keeps_the_place_closed",),
    ),
    Mutant(
        "place-missing",
        "A place without some of the tables is opened.",
        '    if finding.kind == "table-missing" or (',
        "    if (",
        (f"{_MAKING}::test_a_table_that_the_migrations_do_not_make_keeps_the_place_closed",),
    ),
    Mutant(
        "differing-new",
        "Rows that came meanwhile are not copied.",
        "                    self.new.add(key)",
        "                    pass",
        (_DIFFERING,),
    ),
    Mutant(
        "differing-changed",
        "Rows that were changed meanwhile are not copied.",
        "                elif ours[key] != hash_:",
        "                elif False:",
        (_DIFFERING,),
    ),
    Mutant(
        "differing-gone",
        "Rows that were deleted meanwhile stay in the copy.",
        "                self.gone.add(key)",
        "                pass",
        (_DIFFERING,),
    ),
    Mutant(
        "differing-whole",
        "Rows without a primary key are not copied again.",
        "        self.is_whole = not rows.table.primary_key",
        "        self.is_whole = False",
        (
            _DIFFERING,
            _APPLYING,
        ),
    ),
    Mutant(
        "following-read",
        "What was committed is not read back.",
        "            if self._is_complete():",
        "            if True:",
        (_TRIGGERS,),
    ),
    Mutant(
        "following-quietly",
        "A trigger at the target changes what is copied.",
        "        for quietly in (False, True):",
        "        for quietly in (False,):",
        (_TRIGGERS,),
    ),
    Mutant(
        "following-killed",
        "A copy begins while that of a killed mover may still come.",
        '            if not take(connection, lock_of("the copy"), _PATIENCE):',
        "            if False:",
        (f"{_FOLLOWING}::test_a_copy_waits_for_the_end_of_one_whose_mover_was_killed",),
    ),
    Mutant(
        "settled",
        "The text of values depends on settings of a session.",
        "    connection.execute(statement, execution_options={REVIEWED: True})",
        "    pass",
        (
            _CHECKSUMS,
            _DIFFERING,
        ),
    ),
    Mutant(
        "placed-again",
        "Rows that are written while a place is made are left behind.",
        (
            "    # Again: to make a place takes a while.\n"
            "    _check_empty(fleet, tenant_id, source)\n"
        ),
        "",
        (
            f"{_PLACING}::test_a_tenant_with_rows_stays_where_it_is",
            f"{_PLACING}::test_rows_that_are_written_at_the_last_moment_are_not_left_behind",
        ),
    ),
    Mutant(
        "placed-last",
        "Rows that are written at the last moment are left behind.",
        (
            "    try:\n"
            "        # And again, where no gates keep the application away.\n"
            "        _check_empty(fleet, tenant_id, source)\n"
        ),
        "    try:\n        pass\n",
        (f"{_PLACING}::test_rows_that_are_written_at_the_last_moment_are_not_left_behind",),
    ),
)
