"""Mutants of connections and dialects."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_FOREIGN_KEYS: Final = f"{TESTS}/compiler/test_foreign_keys.py"
_GUARD: Final = f"{TESTS}/compiler/test_guard.py"
_DIALECTS: Final = f"{TESTS}/execution/test_dialects.py"
_HOOKS: Final = f"{TESTS}/execution/test_hooks.py"
_LATER_NAMESAKES: Final = f"{TESTS}/execution/test_later_namesakes.py"
_LOOKUPS: Final = f"{TESTS}/execution/test_lookups.py"
_REVIEWED: Final = f"{TESTS}/execution/test_reviewed.py"
_REGISTRY: Final = f"{TESTS}/ownership/test_registry.py"
_DATABASES: Final = f"{TESTS}/test_databases.py"
_INSTALL: Final = f"{TESTS}/test_install.py"

MUTANTS: Final = (
    Mutant(
        "reference-lookup",
        "A foreign key is not looked up.",
        "        if not _all_there(connection, written, values, list(wanted), others, where):",
        "        if not wanted:",
        (f"{_FOREIGN_KEYS}::test_another_tenants_row_is_refused_in_every_form",),
    ),
    Mutant(
        "driver-sql",
        "Driver SQL is not looked through.",
        "            checks.check(checks.RawText(statement, checks.Source.DRIVER_SQL, dialect))",
        "            pass",
        (f"{_HOOKS}::test_driver_sql_that_names_the_table_is_refused",),
    ),
    Mutant(
        "generation-fast",
        "A guarded dialect of an earlier generation is used in the usual case.",
        "        and cached[0] == registry.generation\n",
        "",
        (f"{_REGISTRY}::test_a_table_marked_later_is_not_served_from_the_older_cache",),
    ),
    Mutant(
        "generation",
        "A guarded dialect of an earlier generation is not replaced.",
        "    if cached is None or cached[0] != generation:",
        "    if cached is None:",
        (
            f"{_DIALECTS}::test_the_guarded_dialect_stays_the_same_until_the_registry_changes",
            f"{_REGISTRY}::test_a_table_marked_later_is_not_served_from_the_older_cache",
        ),
    ),
    Mutant(
        "search-path-kept",
        "A guarded dialect is kept though it is not known where names are looked for.",
        "        if not registry.has_namesakes or search_path(dialect) is not None:\n",
        "        if True:\n",
        (
            f"{_LATER_NAMESAKES}::test_a_guarded_dialect_without_a_connection_does_not_keep_the_path_unknown",
            f"{_LATER_NAMESAKES}::test_one_that_another_thread_declares_is_refused_from_the_next_statement_on",
        ),
    ),
    Mutant(
        "search-path-unknown",
        "As long as it is not known where names are looked for, none stands for another table.",
        "    return search_path is None or table[0].casefold() in search_path\n",
        "    return search_path is not None and table[0].casefold() in search_path\n",
        (
            f"{_LATER_NAMESAKES}::test_one_that_another_thread_declares_is_refused_in_the_same_statement",
            f"{_LATER_NAMESAKES}::test_one_that_is_noticed_in_a_statement_is_refused_there",
        ),
    ),
    Mutant(
        "precompiled",
        "A statement compiled beforehand is sent as it is.",
        "            compiled = compiled_again(compiled, self.dialect)\n",
        "",
        (f"{_GUARD}::test_a_statement_compiled_beforehand_is_confined_or_not_executable",),
        below="2.1",
    ),
    Mutant(
        "reviewed-no-tenant",
        "A reviewed statement runs without a tenant.",
        "        if reviewed and (binding is None or binding[0] is None):",
        "        if reviewed and binding is not None and binding[0] is None:",
        (f"{_REVIEWED}::test_a_reviewed_statement_needs_a_scope",),
    ),
    Mutant(
        "reviewed-false",
        "The option set to false reviews a statement.",
        "reviewed=bool(reviewed))",
        "reviewed=True)",
        (f"{_REVIEWED}::test_the_option_set_to_false_reviews_nothing",),
    ),
    Mutant(
        "reviewed-fast",
        "A reviewed statement's own option is not seen in the usual case.",
        "        and not (own_options and REVIEWED in own_options)\n",
        "",
        (f"{_REVIEWED}::test_a_statement_marked_as_reviewed_runs_in_every_form",),
    ),
    Mutant(
        "system-scope",
        "The system scope is confined.",
        "    if registry.is_empty or (binding is not None and type(binding[0]) is SystemContext):",
        "    if registry.is_empty:",
        (f"{_INSTALL}::test_the_system_scope_sees_and_changes_everything",),
    ),
    Mutant(
        "unbound-is-system",
        "Without any scope, everything is seen.",
        "    if registry.is_empty or (binding is not None and type(binding[0]) is SystemContext):",
        "    if registry.is_empty or binding is None or type(binding[0]) is SystemContext:",
        (f"{_INSTALL}::test_without_a_scope_tenants_rows_raise_and_nothing_is_sent",),
    ),
    Mutant(
        "own-compiler",
        "A dialect object with a compiler of its own is used.",
        '    if "statement_compiler" in dialect.__dict__:',
        "    if dialect is None:",
        (f"{_DIALECTS}::test_a_dialect_object_with_a_compiler_of_its_own_is_refused",),
    ),
    Mutant(
        "own-compiler-later",
        "A compiler given to a dialect later is used.",
        '        and "statement_compiler" not in attributes\n',
        "",
        (f"{_DIALECTS}::test_a_compiler_given_to_the_dialect_after_its_first_use_is_refused_too",),
    ),
    Mutant(
        "untested-dialect",
        "A dialect that was never tested is used.",
        "    except KeyError:\n        raise ConfigurationError(\n",
        (
            "    except KeyError:\n"
            "        return next(iter(DATABASES.values()))\n"
            "        raise ConfigurationError(\n"
        ),
        (f"{_DATABASES}::test_a_dialect_that_was_never_tested_is_refused",),
    ),
    Mutant(
        "subclass",
        "A subclass of a dialect is rendered by the compiler of its parent.",
        "        plain = kind.statement_compiler\n",
        "        plain = kind.__base__.statement_compiler\n",
        (
            f"{_DIALECTS}::test_a_subclass_of_a_tested_dialect_is_guarded",
            f"{_DIALECTS}::test_a_dialect_class_whose_compiler_leaves_out_the_condition_is_noticed",
        ),
    ),
    Mutant(
        "prove",
        "Nobody sees whether the guard has an effect.",
        "        _prove(cached[2])\n",
        "",
        (
            f"{_DIALECTS}::test_a_guard_without_effect_is_noticed_before_anything_is_sent",
            f"{_DIALECTS}::test_a_dialect_class_whose_compiler_leaves_out_the_condition_is_noticed",
        ),
    ),
    Mutant(
        "listener-first",
        "A listener executes a statement before it is looked through.",
        (
            "            check(self, dialect, context.statement, context.cursor, context)\n"
            "        if not is_raw"
        ),
        (
            "            result = single(self, dialect, context, statement, parameters)\n"
            "            check(self, dialect, context.statement, context.cursor, context)\n"
            "            return result\n"
            "        if not is_raw"
        ),
        (
            f"{_HOOKS}::test_driver_sql_is_checked_before_a_listener_executes_it",
            f"{_HOOKS}::test_foreign_keys_are_looked_up_before_a_listener_executes_the_statement",
        ),
    ),
    Mutant(
        "batches",
        "An INSERT of many rows in batches is not looked through.",
        (
            "        check(self, dialect, context.statement, context.cursor, context)\n"
            "        return many("
        ),
        "        return many(",
        (
            f"{_LOOKUPS}::test_a_core_statement_in_batches_looks_up_once",
            f"{_FOREIGN_KEYS}::test_another_tenants_row_is_refused_in_every_form",
        ),
    ),
)
