"""Views, functions and children that lead past the policies."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String, Table

from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from .planting import (
    Place,
    Planting,
    assert_fault_is_found,
    assert_fix_removes,
    assert_harmless,
    each_planting,
)

FAULTS = [
    Planting(
        "view_of_superuser",
        ["CREATE VIEW report AS SELECT * FROM {customer}", "GRANT SELECT ON report TO {app}"],
        [("view-past-policies", "customer", None)],
        "SELECT 1 FROM report",
        objects=["report"],
    ),
    Planting(
        "view_by_way_of_one_of_a_superuser",
        [
            "CREATE VIEW inner_view AS SELECT * FROM {customer}",
            "GRANT SELECT ON inner_view TO {owner}",
            "CREATE VIEW report WITH (security_invoker) AS SELECT * FROM inner_view",
            "ALTER VIEW report OWNER TO {owner}",
            "GRANT SELECT ON report, inner_view TO {app}",
        ],
        [("view-past-policies", "customer", None), ("view-past-policies", "customer", None)],
        "SELECT 1 FROM report",
        objects=["inner_view", "report"],
    ),
    Planting(
        "view_of_one_that_bypasses",
        [
            "CREATE VIEW report AS SELECT id FROM {line}",
            "ALTER VIEW report OWNER TO {system}",
            "GRANT SELECT (id) ON report TO {app}",
        ],
        [("view-past-policies", "line", None)],
        "SELECT id FROM report",
    ),
    Planting(
        "materialized",
        [
            "CREATE MATERIALIZED VIEW report AS SELECT * FROM {customer}",
            "GRANT SELECT ON report TO {app}",
        ],
        [("materialized-view", "customer", None)],
        "SELECT 1 FROM report",
    ),
    Planting(
        "definer",
        [
            (
                "CREATE FUNCTION everybody(int) RETURNS bigint LANGUAGE sql SECURITY DEFINER "
                "AS 'SELECT nullif(count(*), 0) FROM {customer}'"
            )
        ],
        [("security-definer", None, None)],
        "SELECT 1 WHERE everybody(1) > 0",
        objects=["everybody(integer)"],
    ),
    Planting(
        "definer_of_a_trigger",
        [
            "CREATE TABLE side (id int)",
            "GRANT INSERT ON side TO {app}",
            (
                "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
                "AS 'BEGIN DELETE FROM {line}; RETURN new; END'"
            ),
            "REVOKE EXECUTE ON FUNCTION fire() FROM PUBLIC",
            "CREATE TRIGGER fires AFTER INSERT ON side FOR EACH ROW EXECUTE FUNCTION fire()",
        ],
        [("security-definer", None, None)],
        objects=["fire()"],
    ),
    Planting(
        "rule",
        [
            "CREATE TABLE log (email text)",
            "GRANT SELECT ON log TO {app}",
            "GRANT INSERT ON log TO {owner}",
            (
                "CREATE RULE copies AS ON INSERT TO {customer} DO ALSO "
                "INSERT INTO log VALUES (new.email)"
            ),
            "INSERT INTO {customer} (id, tenant_id, email) VALUES (8, 'acme', 'c@example.com')",
        ],
        [("table-rule", "customer", None)],
        "SELECT 1 FROM log",
        mends=False,
    ),
    Planting(
        "rule_of_another_table",
        [
            "CREATE TABLE side (id int)",
            "GRANT INSERT ON side TO {app}",
            (
                "CREATE RULE deletes AS ON INSERT TO side DO ALSO "
                "DELETE FROM {line} WHERE id IS NOT NULL"
            ),
        ],
        [("rule-past-policies", "line", None)],
        objects=["deletes"],
    ),
    Planting(
        "rule_of_a_view_through_a_view",
        [
            "CREATE VIEW inner_view AS SELECT id FROM {line}",
            "CREATE VIEW report WITH (security_invoker) AS SELECT 1 AS id",
            "ALTER VIEW report OWNER TO {owner}",
            "GRANT INSERT ON report TO {app}",
            "CREATE RULE r AS ON INSERT TO report DO INSTEAD DELETE FROM inner_view",
        ],
        [("rule-past-policies", "line", None)],
        objects=["r"],
    ),
    Planting(
        "heir",
        [
            "CREATE TABLE heir () INHERITS ({customer})",
            "GRANT SELECT ON heir TO {app}",
            "INSERT INTO heir (id, tenant_id, email) VALUES (9, 'acme', 'a@example.com')",
        ],
        [("partition-without-policies", "heir", None)],
        "SELECT 1 FROM heir",
    ),
    Planting(
        "heir_with_other_policies",
        [
            "CREATE TABLE heir () INHERITS ({customer})",
            "GRANT SELECT ON heir TO {app}",
            "INSERT INTO heir (id, tenant_id, email) VALUES (9, 'acme', 'a@example.com')",
            "ALTER TABLE heir ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON heir USING (true)",
        ],
        [("partition-without-policies", "heir", None)],
        "SELECT 1 FROM heir",
    ),
]

HARMLESS = {
    "a view with the rights of whoever reads": [
        "CREATE VIEW report WITH (security_invoker = on) AS SELECT * FROM {customer}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view of an owner for whom the policies hold": [
        "CREATE VIEW report AS SELECT * FROM {customer}",
        "ALTER VIEW report OWNER TO {owner}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view of a superuser of one with the rights of whoever reads": [
        "CREATE VIEW inner_view WITH (security_invoker) AS SELECT * FROM {customer}",
        "CREATE VIEW report AS SELECT * FROM inner_view",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view that the role may not read": ["CREATE VIEW report AS SELECT * FROM {customer}"],
    "a rule of an owner for whom the policies hold": [
        "CREATE TABLE side (id int)",
        "ALTER TABLE side OWNER TO {owner}",
        "GRANT INSERT ON side TO {app}",
        "CREATE RULE r AS ON INSERT TO side DO ALSO DELETE FROM {line}",
    ],
    "a rule that the role cannot call on": [
        "CREATE TABLE side (id int)",
        "CREATE RULE r AS ON INSERT TO side DO ALSO DELETE FROM {line}",
    ],
    "a view of what is shared": [
        "CREATE VIEW report AS SELECT * FROM {country}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a materialized view that the role may not read": [
        "CREATE MATERIALIZED VIEW report AS SELECT * FROM {customer}"
    ],
    "a function of an owner for whom the policies hold": [
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "ALTER FUNCTION mine() OWNER TO {owner}",
    ],
    "a function that the role may not call": [
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "REVOKE EXECUTE ON FUNCTION mine() FROM PUBLIC",
    ],
    "a trigger on what the role may not write": [
        "CREATE TABLE side (id int)",
        "GRANT SELECT ON side TO {app}",
        (
            "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
            "AS 'BEGIN RETURN new; END'"
        ),
        "REVOKE EXECUTE ON FUNCTION fire() FROM PUBLIC",
        "CREATE TRIGGER fires AFTER INSERT ON side FOR EACH ROW EXECUTE FUNCTION fire()",
    ],
    "a child that the role may not read": ["CREATE TABLE heir () INHERITS ({customer})"],
    "a child that shows nothing": [
        "CREATE TABLE heir () INHERITS ({customer})",
        "GRANT SELECT ON heir TO {app}",
        "ALTER TABLE heir ENABLE ROW LEVEL SECURITY",
    ],
}


@each_planting(FAULTS)
def test_a_fault_is_found_and_nothing_else(place: Place, fault: Planting) -> None:
    assert_fault_is_found(place, fault)


@each_planting(each for each in FAULTS if each.mends)
def test_the_fix_of_a_finding_removes_it(place: Place, fault: Planting) -> None:
    assert_fix_removes(place, fault)


@pytest.mark.parametrize("statements", HARMLESS.values(), ids=HARMLESS)
def test_secure_objects_are_not_findings(place: Place, statements: list[str]) -> None:
    assert_harmless(place, statements)


def test_partitions_are_looked_at_with_their_table(place: Place) -> None:
    shop = place.shop
    events = Table(
        shop.name("event"),
        shop.metadata,
        Column("tenant_id", String(40)),
        Column("id", Integer),
        PrimaryKeyConstraint("tenant_id", "id"),
        postgresql_partition_by="HASH (tenant_id)",
    )
    tenant_aware(events)
    place.base.create(shop.metadata)
    place.run(
        f"CREATE TABLE event_1 PARTITION OF {events.name} "
        "FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY HASH (id)",
        "CREATE TABLE event_1_1 PARTITION OF event_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    assert place.examine() == []
    place.run("GRANT SELECT ON event_1_1 TO {app}")
    assert place.shop.planted(place.examine()) == [
        ("partition-without-policies", "event_1_1", None)
    ]
