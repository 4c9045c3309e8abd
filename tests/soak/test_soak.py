"""The short form of the soak test: it passes, and it detects failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from tests import pgbouncer

from .__main__ import report
from .ledger import Ledger, Verdict, compare
from .running import PARTS, Part, Settings, run

SETTINGS: Final = Settings(
    seed=20,
    clients=40,
    tenants=10,
    connections=5,
    read=8_000,
    written=500,
    transactions_a_fault=20,
)


@pytest.mark.parametrize("part", PARTS)
def test_nothing_goes_to_another_tenant_and_nothing_is_lost(part: Part) -> None:
    if part != "direct":
        pgbouncer.require()
    figures = run(SETTINGS, part)
    assert figures.is_good, report(figures)
    assert figures.tally.read >= SETTINGS.read
    assert figures.acknowledged >= SETTINGS.written
    assert figures.restarts == 1
    assert figures.terminations > 0
    assert figures.durable == "fsync on, full_page_writes on, synchronous_commit on"


def test_it_tells_of_a_tenant_that_outlives_its_transaction() -> None:
    pgbouncer.require()
    figures = run(replace(SETTINGS, broken="tenant", restarts=0, read=1_000), "pgbouncer")
    assert figures.wrong > 0
    assert not figures.is_good


def test_it_tells_of_commits_that_were_only_promised() -> None:
    figures = run(replace(SETTINGS, broken="commit", read=1_000, written=300), "direct")
    assert figures.verdict.lost > 0
    assert figures.wrong == 0
    assert not figures.is_good


def test_a_ledger_is_right_about_each_outcome() -> None:
    ledger = Ledger()
    ledger.acknowledge([("kept", "1"), ("renewed", "2"), ("gone", "3"), ("doubtful", "4")])
    ledger.acknowledge([("renewed", "5"), ("gone", None)])
    ledger.roll_back([("renewed", "6"), ("never", "7")])
    ledger.lose_sight([("doubtful", "8"), ("perhaps", "9")])
    assert ledger.acknowledged == 6
    assert ledger.unknown == 2
    assert ledger.sure == {"kept": "1", "renewed": "5"}
    right = {"kept": "1", "renewed": "5", "doubtful": "4"}
    for stored, verdict in (
        (right, Verdict()),
        ({**right, "doubtful": "8", "perhaps": "9"}, Verdict()),
        ({"renewed": "5", "doubtful": "4"}, Verdict(lost=1)),
        ({"kept": "1", "renewed": "5"}, Verdict(lost=1)),
        ({**right, "renewed": "2"}, Verdict(lost=1)),
        ({**right, "gone": "3"}, Verdict(lost=1)),
        ({**right, "renewed": "6"}, Verdict(undead=1)),
        ({**right, "never": "7"}, Verdict(undead=1)),
        ({**right, "foreign": "0"}, Verdict(unexplained=1)),
    ):
        assert compare([ledger, Ledger()], stored) == verdict
