"""Conditions of policies, as PostgreSQL writes them, are read as what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantshield_mw.adapters.sqlalchemy.rls.expressions import NotOursError, read_condition

# -- the conditions themselves -----------------------------------------------------


def read(sql: str) -> object:
    return read_condition(sql, "person", lambda kind, name: "somewhere")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a = 1 AND b = 2 OR c = 3", "a = 1 AND (b = 2 OR c = 3)"),
        ("a = 1 OR b = 2 AND c = 3", "(a = 1 OR b = 2) AND c = 3"),
        ("NOT a = 1 AND b = 2", "NOT (a = 1 AND b = 2)"),
        ("a = 'x'", "a = 'X'"),
        ('"A" = 1', "a = 1"),
        ("a = b", "person.a = other.b"),
        ("f(a, b)", "f(b, a)"),
        ("a::integer = 1", "a = 1"),
        (
            "EXISTS (SELECT 1 FROM x.p q WHERE q.a = b)",
            "EXISTS (SELECT 1 FROM y.p q WHERE q.a = b)",
        ),
        ("EXISTS (SELECT 1 FROM p q)", "EXISTS (SELECT 1 FROM p q WHERE true)"),
    ],
)
def test_conditions_that_differ_are_read_differently(left: str, right: str) -> None:
    assert read(left) != read(right)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "a =",
        "(a",
        "a)",
        "a = 1 b",
        "a IS NOT NULL",
        "a || b",
        "a + b",
        "f(a",
        "';",
    ],
)
def test_a_condition_of_another_kind_is_not_read(sql: str) -> None:
    with pytest.raises(NotOursError):
        read(sql)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a = 1", "b IS NULL", "true"]),
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
            st.tuples(st.just("NOT"), inner),
        ),
        max_leaves=8,
    )
)
def test_parentheses_that_change_nothing_are_not_seen(tree: object) -> None:
    assert read(written(tree, spare=False)) == read(written(tree, spare=True))


def written(tree: object, *, spare: bool) -> str:
    if isinstance(tree, str):
        text, simple = tree, True
    else:
        assert isinstance(tree, tuple)
        operator, operands = tree
        if operator == "NOT":
            text, simple = f"NOT ({written(operands, spare=spare)})", True
        else:
            text = f" {operator} ".join(f"({written(each, spare=spare)})" for each in operands)
            simple = False
    return f"(( {text}\n))" if spare and (simple or tree) else text
