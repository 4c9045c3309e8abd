"""Mutants of two MetaData with one table."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_CONTRADICTIONS: Final = f"{TESTS}/ownership/test_contradictions.py"
_DECLARATION: Final = f"{TESTS}/ownership/test_declaration.py"

MUTANTS: Final = (
    Mutant(
        "declared-twice",
        "Two declarations of one table may contradict each other.",
        "    if earlier is not None and not agree(earlier, declaration):",
        "    if False:",
        (
            f"{_DECLARATION}::test_a_twin_cannot_be_shared",
            f"{_DECLARATION}::test_a_mixin_does_not_give_way_to_a_shared_twin",
        ),
    ),
    Mutant(
        "declared-column",
        "Two MetaData may name different tenant columns of one table.",
        "                earlier.column == later.column\n                and ",
        "                ",
        (f"{_CONTRADICTIONS}::test_two_metadata_do_not_declare_it_in_two_ways",),
    ),
    Mutant(
        "declared-type",
        "Two MetaData may declare tenants of different types for one table.",
        "                and earlier.python_type is later.python_type\n",
        "",
        (f"{_CONTRADICTIONS}::test_nor_for_tenants_of_two_types",),
    ),
    Mutant(
        "declared-shared-rows",
        "Two MetaData may name different shared rows of one table.",
        "                and earlier.shared_rows == later.shared_rows\n",
        "",
        (f"{_CONTRADICTIONS}::test_two_metadata_do_not_declare_it_in_two_ways",),
    ),
    Mutant(
        "declared-parent",
        "Two MetaData may name different parents of one table.",
        "            return earlier.parent == later.parent",
        "            return True",
        (f"{_CONTRADICTIONS}::test_two_metadata_do_not_declare_it_in_two_ways",),
    ),
    Mutant(
        "declared-tied",
        "A table is shared although another MetaData ties it to a tenant's rows.",
        (
            "            if tie is not None:\n"
            "                raise ConfigurationError(\n"
            '                    f"{table_label(table)} is declared twice'
        ),
        (
            "            if False:\n"
            "                raise ConfigurationError(\n"
            '                    f"{table_label(table)} is declared twice'
        ),
        (f"{_DECLARATION}::test_a_twin_of_a_tied_table_cannot_be_shared",),
    ),
    Mutant(
        "declared-elsewhere",
        "A declaration as shared counts for all MetaData.",
        (
            "        return self.table.metadata is metadata or any(each() is metadata for "
            "each in self.elsewhere)"
        ),
        "        return True",
        (f"{_DECLARATION}::test_a_twin_of_a_tied_table_cannot_be_shared",),
    ),
    Mutant(
        "declared-before",
        "Only the last MetaData that says so shares a tied table.",
        "        before = (*earlier.elsewhere, ref(earlier.table.metadata))",
        "        before = ()",
        (f"{_DECLARATION}::test_a_tied_table_that_both_share_on_purpose_is_shared",),
    ),
    Mutant(
        "declared-long-before",
        "Only the last two MetaData that say so share a tied table.",
        "        before = (*earlier.elsewhere, ref",
        "        before = (ref",
        (_DECLARATION,),
    ),
    Mutant(
        "declared-gone",
        "A declaration is kept for MetaData that are gone.",
        "Shared(self.table, tuple(each for each in before if each() is not None))",
        "Shared(self.table, before)",
        (_DECLARATION,),
    ),
    Mutant(
        "declared-apart-column",
        "A table with the tenant column is another database's.",
        "    if declared.table.metadata is table.metadata or has_column:",
        "    if declared.table.metadata is table.metadata:",
        (
            f"{_DECLARATION}::test_one_with_the_tenant_column_does_not_become_another_databases_afterwards",
        ),
    ),
    Mutant(
        "declared-apart-metadata",
        "A table that its own MetaData declares is another database's.",
        "    if declared.table.metadata is table.metadata or has_column:",
        "    if has_column:",
        (_DECLARATION,),
    ),
)
