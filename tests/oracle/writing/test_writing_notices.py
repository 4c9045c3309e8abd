"""The composed writes notice what the guard leaves out, within the examples of every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import true

from tenantshield_mw.adapters.sqlalchemy.compiler import (
    foreign_keys,
    guard,
    rendered,
    writes,
)
from tenantshield_mw.adapters.sqlalchemy.compiler.foreign_keys import Target
from tenantshield_mw.adapters.sqlalchemy.compiler.guard import StatementGuard
from tenantshield_mw.adapters.sqlalchemy.compiler.proofs import Proof
from tenantshield_mw.adapters.sqlalchemy.execution import dialects

from ..oracle import Mismatch
from . import statements
from .fuzzing import fuzz_writes
from .judge import judge
from .test_writing import EXAMPLES


def _trust_sets(patch: pytest.MonkeyPatch) -> None:
    note = Target.note

    def trusting(self: Target, values: Any, column_keys: Any, **kw: Any) -> Any:
        if kw.get("updates"):
            self.checked.update(self.sensitive)
            return dict(values)
        return note(self, values, column_keys, **kw)

    patch.setattr(Target, "note", trusting)


def _trust_keys_of_other_tables(patch: pytest.MonkeyPatch) -> None:
    names_of = foreign_keys.names_of

    def own_names_of(keys: Any, table: Any) -> dict[str, Any]:
        return names_of((k for k in keys if getattr(k, "table", table) is table), table)

    patch.setattr(foreign_keys, "names_of", own_names_of)
    patch.setattr(writes, "names_of", own_names_of)
    patch.setattr(rendered, "_check", lambda place, name, operation: place.written.add(name))


def _trust_upserts(patch: pytest.MonkeyPatch) -> None:
    def trusting(values: Any, target: Target) -> dict[str, Any]:
        return {str(foreign_keys.key_of(key)): value for key, value in values}

    patch.setattr(writes, "complete_conflict", trusting)


def _upsert_anybodys_row(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StatementGuard, "upsert_plan", lambda self, table: self.new_plan("INSERT"))


def _delete_without_parents(patch: pytest.MonkeyPatch) -> None:
    new_plan = StatementGuard.new_plan

    def forgetful(self: StatementGuard, operation: str) -> Any:
        plan = new_plan(self, operation)
        if operation == "DELETE":
            plan._predicates.tied = lambda *_, **__: true()  # type: ignore[method-assign]
        return plan

    patch.setattr(StatementGuard, "new_plan", forgetful)


def _trust_selected_keys(patch: pytest.MonkeyPatch) -> None:
    def trusting(source: Any, names: Any, columns: list[Any], target: Target) -> list[Any]:
        target.checked.update(target.sensitive)
        return columns

    patch.setattr(writes, "_checked_references", trusting)


def _take_all_writes_for_one(patch: pytest.MonkeyPatch) -> None:
    # Each is told from the others by an object of its own.
    patch.setattr(foreign_keys, "object", lambda: None, raising=False)


def _trust_the_databases_defaults(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(foreign_keys, "refuse_made_by_database", lambda reference: None)


def _trust_cascades(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guard, "refuse_cascade", lambda *args: None)


def _trust_expressions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proof, "of", lambda *args: True)


@pytest.mark.parametrize(
    "hole",
    [
        _trust_sets,
        _trust_keys_of_other_tables,
        _trust_upserts,
        _upsert_anybodys_row,
        _delete_without_parents,
        _trust_selected_keys,
        _take_all_writes_for_one,
        _trust_the_databases_defaults,
        _trust_cascades,
        _trust_expressions,
    ],
)
def test_a_hole_is_noticed(
    hole: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Made before anything is compiled; nothing that was compiled with it outlives it. The
    # guard itself must not notice that it has no effect.
    monkeypatch.setattr(dialects, "_prove", lambda guarded: None)
    hole(monkeypatch)
    with judge("sqlite") as both, pytest.raises(Mismatch):
        fuzz_writes(both, statements.writes("sqlite"), EXAMPLES["sqlite"], shrink=False)
