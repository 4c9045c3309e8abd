"""What a way is tried on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tenantshield_mw.adapters.sqlalchemy.prove.target import NotApplicableError

from .tables import Firm, Paper, target_of


def test_the_parts_of_a_table_are_told_apart() -> None:
    with target_of(Paper) as target:
        assert target.tenant_column.name == "firm_id"
        # Not the unique one.
        assert target.plain.name == "body"
        above, firm = target.references
        assert (above.column_keys, firm.column_keys) == (["above_id"], ["firm_id"])
        assert target.to_theirs(above) == {"above_id": target.theirs["id"]}
        with pytest.raises(NotApplicableError):
            target.to_theirs(firm)
        assert target.changed()["body"] not in (target.mine["body"], target.theirs["body"])


def test_a_table_may_have_nothing_to_try_a_way_on() -> None:
    with target_of(Firm) as target:
        assert target.plain.name == "name"
        assert target.references == []
        core = replace(target, mapper=None)
        with pytest.raises(NotApplicableError):
            _ = core.model
        with pytest.raises(NotApplicableError):
            core.values_of([])


def test_objects_are_made_of_rows() -> None:
    with target_of(Paper) as target:
        assert target.attributes(target.mine)["text"] == target.mine["body"]
        made = target.object(target.mine)
        assert (made.id, made.text) == (target.mine["id"], target.mine["body"])
        target.session.add(target.detached(target.theirs))
        assert target.values_of([made])[-1] == target.mine["body"]
