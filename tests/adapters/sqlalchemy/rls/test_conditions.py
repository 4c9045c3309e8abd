"""The conditions of policies."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.rls import ParentLink, TablePolicySpec, TenantColumn
from tenantshield_mw.adapters.sqlalchemy.rls.conditions import (
    conditions_of,
    reference_condition,
    signed_condition,
)
from tenantshield_mw.adapters.sqlalchemy.rls.policies import policies_of

OWN = TablePolicySpec("t", column=TenantColumn("tenant"))
SHARED = TablePolicySpec("t", column=TenantColumn("tenant", shared_rows=(None,)))
TIED = TablePolicySpec("t", ties=(ParentLink(("p",), "parent", ("id",)),))


def test_a_tables_own_rows_are_those_of_the_tenant() -> None:
    found = conditions_of(OWN)
    assert found.visible == found.own == "t.tenant = (SELECT tenantshield_text())"


def test_shared_rows_are_visible_and_not_own() -> None:
    found = conditions_of(SHARED)
    assert found.visible == f"{found.own} OR (t.tenant IS NULL)"


def test_a_tied_row_is_visible_with_its_parent() -> None:
    assert conditions_of(TIED).visible == (
        "EXISTS (SELECT 1 FROM parent AS tenantshield_parent WHERE tenantshield_parent.id = t.p)"
    )


def test_no_condition_is_true() -> None:
    for spec in (OWN, SHARED, TIED):
        for policy in policies_of(spec):
            assert "true" not in (policy.using, policy.check)


def test_a_table_without_references_has_no_condition_for_them() -> None:
    assert reference_condition(OWN) is None


def test_every_permissive_policy_of_signed_tenants_asks_for_the_signature() -> None:
    signed = TablePolicySpec("t", column=SHARED.column, signed=True, system_role="s")
    permissive = [each for each in policies_of(signed) if not each.restrictive]
    assert len(permissive) == 5
    for policy in permissive:
        if policy.roles != ("s",):
            for condition in (policy.using, policy.written):
                assert condition is None or condition.startswith(f"{signed_condition()} AND (")
