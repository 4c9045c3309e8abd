"""Mutants of what a statement may write."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant, leak

__all__ = ["MUTANTS"]

_DEFAULTS: Final = f"{TESTS}/compiler/test_defaults.py"
_FOREIGN_KEYS: Final = f"{TESTS}/compiler/test_foreign_keys.py"
_NOTES: Final = f"{TESTS}/compiler/test_notes.py"
_NULLS: Final = f"{TESTS}/compiler/test_nulls.py"
_NUMBERED: Final = f"{TESTS}/compiler/test_numbered_keys.py"
_PARAMETERS: Final = f"{TESTS}/compiler/test_parameters.py"
_PROOFS: Final = f"{TESTS}/compiler/test_proofs.py"
_UPSERTS: Final = f"{TESTS}/compiler/test_upserts.py"
_WRITES: Final = f"{TESTS}/compiler/test_writes.py"
_INSTALL: Final = f"{TESTS}/test_install.py"

MUTANTS: Final = (
    Mutant(
        "insert-filled",
        "An INSERT that leaves the tenant out is not given it.",
        "        completed[key] = filled(rule, operation)",
        "        pass",
        (f"{_PARAMETERS}::test_a_left_out_tenant_is_filled_in_every_form",),
    ),
    Mutant(
        "given-value",
        "A tenant given as a parameter's value is not compared with the one in scope.",
        "        if not rule.is_same_tenant(value, tenant_id):\n            _refuse_other",
        "        if type(value) is not type(tenant_id):\n            _refuse_other",
        (f"{_PARAMETERS}::test_a_wrong_tenant_in_an_insert_is_refused_in_every_form",),
    ),
    Mutant(
        "given-type",
        "A tenant of an equal value and another type is let through.",
        "        if not rule.is_same_tenant(value, tenant_id):\n            _refuse_other",
        "        if value != tenant_id:\n            _refuse_other",
        (f"{_PARAMETERS}::test_a_given_tenant_of_an_equal_value_and_another_type_is_refused",),
    ),
    Mutant(
        "given-in-values",
        "A tenant in VALUES is not checked.",
        "checked(BindParameter(None, value, type_=rule.type_, unique=True), rule, operation)",
        "BindParameter(None, value, type_=rule.type_, unique=True)",
        (f"{_PARAMETERS}::test_a_wrong_tenant_in_an_insert_is_refused_in_every_form",),
    ),
    Mutant(
        "given-with-execution",
        "A tenant that comes with the execution is not checked.",
        "        completed[passed_key] = checked(",
        "        completed[passed_key] = (lambda bind, *_: bind)(",
        (f"{_PARAMETERS}::test_a_wrong_tenant_in_an_insert_is_refused_in_every_form",),
    ),
    Mutant(
        "given-computed",
        "A computed tenant in an INSERT is let through.",
        "        _refuse_computed(rule)\n    return checked",
        "        return value\n    return checked",
        (f"{_WRITES}::test_a_computed_tenant_in_an_insert_is_refused",),
    ),
    Mutant(
        "placeholder",
        "A parameter under the name of the tenant's is taken for it.",
        "        if value is not _PLACEHOLDER and not rule.is_same_tenant(value, checked_id):\n",
        ("        if value is not _PLACEHOLDER:\n            return value\n        if False:\n"),
        (f"{_PARAMETERS}::test_a_parameter_under_the_name_of_the_tenants_does_not_take_its_place",),
    ),
    Mutant(
        "upsert-where",
        "An upsert may change another tenant's row.",
        "    if plan.where:\n        given = on_conflict",
        "    if not plan.where:\n        given = on_conflict",
        (f"{_UPSERTS}::test_an_upsert_changes_a_row_of_the_tenant_only",),
    ),
    Mutant(
        "upsert-set",
        "An upsert may set the tenant column.",
        "    by_key = _with_tenant(by_key, target, frozenset(), updates=True)\n",
        "    target.checked.update(names)\n",
        (f"{_UPSERTS}::test_an_upsert_that_sets_the_tenant_is_refused",),
    ),
    Mutant(
        "set",
        "An UPDATE may set the tenant column.",
        "        if not (updates and _is_same_tenant(completed[key], rule, target)):",
        "        if not updates:",
        (f"{_WRITES}::test_a_tenant_column_in_a_set_is_refused",),
    ),
    Mutant(
        "set-parameters",
        "An executemany UPDATE may set the tenant column.",
        "    for passed_key in names_of(passed, target.table).values():",
        "    for passed_key in () if updates else names_of(passed, target.table).values():",
        (f"{_WRITES}::test_a_tenant_column_among_the_parameters_of_an_update_is_refused",),
    ),
    Mutant(
        "reference-orphan",
        "A tied row may be inserted without its parent.",
        "        if reference.owns and missing:",
        "        if False:",
        (f"{_FOREIGN_KEYS}::test_a_row_that_would_belong_to_no_tenant_is_refused",),
    ),
    Mutant(
        "reference-default",
        "A default's foreign key is not looked up.",
        "            self._target.notes.defaults.append((note, column.key))",
        "            pass",
        (f"{_DEFAULTS}::test_a_default_that_points_at_another_tenants_row_is_refused",),
    ),
    Mutant(
        "expression",
        "A foreign key may be set to any expression.",
        "        if not proof.of(value):",
        "        if value is None:",
        (f"{_PROOFS}::test_an_expression_that_could_yield_another_tenants_row_is_refused",),
    ),
    Mutant(
        "expression-parameter",
        "A parameter within an expression is not looked up.",
        "                self.parameters.append(value)",
        "                pass",
        (f"{_NOTES}::test_a_parameter_within_an_expression_is_looked_up",),
    ),
    Mutant(
        "alias-as-new-row",
        "Any alias with the name of an upsert's new row is taken for it.",
        "is not None and table_key(written) == table_key(table)",
        "is not None",
        (_PROOFS,),
    ),
    Mutant(
        "expression-coalesce",
        "One proven part proves a coalesce().",
        "return all(map(self._of, arguments))",
        "return any(map(self._of, arguments))",
        (f"{_PROOFS}::test_an_expression_that_could_yield_another_tenants_row_is_refused",),
    ),
    Mutant(
        "expression-case",
        "One proven result proves a CASE.",
        "return all(self._of(each) for each in [*results, value.else_] if",
        "return any(self._of(each) for each in [*results, value.else_] if",
        (f"{_PROOFS}::test_an_expression_that_could_yield_another_tenants_row_is_refused",),
    ),
    Mutant(
        "expression-column",
        "Any column called like the parent's key proves a foreign key.",
        "(*table_key(table), column.name) == (*parent, self._reference.parent_columns[0])",
        "column.name == self._reference.parent_columns[0]",
        (f"{_PROOFS}::test_an_expression_that_could_yield_another_tenants_row_is_refused",),
    ),
    Mutant(
        "writes-as-one",
        "The foreign keys of an upsert's VALUES and of its SET are taken for one.",
        "        self._row = object()",
        "        self._row = None",
        (f"{_FOREIGN_KEYS}::test_upserts_check_what_they_insert_and_what_they_set",),
    ),
    Mutant(
        "database-default",
        "A foreign key that is left out is what the database's default says.",
        "if reference.is_computed or not reference.made_by_database.isdisjoint(missing):",
        "if reference.is_computed:",
        (f"{_DEFAULTS}::test_a_default_of_the_databases_is_refused_where_it_would_be_used",),
    ),
    Mutant(
        "null-made-a-key",
        "A database may write a number instead of NULL into a foreign key.",
        "            if column.name in filled(note.reference, self._target.database):",
        "            if False:",
        (f"{_NUMBERED}::test_the_database_does_not_number_a_foreign_key",),
    ),
    Mutant(
        "null-passed",
        "A database may write a number instead of a parameter that is None.",
        "    columns = filled(reference, database_for(connection.dialect))\n",
        "    columns = ()\n",
        (f"{_NUMBERED}::test_the_database_does_not_number_a_foreign_key",),
    ),
    Mutant(
        "zero-numbered",
        "The database writes the next number instead of a 0 into a foreign key.",
        "        if reference.numbered:\n",
        "        if False:\n",
        (f"{_NUMBERED}::test_the_database_makes_no_number_of_a_0",),
    ),
    Mutant(
        "zero-expression",
        "The database writes the next number instead of a selected 0 into a foreign key.",
        "    if makes_number_of_0(reference, name, database):\n        value",
        "    if False:\n        value",
        (f"{_NUMBERED}::test_the_database_makes_no_number_of_a_0",),
    ),
    Mutant(
        "null-expression",
        "An expression that may be NULL makes a row that belongs to no tenant.",
        "not in reference.not_null)) or is_never():",
        "not in reference.not_null)) or True:",
        (f"{_NULLS}::test_an_update_takes_no_parent_away",),
    ),
    Mutant(
        "null-ignored",
        "IGNORE makes a key of NULL where the statement is to fail.",
        "        if self.fails_on_null and _IGNORES_ERRORS.search(text):",
        "        if False:",
        (f"{_NULLS}::test_null_does_not_become_0",),
    ),
    Mutant(
        "null-outer-join",
        "A column that is NOT NULL is never NULL behind an outer join.",
        "    return any(map(_is_outer, source.get_final_froms()))",
        "    return False",
        (f"{_NULLS}::test_an_insert_from_select_makes_no_row_without_a_parent",),
    ),
    Mutant(
        "tenant-parameter-type",
        "A parameter of another type stores another tenant than the one that was checked.",
        "        clone.type = rule.type_\n",
        "",
        (f"{_WRITES}::test_a_tenant_is_stored_by_the_columns_own_type",),
    ),
    Mutant(
        "shared-name",
        "A foreign key is converted by the type of another parameter of its name.",
        "                if name in names and _converts_apart(bind, type_, dialect):",
        "                if False:",
        (f"{_NOTES}::test_a_parameter_with_the_name_of_another_one_is_converted_by_its_own_type",),
    ),
    Mutant(
        "from-select-tenant",
        "INSERT ... SELECT takes whatever tenant the SELECT yields.",
        (
            "            _check_selected_tenant(source, names.index(key), rule)\n"
            '            selected[names.index(key)] = filled(rule, "INSERT")\n'
        ),
        "            pass\n",
        (leak("insert: from a SELECT of a literal tenant"),),
    ),
    Mutant(
        "from-select-reference",
        "INSERT ... SELECT may select any foreign key.",
        "            found = check_selected(source, position, reference, target.references_of)",
        "            found = ()",
        (
            f"{_FOREIGN_KEYS}::test_insert_from_select_refuses_references_that_could_be_another_tenants",
        ),
    ),
    Mutant(
        "tenant-type",
        "A tenant of another type than the column's is coerced.",
        "    if type(tenant_id) is not rule.python_type:",
        "    if tenant_id is None:",
        (
            f"{_PARAMETERS}::test_a_tenant_of_another_type_is_a_configuration_error_and_never_coerced",
        ),
    ),
    Mutant(
        "parentheses-value",
        "Raw SQL in a SET may go on with another column.",
        "{column: parenthesize_value(value) for column, value in values.items()}",
        "dict(values)",
        (
            leak("fragment: text in a SET that goes on"),
            leak("fragment: text in a SET with another column behind it"),
        ),
    ),
    Mutant(
        "no-tenant",
        "Without a tenant, a statement is sent for an empty one.",
        "        _no_tenant(rule.label, operation, bound)\n",
        "        return rule.python_type()\n",
        (f"{_INSTALL}::test_without_a_scope_tenants_rows_raise_and_nothing_is_sent",),
    ),
)
