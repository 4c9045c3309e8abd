"""Rows of two tenants, in the order of the foreign keys."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove.rows import MINE, THEIRS, Rows

from .tables import Base, Firm, Paper, Tag, target_of


def test_rows_belong_to_two_tenants_and_refer_to_their_own() -> None:
    with target_of(Paper) as target:
        rows = target.rows
        firms, tags, papers = (rows.made[each.__table__] for each in (Firm, Tag, Paper))  # type: ignore[index]
    assert rows.failed == {}
    assert [len(each) for side in (firms, tags, papers) for each in side] == [1, 1, 2, 2, 2, 2]
    for side in (MINE, THEIRS):
        assert [each["id"] for each in firms[side]] == [rows.tenants[side]]
        assert {each["firm_id"] for each in papers[side]} == {rows.tenants[side]}
        assert [each["tag_id"] for each in papers[side]] == [each["id"] for each in tags[side]]
        assert {each["above_id"] for each in papers[side]} == {None}
    assert len({each["id"] for side in papers for each in side}) == 4


def test_tenant_columns_of_two_types_are_refused() -> None:
    metadata = MetaData()
    for name, type_ in (("prove_int", Integer()), ("prove_str", String(9))):
        tenant_aware(Table(name, metadata, Column("id", Integer), Column("tenant_id", type_)))
    with pytest.raises(ConfigurationError, match="their types are: int, str"):
        Rows(metadata)
    with pytest.raises(ConfigurationError, match="their types are: none"):
        Rows(MetaData())


def test_the_tables_are_those_of_the_metadata() -> None:
    assert [each.name for each in Base.metadata.sorted_tables] == [
        "prove_firm",
        "prove_tag",
        "prove_paper",
    ]
