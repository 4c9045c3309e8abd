"""Run SQLAlchemy's own suite of the ORM as one tenant of several."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

from .sources import Outcome, Outcomes, counts, download, run

SUITE: Final = (
    "test/orm",
    # These make classes, tables and the text of statements, and read hardly any rows.
    *(
        f"--ignore=test/orm/{each}"
        for each in (
            "declarative",
            "test_attributes.py",
            "test_cache_key.py",
            "test_compile.py",
            "test_core_compilation.py",
            "test_dataclasses.py",
            "test_deprecations.py",
            "test_instrumentation.py",
            "test_mapper.py",
            "test_options.py",
            "test_rel_fn.py",
            "test_utils.py",
        )
    ),
)
CONTROL: Final = ("test/orm/test_query.py",)
"""Enough of it to show what it notices where nothing is confined."""

EXPLAINED: Final = {
    r"UnguardedStatementError: (raw|driver) SQL names ": "raw SQL is refused",
    r"does not tell whose it is: merge it with load=True": "no column tells whose an object is",
    r"^AssertionError: (Testing for compiled statement|'SELECT )": (
        "the text of a statement is expected"
    ),
    r"^AssertionError: desired statement count": "a statement more looks up a foreign key",
    r"^AssertionError: .*'acme'[,)]": "the columns that * stands for are expected",
    r"sets only a part of a foreign key": "a foreign key is set in part",
    r"^AttributeError: '(int|NoneType)' object has no attribute '_tenantshield_": (
        "the test calls all listeners with something else than a mapper or session"
    ),
}
"""Why a test may fail, by what its message contains; none may show anything of a decoy."""

# The key of a decoy is less than -1000000, which SQLite gives to a row if only decoys are left.
_DECOY: Final = re.compile(r"globex|decoy|-1000(?!000)\d{3}\b")

_LOOKED_UP = "the object is looked up before it is deleted, and its row is gone"
_BUMPED = "the decoy takes a version from the counter of the test"
_TRIGGERED = "a trigger of the test's own writes every row of the table"
_STALE = "test/orm/test_unitofworkv2.py::BasicStaleChecksTest"
_VERSIONS = "test/orm/test_versioning.py::ServerVersioningTest"

DIFFERS: Final = {
    f"{_STALE}::test_delete_multi_broken_multi_rowcount_doesnt_warn": _LOOKED_UP,
    f"{_STALE}::test_delete_multi_missing_allow": _LOOKED_UP,
    f"{_STALE}::test_delete_multi_missing_warning": _LOOKED_UP,
    f"{_STALE}::test_delete_single_broken_multi_rowcount_still_warns": _LOOKED_UP,
    f"{_VERSIONS}::test_sql_expr_bump": _BUMPED,
    f"{_VERSIONS}::test_sql_expr_w_mods_bump": _BUMPED,
    "test/orm/test_defaults.py::TriggerDefaultsTest::test_insert": _TRIGGERED,
    "test/orm/test_defaults.py::TriggerDefaultsTest::test_update": _TRIGGERED,
    "test/orm/inheritance/test_basic.py::OverrideColKeyTest::test_override_onlyinparent": (
        "a foreign key is set that refers to no row, although the mapper overwrites it"
    ),
    "test/orm/inheritance/test_single.py::SingleInheritanceTest::test_multi_qualification": (
        "an order is expected that no ORDER BY asks for"
    ),
    "test/orm/test_events.py::MapperEventsTest::test_insert_flags": (
        "the test calls all listeners with a mock"
    ),
    "test/orm/test_events.py::SessionLifecycleEventsTest"
    "::test_detached_to_persistent_via_cascaded_delete": (
        "the object is read again, since no column tells whose it is"
    ),
    "test/orm/test_dynamic.py::DynamicTest::test_secondary_as_join_complex_entity": (
        "the object is read again, and the test makes no tables"
    ),
    "test/orm/test_eager_relations.py::MixedSelfReferentialEagerTest::test_eager_load": (
        "rows refer to keys that the database generates in the same statement"
    ),
    "test/orm/test_froms.py::AliasOfAliasedSelectableTest::test_join_of_anon_aliases_flat_w_name": (
        "a flat alias of a join of aliases is refused"
    ),
}
"""Further tests that may fail, without the database in the class's name, each with the reason."""


def compare() -> bool:
    """Print what became of the suite; return whether it noticed nothing that is not explained."""
    folder = download("sqlalchemy", builds_here=True)
    leaking = _run(folder, CONTROL, declared=False)
    print(f"{folder.name}, two tenants and no guard: {counts(leaking)}", flush=True)
    ours = _run(folder, SUITE, declared=True)
    print(f"{folder.name}, two tenants and the guard: {counts(ours)}", flush=True)

    reasons = Counter[str]()
    unexplained = 0
    for test, outcome in sorted(ours.items()):
        if _is_right(outcome):
            continue
        reason = _reason(test, outcome)
        if reason is None:
            unexplained += 1
            print(f"  {test}: {outcome.what}: {outcome.message}")
        else:
            reasons[reason] += 1
    for reason, n in reasons.most_common():
        print(f"  {n} failed, since {reason}")
    noticed = sum(not _is_right(each) for each in leaking.values())
    print(f"  {unexplained} failed without a reason; {noticed} of {len(leaking)} without the guard")
    return unexplained == 0 and noticed * 10 > len(leaking)


def _run(folder: Path, tests: tuple[str, ...], *, declared: bool) -> Outcomes:
    # Without the options of the suite's own configuration, which stop it after some failures.
    arguments = ["-o", "addopts=", "-p", "xdist", "-n", "logical", "--dist", "loadscope", *tests]
    environment = {"TENANTSHIELD_DECLARED": "yes" if declared else "no"}
    return run(folder, "suite_under_guard", arguments, environment)


def _is_right(outcome: Outcome) -> bool:
    return outcome.what in ("passed", "skipped")


def _reason(test: str, outcome: Outcome) -> str | None:
    plain = re.sub(r"_sqlite\+pysqlite_[0-9_]+(?=::)", "", test)
    if plain in DIFFERS:
        return DIFFERS[plain]
    if _DECOY.search(outcome.message):
        return None
    found = (why for what, why in EXPLAINED.items() if re.search(what, outcome.message, re.DOTALL))
    return next(found, None)
