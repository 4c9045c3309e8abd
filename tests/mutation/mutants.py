"""Mutants of the guard, and the tests that must fail for each.

A mutant replaces a text that occurs exactly once in ``adapters/sqlalchemy``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A mutant of the guard.

    Attributes:
        name: its name on the command line.
        meaning: the guard's wrong behaviour.
        old: the text to replace.
        new: its replacement.
        targets: the tests for pytest, of which one must fail.
        below: the first release of SQLAlchemy on which the text is never reached, if any.
    """

    name: str
    meaning: str
    old: str
    new: str
    targets: tuple[str, ...]
    below: str = ""


_TESTS: Final = "tests/adapters/sqlalchemy"
_SHARED_STATEMENTS: Final = f"{_TESTS}/shared_rows/test_statements.py"
_COMPILER: Final = f"{_TESTS}/compiler/test_compiler.py"
_PLACEMENT: Final = f"{_TESTS}/compiler/test_placement.py"
_RAW_PARTS: Final = f"{_TESTS}/compiler/test_raw_parts.py"
_UPSERTS: Final = f"{_TESTS}/compiler/test_upserts.py"
_WRITES: Final = f"{_TESTS}/compiler/test_writes.py"
_FOREIGN_KEYS: Final = f"{_TESTS}/compiler/test_foreign_keys.py"
_PROOFS: Final = f"{_TESTS}/compiler/test_proofs.py"
_LOADED: Final = f"{_TESTS}/orm/test_loaded.py"
_LOOKUPS: Final = f"{_TESTS}/execution/test_lookups.py"
_EVALUATION: Final = f"{_TESTS}/compiler/test_evaluation.py"
_FENCES: Final = f"{_TESTS}/compiler/test_fences.py"
_PARAMETERS: Final = f"{_TESTS}/compiler/test_parameters.py"
_CTE_NAMES: Final = f"{_TESTS}/compiler/test_cte_names.py"
_DIALECTS: Final = f"{_TESTS}/execution/test_dialects.py"
_LEAVING: Final = f"{_TESTS}/orm/moving/test_leaving.py"
_STAYING: Final = f"{_TESTS}/orm/moving/test_staying.py"
_PATTERNS: Final = f"{_TESTS}/orm/moving/test_patterns.py"
_QUERIES: Final = f"{_TESTS}/orm/moving/test_queries.py"
_SESSIONS: Final = f"{_TESTS}/orm/test_sessions.py"
_INSTALL: Final = f"{_TESTS}/test_install.py"
_SCOPE_RULES: Final = f"{_TESTS}/test_scope_rules.py"
_CHECKS: Final = f"{_TESTS}/raw_sql/test_checks.py"
_DDL: Final = f"{_TESTS}/raw_sql/test_ddl.py"
_REGISTRY: Final = f"{_TESTS}/ownership/test_registry.py"
_CASCADES: Final = f"{_TESTS}/ownership/test_cascades.py"
_DERIVATION: Final = f"{_TESTS}/ownership/test_derivation.py"

_NOTHING_EVALUATED: Final = "test_nothing_is_evaluated_on_another_tenants_rows"


def _leak(way: str) -> str:
    """Return the test of an attack from ``tests/leaks``."""
    test = "test_a_way_to_another_tenants_rows_is_confined_or_refused"
    return f"tests/leaks/test_leaks.py::{test}[{way} | sqlite | sync]"


MUTANTS: Final = (
    Mutant(
        "where",
        "A SELECT gets no predicate.",
        "        confined = with_criteria(select, plan)",
        "        confined = select",
        (f"{_COMPILER}::test_every_read_returns_the_tenants_rows_and_loses_none",),
    ),
    Mutant(
        "alias",
        "An alias of a table is not known as that table.",
        (
            "    while isinstance(element, Alias | TableSample):\n"
            "        element = element.element\n"
            "    return"
        ),
        (
            "    while isinstance(element, TableSample):\n"
            "        element = element.element\n"
            "    return"
        ),
        (f"{_COMPILER}::test_every_read_returns_the_tenants_rows_and_loses_none",),
    ),
    Mutant(
        "outer-join-unfiltered",
        "The nullable side of an outer join gets no predicate.",
        "                if on:\n",
        "                if not on:\n",
        (f"{_COMPILER}::test_every_read_returns_the_tenants_rows_and_loses_none",),
    ),
    Mutant(
        "outer-join-in-where",
        "The predicate of an outer join's nullable side stands in the WHERE.",
        "                    self.on[element] = on",
        "                    sink.extend(on)",
        (f"{_COMPILER}::test_every_read_returns_the_tenants_rows_and_loses_none",),
    ),
    Mutant(
        "full-join",
        "The sides of a full join are not filtered before they meet.",
        "                self.derived[element] = criteria",
        "                pass",
        (
            f"{_PLACEMENT}::test_a_full_join_shows_the_tenants_rows_of_both_sides",
            f"{_COMPILER}::test_every_read_returns_the_tenants_rows_and_loses_none",
        ),
    ),
    Mutant(
        "full-join-schema",
        "A column of a derived table is qualified by the schema that it no longer has.",
        'place.get("include_table", True) and table in self._without_schema',
        "False",
        (f"{_PLACEMENT}::test_a_full_join_of_tables_with_a_schema_is_confined",),
    ),
    Mutant(
        "update-delete",
        "UPDATE and DELETE get no predicate on their target.",
        "        final = state.statement = with_criteria(final, plan)",
        "        pass",
        (f"{_WRITES}::test_an_update_and_a_delete_change_the_tenants_rows_only",),
    ),
    Mutant(
        "update-from",
        "The further tables of an UPDATE ... FROM get no predicate.",
        "[final.table, *further_tables(state)]",
        "[final.table]",
        (f"{_WRITES}::test_an_update_from_another_table_reads_the_tenants_rows_only",),
    ),
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
        ("        if not rule.is_same_tenant(value, tenant_id):\n            _refuse_other"),
        ("        if type(value) is not type(tenant_id):\n            _refuse_other"),
        (f"{_PARAMETERS}::test_a_wrong_tenant_in_an_insert_is_refused_in_every_form",),
    ),
    Mutant(
        "given-type",
        "A tenant of an equal value and another type is let through.",
        ("        if not rule.is_same_tenant(value, tenant_id):\n            _refuse_other"),
        ("        if value != tenant_id:\n            _refuse_other"),
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
        ("        _refuse_computed(rule)\n    return checked"),
        ("        return value\n    return checked"),
        (f"{_WRITES}::test_a_computed_tenant_in_an_insert_is_refused",),
    ),
    Mutant(
        "placeholder",
        "A parameter under the name of the tenant's is taken for it.",
        ("        if value is not _PLACEHOLDER:\n            raise"),
        (
            "        if value is not _PLACEHOLDER:\n"
            "            return value\n"
            "        if False:\n"
            "            raise"
        ),
        (f"{_PARAMETERS}::test_a_parameter_under_the_name_of_the_tenants_does_not_take_its_place",),
    ),
    Mutant(
        "upsert-where",
        "An upsert may change another tenant's row.",
        ("    if plan.where:\n        given = on_conflict"),
        ("    if not plan.where:\n        given = on_conflict"),
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
        "tied",
        "A tied table gets no EXISTS.",
        "            if proven is None or not proven.has(element, tie):",
        "            if proven is None:",
        (
            f"{_DERIVATION}::test_a_table_with_a_mandatory_key_is_tied",
            f"{_WRITES}::test_a_tied_table_is_updated_and_deleted_in_the_tenants_rows_only",
        ),
    ),
    Mutant(
        "tied-proof-outer",
        "An outer join proves a tied row that need not have a partner.",
        "nullable is None or (child.table in nullable and parent.table not in nullable)",
        "nullable is None or child.table is not parent.table",
        (_leak("join: a tied table left-joined to its parent"),),
    ),
    Mutant(
        "tied-proof-equality",
        "Any comparison with the parent's key proves a tied row.",
        "            and each.operator is operators.eq\n",
        "",
        (_leak("join: a tied table to its parent by an ON that is no equality"),),
    ),
    Mutant(
        "tied-proof-and",
        "A term of an OR proves a tied row.",
        "isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:",
        "isinstance(criterion, BooleanClauseList):",
        (_leak("join: a tied table to its parent by an ON with OR"),),
    ),
    Mutant(
        "reference-lookup",
        "A foreign key is not looked up.",
        "        if not _all_there(connection, written, list(wanted), where):",
        "        if not wanted:",
        (f"{_FOREIGN_KEYS}::test_another_tenants_row_is_refused_in_every_form",),
    ),
    Mutant(
        "reference-orphan",
        "A tied row may be inserted without its parent.",
        "            if reference.owns and not self._updates:",
        "            if reference.owns and self._updates:",
        (f"{_FOREIGN_KEYS}::test_a_row_that_would_belong_to_no_tenant_is_refused",),
    ),
    Mutant(
        "reference-default",
        "A default's foreign key is not looked up.",
        "            self._target.notes.defaults.append((note, column.key))",
        "            pass",
        (f"{_FOREIGN_KEYS}::test_a_default_that_points_at_another_tenants_row_is_refused",),
    ),
    Mutant(
        "reference-proven-run",
        "An object put into the session by hand proves a foreign key.",
        "        and connection in (loads.runs.get(state.runid), loads.inserted.get(state))\n",
        "",
        (
            f"{_LOADED}::test_a_detached_parent_made_by_hand_proves_nothing_beside_one_that_was_loaded",
        ),
    ),
    Mutant(
        "reference-proven-transaction",
        "An object of an earlier transaction proves a foreign key.",
        "        loads.transaction is _transaction(session)\n",
        "        loads.transaction is not None\n",
        (f"{_LOADED}::test_an_object_of_an_earlier_transaction_proves_nothing",),
    ),
    Mutant(
        "reference-proven-flush",
        "What a flush has looked up holds for another tenant.",
        "return bool(self.session_id) and binding is not None and binding[0] == self._bound",
        "return bool(self.session_id) and binding is not None",
        (f"{_LOADED}::test_what_a_flush_has_looked_up_proves_nothing_to_another_tenant",),
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
        (f"{_PROOFS}::test_a_parameter_within_an_expression_is_looked_up",),
    ),
    Mutant(
        "alias-as-new-row",
        "Any alias with the name of an upsert's new row is taken for it.",
        "is not None and table_key(written) == table_key(table)",
        "is not None",
        (f"{_TESTS}/compiler/test_proofs.py",),
    ),
    Mutant(
        "expression-coalesce",
        "One proven part proves a coalesce().",
        "return all(map(self.of, arguments))",
        "return any(map(self.of, arguments))",
        (f"{_PROOFS}::test_an_expression_that_could_yield_another_tenants_row_is_refused",),
    ),
    Mutant(
        "expression-case",
        "One proven result proves a CASE.",
        "return all(self.of(each) for each in [*results, value.else_] if",
        "return any(self.of(each) for each in [*results, value.else_] if",
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
        "            if not reference.made_by_database.isdisjoint(missing):",
        "            if False:",
        (f"{_FOREIGN_KEYS}::test_a_default_of_the_databases_is_refused_where_it_would_be_used",),
    ),
    Mutant(
        "from-select-tenant",
        "INSERT ... SELECT takes whatever tenant the SELECT yields.",
        (
            "        _check_selected_tenant(source, names.index(key), rule)\n"
            "    columns = _nulls_first(source, list(inner.c))\n"
            "    selected = [\n"
            '        filled(rule, "INSERT") if name == key else column\n'
            "        for name, column in zip(names, columns, strict=True)\n"
            "    ]\n"
        ),
        ("        pass\n    selected = list(inner.c)\n"),
        (_leak("insert: from a SELECT of a literal tenant"),),
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
        (f"{_CHECKS}::test_sql_that_changes_the_role_or_the_setting_is_refused",),
    ),
    Mutant(
        "raw-reaches-out",
        "Raw SQL may reach out of its place.",
        "    _reaches_out,\n",
        "",
        (f"{_RAW_PARTS}::test_text_with_unbalanced_parentheses_or_quotes_is_refused",),
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
        (
            _leak("compiles: a statement on a table that the preparer renders"),
            _leak("compiles: a DELETE on a table that the preparer renders"),
            _leak("compiles: an expression on a table that stands in the FROM as well"),
        ),
    ),
    Mutant(
        "driver-sql",
        "Driver SQL is not looked through.",
        "            checks.check(checks.RawText(statement, checks.Source.DRIVER_SQL, dialect))",
        "            pass",
        (f"{_INSTALL}::test_driver_sql_that_names_the_table_is_refused",),
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
        ("        return guarded\n    if isinstance(element, DropTable)"),
        ("        return plain\n    if isinstance(element, DropTable)"),
        (f"{_COMPILER}::test_a_stored_query_on_a_tenants_table_is_refused",),
    ),
    Mutant(
        "cascade",
        "A DELETE or UPDATE may reach tenants' rows by a foreign key.",
        ("    if found is not None:\n        verb"),
        ("    if found is None and False:\n        verb"),
        (f"{_CASCADES}::test_a_delete_that_reaches_tenants_rows_is_refused",),
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
        "session-emptied",
        "A session keeps the objects of the tenant that it served.",
        "        move(session, serves, bound)",
        "        pass",
        (f"{_SESSIONS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "moving-known",
        "Every object stays in a session that goes on in another scope.",
        " or belongs(state, bound) or _is_shared_row(state):",
        " or True:",
        (f"{_SESSIONS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "shared-update",
        "A tenant's UPDATE reaches the rows of everybody.",
        "        return self.is_own or element in self._written",
        "        return self.is_own",
        (f"{_SHARED_STATEMENTS}::test_update_and_delete_reach_no_shared_row",),
    ),
    Mutant(
        "shared-chain",
        "Whose a row is, is told by a row of everybody that it refers to.",
        "            if rule.shared_rows is None:",
        "            if True:",
        (f"{_SHARED_STATEMENTS}::test_a_tenant_reads_its_own_rows_and_the_shared_ones",),
    ),
    Mutant(
        "shared-tie",
        "A tenant ties a row to one of everybody.",
        "                    owns and to_own,",
        "                    False,",
        (f"{_SHARED_STATEMENTS}::test_a_tenant_ties_no_row_to_a_shared_one",),
    ),
    Mutant(
        "shared-value",
        "A tenant may have the identifier of the rows of everybody.",
        "        if tenant_id == shared or (accepts is not None and not accepts(tenant_id)):",
        "        if accepts is not None and not accepts(tenant_id):",
        (f"{_SHARED_STATEMENTS}::test_a_tenant_with_the_value_of_the_shared_rows_is_refused",),
    ),
    Mutant(
        "shared-join",
        "An UPDATE trusts that the parent to which it joins is the tenant's own.",
        "            proven = None\n        for tie",
        "            pass\n        for tie",
        (f"{_SHARED_STATEMENTS}::test_an_update_that_joins_the_parent_reaches_no_shared_row",),
    ),
    Mutant(
        "moving-seen",
        "A tied object stays whichever tenant's scope it was seen in.",
        "    return bool(state.__dict__.get(_OF) == (bound, state.runid))",
        "    return bool(state.__dict__.get(_OF))",
        (f"{_LEAVING}::test_a_tied_object_of_another_tenant_leaves_after_a_system_scope",),
    ),
    Mutant(
        "moving-lost",
        "A change to an object that has left its session is accepted and lost.",
        "    if state.key is not None and state.session_id is None:",
        "    if False:",
        (f"{_LEAVING}::test_a_change_to_an_object_that_has_left_raises",),
    ),
    Mutant(
        "moving-collections",
        "A shared object keeps a collection of the former tenant's objects.",
        "by a tenant's rows.\n        gone += _unchanged(state, state.mapper.relationships.keys())",
        "by a tenant's rows.\n        gone += []",
        (f"{_STAYING}::test_a_shared_object_forgets_tenants_rows",),
    ),
    Mutant(
        "moving-tied",
        "An object that is tied to another tenant's row stays in the session.",
        "        if held is None or not belongs(instance_state(held), bound):",
        "        if held is None:",
        (f"{_LEAVING}::test_a_tied_object_goes_where_its_parent_goes",),
    ),
    Mutant(
        "moving-tied-changed",
        "A new foreign key decides to which tenant an object belongs.",
        "        if not state.committed_state.keys().isdisjoint(attributes):\n            return",
        "        if False:\n            return",
        (f"{_LEAVING}::test_a_tied_object_whose_parent_was_changed_does_not_stay",),
    ),
    Mutant(
        "moving-inserted",
        "A row that the transaction has inserted is looked up before it is referred to.",
        "            note_inserted(self._session, self._connection, self._objects)",
        "            pass",
        (f"{_QUERIES}::test_a_scope_costs_no_query",),
    ),
    Mutant(
        "moving-flush",
        "A tenant's pending work is flushed in a system scope.",
        "        entered = None if own is None else bind(own)",
        "        entered = None",
        (f"{_PATTERNS}::test_pending_work_is_flushed_in_its_own_scope",),
    ),
    Mutant(
        "moving-unseen",
        "The deletion of an object that another tenant has is dropped with a warning.",
        "        if is_unseen(state):",
        "        if False:",
        (f"{_STAYING}::test_an_expired_object_of_another_tenant_is_not_deleted",),
    ),
    Mutant(
        "session-pending",
        "A session with pending work may serve another tenant.",
        "        if not all(belongs(each, bound) for each in pending):",
        "        if session.deleted:",
        (
            f"{_SESSIONS}::test_a_session_with_pending_work_refuses_another_tenant_and_drops_nothing",
        ),
    ),
    Mutant(
        "session-statement",
        "A statement of a session does not ask whom it serves.",
        "            serve(session)\n        connection = connection_for_bind(",
        "            pass\n        connection = connection_for_bind(",
        (
            f"{_SESSIONS}::test_get_does_not_answer_with_what_the_first_tenants_query_has_loaded",
            f"{_SESSIONS}::test_a_query_with_identical_rows_is_not_answered_from_memory",
        ),
    ),
    Mutant(
        "session-attach",
        "Another tenant's detached object may be added.",
        ("    if state.key is not None:\n        refuse_object_of_other_tenant(session, state)\n"),
        "    pass\n",
        (
            f"{_SESSIONS}::test_another_tenants_detached_object_changes_nothing",
            f"{_SESSIONS}::test_another_tenants_detached_object_does_not_answer_get",
        ),
    ),
    Mutant(
        "identity-map",
        "get() answers from memory whoever is bound.",
        "        serve_lookup(self, mapper)\n",
        "",
        (f"{_SESSIONS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "identity-map-unbound",
        "Without a tenant, get() answers from memory.",
        "    elif session._tenantshield_serves is not None and info_of(mapper).is_owned:",
        "    elif session is None:",
        (f"{_SESSIONS}::test_without_a_scope_memory_does_not_answer",),
    ),
    Mutant(
        "merge",
        "merge(load=False) takes another tenant's object.",
        ("    if not load:\n        refuse_object_of_other_tenant(session, state)\n"),
        "    pass\n",
        (
            f"{_SESSIONS}::test_merge_without_loading_does_not_take_another_tenants_object",
            f"{_SESSIONS}::test_a_frozen_result_of_another_tenants_is_not_merged",
        ),
    ),
    Mutant(
        "lazy-load",
        "An object loads more under another tenant.",
        "        serve_object(state)\n",
        "",
        (
            f"{_SESSIONS}::test_an_unloaded_relationship_is_not_answered_wrongly_in_another_scope",
            f"{_SESSIONS}::test_a_collection_is_not_loaded_in_another_tenants_scope",
        ),
    ),
    Mutant(
        "streamed",
        "A streamed result may be read on under another tenant.",
        "result.iterator = chain.from_iterable(_checked(chunks, check, result._yield_per))",
        "pass",
        (
            f"{_SCOPE_RULES}::test_a_streamed_result_read_on_in_another_scope_runs_nothing_there",
            f"{_SCOPE_RULES}::test_a_streamed_result_read_on_in_another_scope_puts_nothing_into_the_session",
        ),
    ),
    Mutant(
        "result",
        "A result may be read first under another tenant.",
        "            result.iterator = chain(iter(check, None), first, rows)",
        "            pass",
        (
            f"{_SCOPE_RULES}::test_a_result_read_first_in_another_scope_runs_nothing_and_keeps_its_rows",
        ),
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
        "generation-table",
        "A table that is defined later changes nothing.",
        ("            if self._state.knows(metadata):\n                self._renew()"),
        "            pass",
        (f"{_REGISTRY}::test_a_table_defined_after_its_parent_was_marked_is_tied",),
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
        "exact",
        "A column's collation may fold two tenants into one.",
        'TenantEquality(column, tenant, " COLLATE BINARY", shared=shared)',
        "TenantEquality(column, tenant, shared=shared)",
        (
            f"{_PARAMETERS}::test_a_collation_that_folds_case_does_not_fold_tenants",
            f"{_PARAMETERS}::test_a_collation_that_only_the_database_knows_does_not_fold_tenants",
        ),
    ),
    Mutant(
        "exact-type",
        "A type's own comparison may fold two tenants into one.",
        'is_same = TenantEquality(column, tenant, " COLLATE BINARY", shared=shared)',
        "is_same = column == tenant",
        (f"{_PARAMETERS}::test_a_type_that_folds_case_when_it_compares_does_not_fold_tenants",),
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
        "parentheses-where",
        "An OR in raw SQL stands beside the predicate.",
        "parenthesize(statement._where_criteria) if own is None else own",
        "statement._where_criteria if own is None else own",
        (f"{_RAW_PARTS}::test_an_or_in_text_cannot_widen_a_statement",),
    ),
    Mutant(
        "parentheses-on",
        "An OR in raw SQL stands beside the predicate of an ON.",
        "*(parenthesize(conjuncts(on)) if own is None else own)",
        "*([on] if own is None else own)",
        (f"{_RAW_PARTS}::test_an_or_in_text_cannot_widen_a_statement",),
    ),
    Mutant(
        "settled-term",
        "A condition that may fail is evaluated in any order.",
        "term if settled is None else only_if(settled, term, false())",
        "term",
        (f"{_EVALUATION}::test_a_condition_that_could_fail_sees_this_tenants_rows_alone",),
    ),
    Mutant(
        "settled-owned",
        "A cheap condition is evaluated before the comparison with the tenant column.",
        "        if risk is Risk.FIRST and self._sorts_by_price:",
        "        if False:",
        (f"{_FENCES}::{_NOTHING_EVALUATED}[postgresql-a tenant column: a cheap condition]",),
    ),
    Mutant(
        "settled-computed",
        "Something in FROM is computed from the rows of every tenant.",
        "self.settles_tied = self.settles_tied or self._computes_from_tied()",
        "pass",
        (f"{_FENCES}::{_NOTHING_EVALUATED}[postgresql-LATERAL]",),
    ),
    Mutant(
        "settled-columns",
        "Where no fence is allowed, columns are computed from the rows of every tenant.",
        "            settle_columns(state, plan)",
        "            pass",
        (f"{_FENCES}::{_NOTHING_EVALUATED}[mariadb-IN with a set operation]",),
    ),
    Mutant(
        "settled-having",
        "A condition of HAVING is moved into the WHERE.",
        "[only_if(counted, term, false()) if may_fail(term) else term for term in terms]",
        "terms",
        (f"{_FENCES}::{_NOTHING_EVALUATED}",),
    ),
    Mutant(
        "fence",
        "Conditions from outside are moved into a subquery.",
        '        return f" {self._database.fence}"',
        '        return ""',
        (f"{_FENCES}::{_NOTHING_EVALUATED}",),
    ),
    Mutant(
        "fence-columns",
        "What is computed in a subquery counts as harmless.",
        "        level.risk = max(level.risk, risk)",
        "        pass",
        (f"{_FENCES}::{_NOTHING_EVALUATED}",),
    ),
    Mutant(
        "fence-cte",
        "A reference to a CTE has no fence.",
        "        if not Risk.NONE < reached_by <= self._risk():",
        "        if True:",
        (f"{_FENCES}::{_NOTHING_EVALUATED}",),
    ),
    Mutant(
        "fence-nested",
        "What a subquery reads within a subquery does not count.",
        "        outer.reached_by = least(outer.reached_by, level.reached_by)",
        "        pass",
        (f"{_FENCES}::{_NOTHING_EVALUATED}",),
    ),
    Mutant(
        "fence-union-all",
        "MariaDB moves conditions into the parts of a UNION ALL.",
        "        if fence and self._guard.database.moves_past_limit_of_union:",
        "        if False:",
        (f"{_FENCES}::{_NOTHING_EVALUATED}[mariadb-UNION ALL]",),
    ),
    Mutant(
        "parentheses-value",
        "Raw SQL in a SET may go on with another column.",
        "{column: parenthesize_value(value) for column, value in values.items()}",
        "dict(values)",
        (
            _leak("fragment: text in a SET that goes on"),
            _leak("fragment: text in a SET with another column behind it"),
        ),
    ),
    Mutant(
        "cte-after-table",
        "A CTE may have the name of a table that was rendered before it.",
        "        if name in self._tables:",
        "        if not name:",
        (
            f"{_CTE_NAMES}::test_a_cte_cannot_take_the_name_of_a_tenants_table",
            f"{_CTE_NAMES}::test_a_cte_cannot_take_the_name_of_the_table_that_a_foreign_key_is_read_from",
        ),
    ),
    Mutant(
        "cte-before-table",
        "A table may be rendered under a CTE's name.",
        "        if name in self._ctes:",
        "        if not name:",
        (f"{_CTE_NAMES}::test_a_cte_cannot_take_the_name_of_a_tenants_table",),
    ),
    Mutant(
        "precompiled",
        "A statement compiled beforehand is sent as it is.",
        "            compiled = compiled_again(compiled, self.dialect)\n",
        "",
        (f"{_COMPILER}::test_a_statement_compiled_beforehand_is_confined_or_not_executable",),
        below="2.1",
    ),
    Mutant(
        "literal",
        "A tenant may be written into a statement.",
        ("        role = role_of(bindparam)\n        if role is not None:"),
        ("        role = role_of(bindparam)\n        if role is not None and False:"),
        (
            f"{_COMPILER}::test_literal_binds_at_execution_cannot_fix_a_tenant",
            f"{_COMPILER}::test_a_stored_query_on_a_tenants_table_is_refused",
        ),
    ),
    Mutant(
        "no-tenant",
        "Without a tenant, a statement is sent for an empty one.",
        "        _no_tenant(rule.label, operation, bound)\n",
        "        return rule.python_type()\n",
        (f"{_INSTALL}::test_without_a_scope_tenants_rows_raise_and_nothing_is_sent",),
    ),
    Mutant(
        "reviewed-no-tenant",
        "A reviewed statement runs without a tenant.",
        "        if reviewed and (binding is None or binding[0] is None):",
        "        if reviewed and binding is not None and binding[0] is None:",
        (f"{_INSTALL}::test_a_reviewed_statement_needs_a_scope",),
    ),
    Mutant(
        "reviewed-false",
        "The option set to false reviews a statement.",
        "reviewed=bool(reviewed))",
        "reviewed=True)",
        (f"{_INSTALL}::test_the_option_set_to_false_reviews_nothing",),
    ),
    Mutant(
        "reviewed-fast",
        "A reviewed statement's own option is not seen in the usual case.",
        "        and not (own_options and REVIEWED in own_options)\n",
        "",
        (f"{_INSTALL}::test_a_statement_marked_as_reviewed_runs_in_every_form",),
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
        ("    except KeyError:\n        raise ConfigurationError(\n"),
        (
            "    except KeyError:\n"
            "        return next(iter(DATABASES.values()))\n"
            "        raise ConfigurationError(\n"
        ),
        (f"{_DIALECTS}::test_a_dialect_that_was_never_tested_is_refused",),
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
        "    _prove(guarded)\n",
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
            "        return single(self, dialect, context, statement, parameters)"
        ),
        (
            "            result = single(self, dialect, context, statement, parameters)\n"
            "            check(self, dialect, context.statement, context.cursor, context)\n"
            "            return result\n"
            "        return single(self, dialect, context, statement, parameters)"
        ),
        (
            f"{_INSTALL}::test_driver_sql_is_checked_before_a_listener_executes_it",
            f"{_INSTALL}::test_foreign_keys_are_looked_up_before_a_listener_executes_the_statement",
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
    Mutant(
        "ambiguous-tie",
        "A table may be tied by what two tenants may have.",
        "        _check_unique(table, key)\n",
        "        pass\n",
        (f"{_TESTS}/ownership/",),
    ),
    Mutant(
        "agreement-parents",
        "A system scope may link the rows of two tenants.",
        "        elif not (own[0].is_same_tenant(tenant, other) if own is not None else ",
        "        elif tenant is None and (own[0] if own is not None else ",
        (f"{_TESTS}/orm/test_agreement.py",),
    ),
    Mutant(
        "moving-links",
        "A changed link of a shared object to tenants' rows goes on in another scope.",
        "        return state.committed_state.keys().isdisjoint(info.to_owned)",
        "        return True",
        (f"{_TESTS}/orm/test_shared_objects.py",),
    ),
    Mutant(
        "moving-references",
        "A reference to another tenant's object is dropped in a tenant's scope.",
        "        and all(map(partial(_is_of, bound=bound), _newly_referred_to(state)))",
        "",
        (f"{_TESTS}/orm/test_shared_objects.py",),
    ),
    Mutant(
        "relationship-secondary",
        "A relationship through tenants' rows counts as one to shared objects.",
        "    return any(is_protected(each) and registry.ownership_of(each) is not None ",
        "    return any(False ",
        (f"{_TESTS}/orm/test_shared_objects.py",),
    ),
    Mutant(
        "word-after-anything",
        "A word of the language after any other word is no table.",
        "        return previous in _BEFORE_NO_TABLE or previous in _PHRASES.get(name, ())",
        "        return True",
        (f"{_TESTS}/raw_sql/test_keywords.py",),
    ),
    Mutant(
        "word-in-a-list",
        "A word of the language in parentheses behind a comma is no table.",
        "        if previous == _LISTED:\n            return False\n",
        "",
        (f"{_TESTS}/raw_sql/test_keywords.py",),
    ),
    Mutant(
        "observed-mixed",
        "A statement runs as it was if one of its tables is observed.",
        "    verdict = Verdict(is_observed=all(map(registry.is_observed, guard.touched)))",
        "    verdict = Verdict(is_observed=any(map(registry.is_observed, guard.touched)))",
        (f"{_TESTS}/observe/test_observing.py",),
    ),
    Mutant(
        "observed-follows",
        "A flush that changes another tenant's row is not reported.",
        "        verdict.findings += _out_of_reach(connection, statement, rows, moved)",
        "        pass",
        ("tests/leaks/test_observed.py",),
    ),
)
