"""Mutants of declarations, and what follows from them."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant, leak

__all__ = ["MUTANTS"]

_OWNERSHIP: Final = f"{TESTS}/ownership"
_NULLS: Final = f"{TESTS}/ownership/test_rows_without_a_tenant.py"
_CASCADES: Final = f"{TESTS}/ownership/test_cascades.py"
_LATER_ATTRIBUTES: Final = f"{TESTS}/orm/test_later_attributes.py"
_REGISTRY: Final = f"{TESTS}/ownership/test_registry.py"
_SNAPSHOTS: Final = f"{TESTS}/test_snapshots.py"
_STATEMENTS: Final = f"{TESTS}/shared_rows/test_statements.py"

MUTANTS: Final = (
    Mutant(
        "cascade",
        "A DELETE or UPDATE may reach tenants' rows by a foreign key.",
        "    if found is not None:\n        verb",
        "    if found is None and False:\n        verb",
        (f"{_CASCADES}::test_a_delete_that_reaches_tenants_rows_is_refused",),
    ),
    Mutant(
        "cascade-null",
        "The database takes rows from their tenant.",
        " or defaults(edge) or _unties(edge)",
        " or defaults(edge)",
        (f"{_NULLS}::test_a_row_is_not_deleted_with_which_others_would_lose_their_tenant",),
    ),
    Mutant(
        "cascade-null-named",
        "A column that SET NULL names is overlooked.",
        '    return named == {""} or column.name.casefold() in named',
        '    return named == {""}',
        (f"{_NULLS}::test_every_action_that_writes_null_counts",),
    ),
    Mutant(
        "cascade-generation",
        "A foreign key that comes later is not followed.",
        "    if known[0] != generation:",
        "    if known[0] == -1:",
        (
            f"{_CASCADES}::test_a_foreign_key_that_comes_later_counts",
            f"{_CASCADES}::test_a_delete_that_reaches_tenants_rows_is_refused",
        ),
    ),
    Mutant(
        "shared-tie",
        "A tenant ties a row to one of everybody.",
        "                    owns and to_own,",
        "                    False,",
        (leak("shared rows: INSERT of a row that is tied to one, Offer"),),
    ),
    Mutant(
        "shared-value",
        "A tenant may have the identifier of the rows of everybody.",
        "        if tenant_id == shared or (accepts is not None and not accepts(tenant_id)):",
        "        if accepts is not None and not accepts(tenant_id):",
        (f"{_STATEMENTS}::test_a_tenant_with_the_value_of_the_shared_rows_is_refused",),
    ),
    Mutant(
        "generation-table",
        "A table that is defined later changes nothing.",
        "        # What is derived is derived again.\n        return {}",
        "        return None",
        (f"{_REGISTRY}::test_a_table_defined_after_its_parent_was_marked_is_tied",),
    ),
    Mutant(
        "foreign-key-told-of",
        "A column's own foreign key is not there yet when the registry is told of it.",
        "    found |= {each for each in list(table.constraints) if isinstance(each, "
        "ForeignKeyConstraint)}\n",
        "",
        (
            f"{_SNAPSHOTS}::test_a_columns_own_foreign_key_is_there_when_it_is_told_of",
            f"{_LATER_ATTRIBUTES}::test_a_column_is_checked_though_the_mapper_was_used_while_it_was_attached",
        ),
    ),
    Mutant(
        "folded-names",
        "A table's name in another case is another table.",
        "    return (None if schema in default_schemas else schema, name.casefold())",
        "    return (None if schema in default_schemas else schema, name)",
        (f"{_REGISTRY}::test_a_name_in_another_case_is_the_same_table",),
    ),
    Mutant(
        "other-schema",
        "The same name in an undeclared schema is nobody's.",
        "        if key[1].casefold() in self.names and self.find(key) is None:",
        "        if key[1] is None:",
        (f"{_REGISTRY}::test_the_same_name_in_another_schema_is_refused_until_declared",),
    ),
    Mutant(
        "default-schema",
        "The default schema by its name is another schema.",
        "None if schema in default_schemas else schema",
        "schema",
        (f"{_REGISTRY}::test_the_default_schema_by_name_is_the_same_table",),
    ),
    Mutant(
        "ambiguous-tie",
        "A table may be tied by what two tenants may have.",
        "        _check_unique(table, key, find)\n",
        "        pass\n",
        (_OWNERSHIP,),
    ),
)
