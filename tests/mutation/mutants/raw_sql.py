"""Mutants of raw SQL."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_REWRITING: Final = f"{TESTS}/compiler/test_rewriting.py"
_STORED_QUERIES: Final = f"{TESTS}/compiler/test_stored_queries.py"
_WRITES: Final = f"{TESTS}/compiler/test_writes.py"
_CASCADES: Final = f"{TESTS}/ownership/test_cascades.py"
_MARKS: Final = f"{TESTS}/raw_sql/test_marks.py"
_CHECKS: Final = f"{TESTS}/raw_sql/test_checks.py"
_DDL: Final = f"{TESTS}/raw_sql/test_ddl.py"
_KEYWORDS: Final = f"{TESTS}/raw_sql/test_keywords.py"
_SETTINGS: Final = f"{TESTS}/raw_sql/test_settings.py"

MUTANTS: Final = (
    Mutant(
        "raw-names",
        "Raw SQL may name a tenants' table.",
        "    _names_a_table,\n",
        "",
        (f"{_CHECKS}::test_raw_sql_that_names_the_table_is_refused_wherever_it_stands",),
    ),
    Mutant(
        "raw-unnamed",
        "Raw SQL may reach rows without their table's name.",
        "    _reaches_unnamed,\n",
        "",
        (f"{_CHECKS}::test_what_reaches_rows_without_their_table_is_refused",),
    ),
    Mutant(
        "raw-setting",
        "Raw SQL may change whom the database sees.",
        "    _changes_tenant,\n",
        "",
        (f"{_SETTINGS}::test_sql_that_changes_the_role_or_the_setting_is_refused",),
    ),
    Mutant(
        "raw-reaches-out",
        "Raw SQL may reach out of its place.",
        "    _reaches_out,\n",
        "",
        (f"{_REWRITING}::test_text_with_unbalanced_parentheses_or_quotes_is_refused",),
    ),
    Mutant(
        "raw-cascade",
        "Raw SQL may have the database delete tenants' rows by a foreign key.",
        "    _cascades,\n",
        "",
        (
            f"{_CASCADES}::test_raw_sql_that_may_reach_tenants_rows_is_refused",
            f"{_CASCADES}::test_driver_sql_is_refused_except_in_a_system_scope_or_if_it_was_reviewed",
        ),
    ),
    Mutant(
        "raw-replace",
        "A prefix may make an INSERT a REPLACE.",
        "    _replaces,\n",
        "",
        (f"{_WRITES}::test_replace_is_refused_in_any_spelling",),
    ),
    Mutant(
        "raw-construct",
        "An application's construct may render a tenants' table by itself.",
        "    found = misplaced(text, names)\n",
        "    found = set()\n",
        (f"{_MARKS}::test_a_name_that_nothing_has_confined_is_found_where_a_table_stands",),
    ),
    Mutant(
        "ddl-drop",
        "A tenants' table may be dropped.",
        "        if isinstance(target, Table) and registry.ownership_of(target) is not None:",
        "        if target is None:",
        (f"{_DDL}::test_dropping_a_tenants_table_is_refused",),
    ),
    Mutant(
        "ddl-text",
        "DDL given as text is not looked through.",
        "    if isinstance(element, DDL) or _TOUCHES_ROWS.search(text):",
        "    if _TOUCHES_ROWS.search(text):",
        (f"{_DDL}::test_ddl_given_as_text_that_names_the_table_is_refused",),
    ),
    Mutant(
        "ddl-query",
        "A stored query is rendered without the guard.",
        "        return guarded\n    if isinstance(element, DropTable)",
        "        return plain\n    if isinstance(element, DropTable)",
        (f"{_STORED_QUERIES}::test_a_stored_query_on_a_tenants_table_is_refused",),
    ),
    Mutant(
        "word-after-anything",
        "A word of the language after any other word is no table.",
        "        return previous in _BEFORE_NO_TABLE or previous in _PHRASES.get(name, ())",
        "        return True",
        (_KEYWORDS,),
    ),
    Mutant(
        "word-in-a-list",
        "A word of the language in parentheses behind a comma is no table.",
        "        if previous == _LISTED:\n            return False\n",
        "",
        (_KEYWORDS,),
    ),
)
