"""The oracle goes red when the guard leaves something out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Table, true

from tenantshield_mw.adapters.sqlalchemy import dialects
from tenantshield_mw.adapters.sqlalchemy.predicate import Plan, Predicates
from tenantshield_mw.adapters.sqlalchemy.registry import Registry

from .fuzzing import fuzz
from .oracle import Mismatch, Pair, pair
from .schema import Base
from .statements import CATALOGUE
from .strategies import selects, statements

OWNED = [table for table in Base.metadata.sorted_tables if table.name != "harbour"]


def nothing_in_where(plan: Plan) -> None:
    plan.where.clear()


def nothing_in_on(plan: Plan) -> None:
    plan.on.clear()


def on_in_where_instead(plan: Plan) -> None:
    for criteria in plan.on.values():
        plan.where.extend(criteria)
    plan.on.clear()


def nothing_derived(plan: Plan) -> None:
    plan.derived.clear()


def derived_in_where_instead(plan: Plan) -> None:
    for criteria in plan.derived.values():
        plan.where.extend(criteria)
    plan.derived.clear()


MISTAKES = [
    nothing_in_where,
    nothing_in_on,
    on_in_where_instead,
    nothing_derived,
    derived_in_where_instead,
]


def _make(monkeypatch: pytest.MonkeyPatch, mistake: Callable[[Plan], None]) -> None:
    add = Plan.add

    def mistaken(self: Plan, *args: Any, **kw: Any) -> Plan:
        plan = add(self, *args, **kw)
        mistake(plan)
        return plan

    monkeypatch.setattr(Plan, "add", mistaken)


def _through_the_list(compared: Pair) -> None:
    for each in CATALOGUE.values():
        if "sqlite" in each.only:
            compared.compare(each.run, writes=each.writes)


@pytest.fixture(autouse=True)
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the guard from noticing itself that it has no effect."""
    monkeypatch.setattr(dialects, "_prove", lambda twin: None)


# The databases are made within each test: their engines have not compiled anything
# before the mistake is made, and nothing that was compiled with it outlives it.


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_list_notices(mistake: Callable[[Plan], None], monkeypatch: pytest.MonkeyPatch) -> None:
    _make(monkeypatch, mistake)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_composed_statements_notice(
    mistake: Callable[[Plan], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(monkeypatch, mistake)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        fuzz(compared, selects("sqlite"), 1000, shrink=False)


@pytest.mark.parametrize("table", OWNED, ids=lambda table: table.name)
def test_the_list_notices_a_table_that_has_no_rule(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_for = Registry.rule_for

    def forgetful(self: Registry, asked: Any, *args: Any) -> Any:
        return None if asked.name == table.name else rule_for(self, asked, *args)

    monkeypatch.setattr(Registry, "rule_for", forgetful)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


def test_the_list_notices_a_tied_table_whose_parent_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Predicates, "tied", lambda self, element, tie: true())
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


def test_a_good_part_of_the_composed_statements_notices_an_absent_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Registry, "rule_for", lambda self, asked, *args: None)
    noticed = 0
    compare = Pair.compare

    def counting(self: Pair, *args: Any, **kw: Any) -> None:
        nonlocal noticed
        try:
            compare(self, *args, **kw)
        except Mismatch:
            noticed += 1

    monkeypatch.setattr(Pair, "compare", counting)
    with pair("sqlite") as compared:
        tally = fuzz(compared, statements("sqlite"), 200)
    assert noticed > tally.compared / 4
