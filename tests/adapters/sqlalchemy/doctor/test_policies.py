"""Policies that are missing, switched off or altered."""

from __future__ import annotations

from .planting import (
    READ,
    Place,
    Planting,
    assert_fault_is_found,
    assert_fix_removes,
    each_planting,
)

FAULTS = [
    Planting(
        "no_policies",
        [
            "ALTER TABLE {customer} DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE {customer} NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY tenantshield_access ON {customer}",
            "DROP POLICY tenantshield_tenant ON {customer}",
        ],
        [("policies-missing", "customer", None)],
        READ,
    ),
    Planting(
        "switched_off",
        ["ALTER TABLE {customer} DISABLE ROW LEVEL SECURITY"],
        [("policies-not-enabled", "customer", None)],
        READ,
    ),
    Planting(
        "not_forced",
        ["ALTER TABLE {customer} NO FORCE ROW LEVEL SECURITY"],
        [("policies-not-forced", "customer", None)],
    ),
    Planting(
        "policy_dropped",
        ["DROP POLICY tenantshield_tenant ON {customer}"],
        [("policy-missing", "customer", None)],
        READ,
        objects=["tenantshield_tenant"],
    ),
    Planting(
        "policy_altered",
        ["ALTER POLICY tenantshield_tenant ON {customer} USING (true)"],
        [("policy-outdated", "customer", None)],
        READ,
        objects=["tenantshield_tenant"],
    ),
    Planting(
        "policy_for_others_only",
        ["ALTER POLICY tenantshield_tenant ON {customer} TO {owner}"],
        [("policy-outdated", "customer", None)],
        READ,
    ),
    Planting(
        "policy_left_over",
        ["CREATE POLICY tenantshield_references ON {customer} AS RESTRICTIVE USING (true)"],
        [("policy-unexpected", "customer", None)],
    ),
    Planting(
        "policy_of_somebody_else",
        ["CREATE POLICY reporting ON {customer} USING (true)"],
        [("policy-foreign", "customer", None)],
        objects=["reporting"],
        mends=False,
    ),
]


@each_planting(FAULTS)
def test_a_fault_is_found_and_nothing_else(place: Place, fault: Planting) -> None:
    assert_fault_is_found(place, fault)


@each_planting(each for each in FAULTS if each.mends)
def test_the_fix_of_a_finding_removes_it(place: Place, fault: Planting) -> None:
    assert_fix_removes(place, fault)
