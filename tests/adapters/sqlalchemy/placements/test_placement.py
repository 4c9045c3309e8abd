"""What a placement may be, and how a tenant's attributes name it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import ConfigurationError, PlacementError, TenantContext
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement, from_attributes


@pytest.mark.parametrize("name", ["acme", "Acme-EU", "t_1", "0", "x" * 63])
def test_a_schema_has_a_plain_name(name: str) -> None:
    assert Placement(schema=name).schema == name


@pytest.mark.parametrize(
    "name",
    ["", "x" * 64, 'a"b', "a b", "a,b", "a.b", "$user", "-a", "a\0", "ä", "a\n", b"acme", 1, True],
)
def test_another_name_is_refused_and_not_quoted(name: Any) -> None:
    with pytest.raises(PlacementError) as caught:
        Placement(schema=name)
    assert "invalid" in str(caught.value)


@pytest.mark.parametrize("name", ["pg_catalog", "PG_temp", "information_schema", "tenantshield"])
def test_a_reserved_schema_is_refused(name: str) -> None:
    with pytest.raises(PlacementError, match="reserved"):
        Placement(schema=name)


@pytest.mark.parametrize(
    "name", ["", "x" * 64, "../x", "/x", ".", "a.b", "a b", "a\nb", "ä", b"acme", 1]
)
def test_an_invalid_database_is_refused(name: Any) -> None:
    with pytest.raises(PlacementError, match="name of a tenant's database is invalid"):
        Placement(database=name)


@given(st.text())
def test_whatever_is_not_refused_is_a_name_that_stays_one_in_quotes(name: str) -> None:
    try:
        Placement(schema=name)
    except PlacementError:
        return
    assert name.isascii()
    assert not set(name) & set('"$,.;\\ ')


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({"schema": None}, SHARED),
        ({"database": None}, SHARED),
        ({"schema": "acme", "plan": "gold"}, Placement(schema="acme")),
        ({"schema": None, "database": "eu1"}, Placement(database="eu1")),
        ({"schema": "acme", "database": "eu1"}, Placement(schema="acme", database="eu1")),
    ],
)
def test_the_attributes_of_a_tenant_name_its_place(
    attributes: dict[str, Any], place: Placement
) -> None:
    assert from_attributes(TenantContext("acme", attributes)) == place


@pytest.mark.parametrize("attributes", [{}, {"plan": "gold"}, {"placement": "acme"}])
def test_a_tenant_that_does_not_say_is_not_looked_for_in_the_shared_tables(
    attributes: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match="does not say where its rows are"):
        from_attributes(TenantContext("acme", attributes))


@pytest.mark.parametrize("value", ["", 'a"', 5, ["acme"], {"a": 1}])
def test_an_invalid_attribute_is_refused(value: Any) -> None:
    with pytest.raises(PlacementError):
        from_attributes(TenantContext("acme", {"schema": value}))


def test_a_place_is_said_in_words() -> None:
    assert str(SHARED) == "the shared tables"
    assert str(Placement("acme")) == "the schema 'acme'"
    assert str(Placement(database="eu1")) == "the database 'eu1'"
    assert str(Placement("acme", "eu1")) == "the schema 'acme' in the database 'eu1'"


def test_an_unfinished_place_is_the_same_place() -> None:
    unfinished = Placement("acme", unfinished=True)
    assert unfinished.is_same_place(Placement("acme"))
    assert not unfinished.is_same_place(SHARED)
    assert unfinished.finished() == Placement("acme")
    assert SHARED.finished() is SHARED
