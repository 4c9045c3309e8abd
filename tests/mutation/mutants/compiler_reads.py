"""Mutants of where predicates go, and what is evaluated before them."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant, leak

__all__ = ["MUTANTS"]

_COMPILER: Final = f"{TESTS}/compiler/test_compiler.py"
_CTE_NAMES: Final = f"{TESTS}/compiler/test_cte_names.py"
_EVALUATION: Final = f"{TESTS}/compiler/test_evaluation.py"
_FENCES: Final = f"{TESTS}/compiler/test_fences.py"
_GUARD: Final = f"{TESTS}/compiler/test_guard.py"
_PLACEMENT: Final = f"{TESTS}/compiler/test_placement.py"
_PREDICATES: Final = f"{TESTS}/compiler/test_predicates.py"
_REWRITING: Final = f"{TESTS}/compiler/test_rewriting.py"
_STORED_QUERIES: Final = f"{TESTS}/compiler/test_stored_queries.py"
_WRITES: Final = f"{TESTS}/compiler/test_writes.py"
_DERIVATION: Final = f"{TESTS}/ownership/test_derivation.py"
_STATEMENTS: Final = f"{TESTS}/shared_rows/test_statements.py"
_EVALUATED: Final = "test_nothing_is_evaluated_on_another_tenants_rows"

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
        (leak("join: self-join of a model"),),
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
        "tied",
        "A tied table gets no EXISTS.",
        "            if proven is None or not proven.has(element, tie):",
        "            if proven is None:",
        (leak("join: an association table on its own, to a shared table"),),
    ),
    Mutant(
        "tied-proof-outer",
        "An outer join proves a tied row that need not have a partner.",
        "nullable is None or (child.table in nullable and parent.table not in nullable)",
        "nullable is None or child.table is not parent.table",
        (leak("join: a tied table left-joined to its parent"),),
    ),
    Mutant(
        "tied-proof-equality",
        "Any comparison with the parent's key proves a tied row.",
        "            and each.operator is operators.eq\n",
        "",
        (leak("join: a tied table to its parent by an ON that is no equality"),),
    ),
    Mutant(
        "tied-proof-and",
        "A term of an OR proves a tied row.",
        "isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:",
        "isinstance(criterion, BooleanClauseList):",
        (leak("join: a tied table to its parent by an ON with OR"),),
    ),
    Mutant(
        "shared-update",
        "A tenant's UPDATE reaches the rows of everybody.",
        "        return self.is_own or element in self._written",
        "        return self.is_own",
        (leak("shared rows: UPDATE, Provider"),),
    ),
    Mutant(
        "shared-chain",
        "Whose a row is, is told by a row of everybody that it refers to.",
        "            if rule.shared_rows is None:",
        "            if True:",
        (f"{_STATEMENTS}::test_a_tenant_reads_its_own_rows_and_the_shared_ones",),
    ),
    Mutant(
        "shared-join",
        "An UPDATE trusts that the parent to which it joins is the tenant's own.",
        "            proven = None\n        for tie",
        "            pass\n        for tie",
        (leak("shared rows: an UPDATE that joins the parent"),),
    ),
    Mutant(
        "exact",
        "A column's collation may fold two tenants into one.",
        'TenantEquality(column, tenant, " COLLATE BINARY", shared=shared)',
        "TenantEquality(column, tenant, shared=shared)",
        (
            f"{_PREDICATES}::test_a_collation_that_folds_case_does_not_fold_tenants",
            f"{_PREDICATES}::test_a_collation_that_only_the_database_knows_does_not_fold_tenants",
        ),
    ),
    Mutant(
        "exact-type",
        "A type's own comparison may fold two tenants into one.",
        'is_same = TenantEquality(column, tenant, " COLLATE BINARY", shared=shared)',
        "is_same = column == tenant",
        (f"{_PREDICATES}::test_a_type_that_folds_case_when_it_compares_does_not_fold_tenants",),
    ),
    Mutant(
        "parentheses-where",
        "An OR in raw SQL stands beside the predicate.",
        "parenthesize(statement._where_criteria) if own is None else own",
        "statement._where_criteria if own is None else own",
        (f"{_REWRITING}::test_an_or_in_text_cannot_widen_a_statement",),
    ),
    Mutant(
        "parentheses-on",
        "An OR in raw SQL stands beside the predicate of an ON.",
        "*(parenthesize(conjuncts(on)) if own is None else own)",
        "*([on] if own is None else own)",
        (f"{_REWRITING}::test_an_or_in_text_cannot_widen_a_statement",),
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
        (f"{_FENCES}::{_EVALUATED}[postgresql-a tenant column: a cheap condition]",),
    ),
    Mutant(
        "settled-computed",
        "Something in FROM is computed from the rows of every tenant.",
        "self.settles_tied = self.settles_tied or self._computes_from_tied()",
        "pass",
        (f"{_FENCES}::{_EVALUATED}[postgresql-LATERAL]",),
    ),
    Mutant(
        "settled-columns",
        "Where no fence is allowed, columns are computed from the rows of every tenant.",
        "            settle_columns(state, plan)",
        "            pass",
        (f"{_FENCES}::{_EVALUATED}[mariadb-IN with a set operation]",),
    ),
    Mutant(
        "settled-having",
        "A condition of HAVING is moved into the WHERE.",
        "[only_if(counted, term, false()) if risk_of(term) else term for term in terms]",
        "terms",
        (f"{_FENCES}::test_nothing_is_evaluated_on_another_tenants_rows",),
    ),
    Mutant(
        "fence",
        "Conditions from outside are moved into a subquery.",
        '        return f" {self._database.fence}"',
        '        return ""',
        (f"{_FENCES}::test_nothing_is_evaluated_on_another_tenants_rows",),
    ),
    Mutant(
        "fence-columns",
        "What is computed in a subquery counts as harmless.",
        "        level.risk = max(level.risk, risk)",
        "        pass",
        (f"{_FENCES}::test_nothing_is_evaluated_on_another_tenants_rows",),
    ),
    Mutant(
        "fence-cte",
        "A reference to a CTE has no fence.",
        "        if not Risk.NONE < reached_by <= self._risk():",
        "        if True:",
        (f"{_FENCES}::test_nothing_is_evaluated_on_another_tenants_rows",),
    ),
    Mutant(
        "fence-nested",
        "What a subquery reads within a subquery does not count.",
        "        outer.reached_by = least(outer.reached_by, level.reached_by)",
        "        pass",
        (f"{_FENCES}::test_nothing_is_evaluated_on_another_tenants_rows",),
    ),
    Mutant(
        "fence-union-all",
        "MariaDB moves conditions into the parts of a UNION ALL.",
        "        if fence and self._guard.database.moves_past_limit_of_union:",
        "        if False:",
        (f"{_FENCES}::{_EVALUATED}[mariadb-UNION ALL]",),
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
        "literal",
        "A tenant may be written into a statement.",
        "        role = role_of(bindparam)\n        if role is not None:",
        "        role = role_of(bindparam)\n        if role is not None and False:",
        (
            f"{_GUARD}::test_literal_binds_at_execution_cannot_fix_a_tenant",
            f"{_STORED_QUERIES}::test_a_stored_query_on_a_tenants_table_is_refused",
        ),
    ),
)
