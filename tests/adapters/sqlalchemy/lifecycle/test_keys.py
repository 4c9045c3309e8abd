"""New keys: which get one, and the map of them."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.lifecycle.keys import NewKeys, key_map
from tenantshield_mw.adapters.sqlalchemy.lifecycle.plan import plan_of

from .models import Base

DIALECT = SQLiteDialect()


@given(pairs=st.dictionaries(st.integers() | st.text(), st.integers()), other=st.integers())
def test_the_map_finds_what_it_was_given(pairs: dict[int | str, int], other: int) -> None:
    with key_map() as keys:
        keys.add("root", pairs.items())
        keys.add("another", [(other, 1)])
        assert keys.find("root", [*pairs, "not there", *pairs]) == pairs
        assert keys.find("another", [*pairs, other]) == {other: 1}


def test_keys_that_say_something_stay() -> None:
    with key_map() as keys:
        new = NewKeys(plan_of(Base.metadata), DIALECT, keys)
    assert {column.table.name for column in new.renewed.values()} == {
        *("life_tag", "life_person", "life_team", "life_line", "life_note", "life_sample")
    }
    made = {column.table.name: new.made(column) for column in new.renewed.values()}
    # The database counts.
    assert made["life_person"] is None
    team, line = made["life_team"], made["life_line"]
    assert team is not None
    assert line is not None
    assert isinstance(team(), uuid.UUID)
    # As the decorator of the type stores it.
    assert len(line()) == 32


def test_a_column_that_refers_to_two_keys_is_refused() -> None:
    metadata = MetaData()
    for name in ("keys_one", "keys_two"):
        tenant_aware(
            Table(
                name,
                metadata,
                Column("id", Integer, primary_key=True),
                Column("tenant_id", String(9)),
            )
        )
    tenant_aware(
        Table(
            "keys_both",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(9)),
            Column("other", ForeignKey("keys_one.id"), ForeignKey("keys_two.id")),
        )
    )
    with key_map() as keys, pytest.raises(ConfigurationError, match=r"keys_both\.other refers to"):
        NewKeys(plan_of(metadata), DIALECT, keys)
