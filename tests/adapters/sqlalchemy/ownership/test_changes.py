"""A declaration changes what was declared before, and loses nothing of it."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.ownership import registry as registries
from tenantshield_mw.adapters.sqlalchemy.ownership.changes import (
    adding,
    declaring,
    declaring_apart,
    requiring,
)
from tenantshield_mw.adapters.sqlalchemy.ownership.declaration import Shared
from tenantshield_mw.adapters.sqlalchemy.ownership.model import column_ownership
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import Registry
from tenantshield_mw.adapters.sqlalchemy.ownership.state import State
from tests.forks import in_child, needs_fork
from tests.threads import in_thread

NOTHING = State({}, (), frozenset(), ())


def a_table(name: str, metadata: MetaData | None = None) -> Table:
    return Table(
        name,
        MetaData() if metadata is None else metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
    )


def test_the_same_once_more_changes_nothing() -> None:
    table = a_table("once")
    own = Registry()
    own.require(table.metadata)
    own.declare_column(table, "tenant_id")
    assert requiring(own._state, table.metadata) is None
    by_mixin = column_ownership(table, "tenant_id", None)
    assert declaring(own._state, table, by_mixin, implied=True) is None
    generation = own.generation
    own.require(table.metadata)
    own.declare_column(table, "tenant_id", implied=True)
    assert own.generation == generation


def test_a_declaration_that_contradicts_an_earlier_one_is_refused() -> None:
    table, own = a_table("twice"), Registry()
    own.declare_column(table, "tenant_id")
    with pytest.raises(ConfigurationError, match="declared twice and differently"):
        declaring(own._state, table, Shared(table), implied=False)
    with pytest.raises(ConfigurationError, match="in another database"):
        declaring_apart(own._state, a_table("twice"))


def test_a_new_table_counts_beside_declared_ones_or_if_it_may_reach_them() -> None:
    table, own = a_table("first"), Registry()
    own.declare_column(table, "tenant_id")
    assert adding(own._state, a_table("second", table.metadata), counts=False) == {}
    elsewhere = Table("third", MetaData(), Column("id", ForeignKey("first.id"), primary_key=True))
    assert adding(own._state, elsewhere, counts=False) is None
    assert [*(adding(own._state, elsewhere, counts=True) or ())] == ["others"]
    assert adding(NOTHING, table, counts=False) is None


def test_a_declaration_in_the_midst_of_another_one_loses_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, tables = Registry(), [a_table("outer"), a_table("inner")]
    real, calls = dataclasses.replace, []

    def replace(*args: Any, **changes: Any) -> Any:
        calls.append(changes)
        if len(calls) == 1:
            # As a finalizer could, which the garbage collector runs here.
            own.declare_column(tables[1], "tenant_id")
        return real(*args, **changes)

    monkeypatch.setattr(registries, "replace", replace)
    in_thread(lambda: own.declare_column(tables[0], "tenant_id"))
    assert [own.ownership_of(each) is not None for each in tables] == [True, True]
    assert own.generation == 2


def test_what_is_refused_after_one_in_the_midst_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, table = Registry(), a_table("both")
    real, calls = dataclasses.replace, []

    def replace(*args: Any, **changes: Any) -> Any:
        calls.append(changes)
        if len(calls) == 1:
            own.declare_column(table, "tenant_id")
        return real(*args, **changes)

    monkeypatch.setattr(registries, "replace", replace)
    with pytest.raises(ConfigurationError, match="declared twice and differently"):
        in_thread(lambda: own.declare_shared(table))
    assert not own.is_shared(table)


@needs_fork
def test_a_child_finishes_what_a_thread_of_its_parent_was_declaring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, table = Registry(), a_table("half")
    inside, go_on = threading.Event(), threading.Event()
    real = Registry._publish

    def publish(self: Registry) -> None:
        if self is own and threading.current_thread() is thread:
            inside.set()
            assert go_on.wait(60)
        real(self)

    monkeypatch.setattr(Registry, "_publish", publish)
    thread = threading.Thread(target=own.declare_column, args=(table, "tenant_id"), daemon=True)
    thread.start()
    assert inside.wait(60)
    # What was compiled under the earlier number is not used again.
    assert in_child(lambda: (own.generation, own.is_empty)) == "(1, False)"
    # And others can be declared there.
    assert in_child(lambda: own.declare_column(a_table("next"), "tenant_id")) == "None"
    go_on.set()
    thread.join(60)
    assert in_child(lambda: (own.generation, own.is_empty)) == "(1, False)"
