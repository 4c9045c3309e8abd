"""Reports are compared with those that were accepted before."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.observe.baseline import kept, new

from .shop import report


def test_a_line_that_moves_is_not_new() -> None:
    assert new([report(2), report(9)], [report(1), report(8)]) == []


def test_one_more_line_in_a_function_is_new() -> None:
    assert new([report(2), report(9)], [report(1)]) == [report(9)]
    assert kept([report(2), report(9)], [report(1)]) == [report(2)]


def test_another_table_or_function_is_new() -> None:
    others = [report(table="seen_item"), report(function="other")]
    assert new(others, [report(), report()]) == others
