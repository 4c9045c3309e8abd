"""A copy follows rows that change while it is made, whatever the changes are."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows

from .estates import Estate
from .lived import follow, of_acme

CHANGES = {
    "nothing": [],
    "values of each kind": [
        (
            "UPDATE life_sample SET text = '', real = 0.30000000000000004, amount = 1.5, "
            "data = '\\x00ff', zoned = '2026-10-25 02:30+01', period = '1 day 00:00:01', "
            """document = '{"a": null}', colour = NULL WHERE text IS NOT NULL"""
        ),
        "UPDATE life_sample SET document = 'null' WHERE document IS NULL AND tenant_id = 'acme'",
    ],
    "a null and an empty text": ["UPDATE life_line SET text = CASE number WHEN 1 THEN '' END"],
    "new rows": [
        (
            "INSERT INTO life_person (tenant_id, kind, name, manager_id, changed) "
            "SELECT 'acme', 'engineer', 'new ' || n, 1, 'new' FROM generate_series(1, 1500) n"
        ),
        "INSERT INTO life_engineer SELECT id, 'Go' FROM life_person WHERE name LIKE 'new %'",
    ],
    "fewer rows": [
        "DELETE FROM life_note",
        "DELETE FROM life_line",
        "DELETE FROM life_invoice WHERE number > 1",
    ],
    "a tree turned around": [
        (
            "INSERT INTO life_person (id, tenant_id, kind, name, changed) "
            "VALUES (900, 'acme', 'person', 'new boss', 'new')"
        ),
        "UPDATE life_person SET manager_id = 900 WHERE tenant_id = 'acme' AND id <> 900",
        "UPDATE life_person SET team_id = NULL",
        "UPDATE life_team SET lead_id = 900 WHERE tenant_id = 'acme'",
        "DELETE FROM life_person WHERE id = 1",
    ],
    "a branch cut off": [
        "DELETE FROM life_tagged WHERE person_id IN (2, 3)",
        "DELETE FROM life_engineer WHERE id IN (2, 3)",
        "UPDATE life_person SET manager_id = 2 WHERE id = 3",
        "DELETE FROM life_person WHERE id IN (2, 3)",
    ],
    "a row of a tied table for another parent": [
        (
            "UPDATE life_note SET line_id = (SELECT id FROM life_line WHERE tenant_id = 'acme' "
            "AND number = 3) WHERE line_id IN (SELECT id FROM life_line WHERE tenant_id = 'acme')"
        ),
        "DELETE FROM life_line WHERE tenant_id = 'acme' AND number = 1",
    ],
    "a row made again with the same unique values": [
        "DELETE FROM life_note",
        (
            "CREATE TEMP TABLE again AS SELECT md5(id) AS id, tenant_id, number, position, text "
            "FROM life_line WHERE tenant_id = 'acme'"
        ),
        "DELETE FROM life_line WHERE tenant_id = 'acme'",
        "INSERT INTO life_line SELECT * FROM again",
    ],
    "a unique value given away": [
        "UPDATE life_line SET position = 2 WHERE tenant_id = 'acme'",
        (
            "INSERT INTO life_line SELECT md5(id), tenant_id, number, 1, text FROM life_line "
            "WHERE tenant_id = 'acme'"
        ),
    ],
    "an association": [
        "DELETE FROM life_tagged WHERE person_id = 2",
        "INSERT INTO life_tagged VALUES (1, 1)",
    ],
    "all": [
        "DELETE FROM life_tagged",
        "DELETE FROM life_note",
        "DELETE FROM life_line",
        "DELETE FROM life_invoice",
        "DELETE FROM life_engineer",
        "UPDATE life_person SET team_id = NULL",
        "DELETE FROM life_team",
        "DELETE FROM life_person",
        "DELETE FROM life_tag WHERE tenant_id = 'acme'",
        "DELETE FROM life_sample",
    ],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_copy_follows(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows], name: str
) -> None:
    before = of_acme(lived, "public")
    assert follow(built, both, *CHANGES[name])
    rows = of_acme(lived, "public")
    assert (rows == before) == (name == "nothing")
    assert of_acme(lived, "acme") == rows
    # The next row gets a number that none has.
    highest = "SELECT coalesce(max(id), 0) FROM acme.life_person"
    [(next_number, taken)] = lived.here.read(
        f"SELECT nextval('acme.life_person_id_seq'), ({highest})"
    )
    assert next_number > taken
