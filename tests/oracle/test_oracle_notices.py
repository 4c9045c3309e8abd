"""The oracle goes red when the guard leaves something out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Table, func, join, select, true
from sqlalchemy.orm import aliased

from tenantshield_mw.adapters.sqlalchemy.compiler.placement import Plan
from tenantshield_mw.adapters.sqlalchemy.compiler.predicates import Predicates
from tenantshield_mw.adapters.sqlalchemy.execution import dialects
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import Registry

from .conftest import PairOf
from .fuzzing import fuzz
from .oracle import Mismatch, Pair, Rejected, pair
from .schema import Base, Bill, Depot
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
    monkeypatch.setattr(dialects, "_prove", lambda guarded: None)


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
    ownership_of = Registry.ownership_of

    def forgetful(self: Registry, asked: Any, *args: Any) -> Any:
        return None if asked.name == table.name else ownership_of(self, asked, *args)

    monkeypatch.setattr(Registry, "ownership_of", forgetful)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


def test_the_list_notices_a_tied_table_whose_parent_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Predicates, "tied", lambda self, element, tie: true())
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


def test_the_list_notices_that_rows_of_everybody_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Predicates, "visible", Predicates.own)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        _through_the_list(compared)


def test_composed_statements_notice_that_rows_of_everybody_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Predicates, "visible", Predicates.own)
    with pair("sqlite") as compared, pytest.raises(Mismatch):
        fuzz(compared, selects("sqlite"), 1000, shrink=False)


def test_a_good_part_of_the_composed_statements_notices_an_absent_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Registry, "ownership_of", lambda self, asked, *args: None)
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


def test_what_sqlalchemy_renders_differently_each_time_is_not_held_against_the_guard(
    pair_of: PairOf,
) -> None:
    """Found by the fuzz: SQLAlchemy 2.1 renders an alias of a joined class twice in a FROM
    when one statement object is compiled for the second time, with or without a guard."""
    other = aliased(Bill)
    inner = (
        select(func.count(other.id))
        .select_from(join(Bill, other, Bill.id == other.id))
        .where(Bill.id == Depot.id)
        .scalar_subquery()
    )
    statement = select(Depot).where(Depot.id == inner)
    for _ in range(2):
        with suppress(Rejected):
            pair_of("sqlite").compare(lambda session: session.execute(statement), writes=False)
