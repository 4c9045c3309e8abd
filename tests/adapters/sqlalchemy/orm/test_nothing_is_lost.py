"""Whatever a session does when its scope changes: what it accepted is written, or an error says so.

A machine uses one session in scopes that it enters and leaves in any order, on rows of two tenants
and of everybody. It knows what the database must hold after each commit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.orm import Session

from tenantshield_mw import TenantShieldError, system_scope, tenant_scope
from tests.databases import memory_engine

from ..watching import fill, rows
from .moving.models import SEED, Base, Line, Plan, User

KINDS: Final[dict[str, tuple[Any, str]]] = {
    "user": (User, "name"),
    "plan": (Plan, "name"),
    "line": (Line, "text"),
}
KEYS: Final = (("user", 1), ("user", 2), ("plan", 1), ("line", 111), ("line", 112))
OWNERS: Final = {("user", 1): "a", ("user", 2): "b", ("line", 111): "a", ("line", 112): "b"}

Row = tuple[str, int]
Rows = dict[Row, tuple[str | None, str]]
"""The tenant and the text of each row; no tenant for a row of everybody."""


def content(engine: Engine) -> Rows:
    found: Rows = {}
    for number, tenant, name in rows(engine, "SELECT id, tenant_id, name FROM move_user"):
        found["user", number] = tenant, name
    for number, name in rows(engine, "SELECT id, name FROM move_plan"):
        found["plan", number] = None, name
    lines = "SELECT l.id, o.tenant_id, l.text FROM move_line l JOIN move_order o"
    for number, tenant, text in rows(engine, f"{lines} ON o.id = l.order_id"):
        found["line", number] = tenant, text
    return found


class Sessions(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.engine = memory_engine()
        Base.metadata.create_all(self.engine)
        fill(self.engine, *SEED)
        self.session = Session(self.engine)
        self.scopes: list[tuple[str, AbstractContextManager[Any]]] = []
        self.savepoints: list[tuple[Any, Rows]] = []
        self.held: dict[Row, Any] = {}
        self.committed = content(self.engine)
        self.current = dict(self.committed)
        self.number = 1000

    def teardown(self) -> None:
        while self.scopes:
            self.scopes.pop()[1].__exit__(None, None, None)
        self.session.close()
        self.engine.dispose()

    # -- what is known ---------------------------------------------------------------------

    @property
    def scope(self) -> str | None:
        return self.scopes[-1][0] if self.scopes else None

    def new_text(self) -> str:
        self.number += 1
        return f"t{self.number}"

    def undo(self) -> None:
        """Start anew after an error of the database."""
        self.session.rollback()
        self.savepoints.clear()
        self.current = dict(self.committed)

    def attempt(self, work: Any) -> bool:
        """Return whether ``work`` succeeded; a refusal leaves everything as it is."""
        try:
            work()
        except TenantShieldError:
            if not self.session.is_active:
                self.undo()
            return False
        except SQLAlchemyError:
            self.undo()
            return False
        return True

    # -- scopes ----------------------------------------------------------------------------

    @rule(name=st.sampled_from(["a", "b", "system"]))
    def enter(self, name: str) -> None:
        scope: Any = system_scope("test") if name == "system" else tenant_scope(name)
        scope.__enter__()
        self.scopes.append((name, scope))

    @precondition(lambda self: self.scopes)
    @rule()
    def leave(self) -> None:
        self.scopes.pop()[1].__exit__(None, None, None)

    # -- reads -----------------------------------------------------------------------------

    @rule()
    def get_all(self) -> None:
        for row in KEYS:
            self.get(row)

    def get(self, row: Row) -> None:
        found: list[Any] = []
        if not self.attempt(lambda: found.append(self.session.get(KINDS[row[0]][0], row[1]))):
            return
        if row not in self.current:
            # Before the DELETE is flushed, the object is still found.
            return
        tenant, text = self.current[row]
        visible = tenant is None or self.scope == "system" or tenant == self.scope
        if found[0] is None:
            assert not visible
        else:
            assert visible
            assert getattr(found[0], KINDS[row[0]][1]) == text
            self.held[row] = found[0]

    @rule()
    def count(self) -> None:
        found: list[Any] = []
        if self.attempt(lambda: found.append(self.session.scalar(select(func.count(User.id))))):
            users = [tenant for (kind, _), (tenant, _) in self.current.items() if kind == "user"]
            seen = [each for each in users if self.scope in ("system", each)]
            assert found == [len(seen)]

    # -- changes ---------------------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def change_some(self, data: st.DataObject) -> None:
        rows_to_change = data.draw(st.sets(st.sampled_from(sorted(self.held)), min_size=1))
        for row in sorted(rows_to_change):
            self.change(row)

    def change(self, row: Row) -> None:
        held, text = self.held[row], self.new_text()
        state = inspect(held)
        if state.transient or state.deleted or state.was_deleted or row not in self.current:
            return
        if self.attempt(lambda: setattr(held, KINDS[row[0]][1], text)):
            self.current[row] = self.current[row][0], text

    @rule()
    def add(self) -> None:
        new = User(id=self.number + 1, name=self.new_text())
        if self.scope not in ("a", "b"):
            return
        if self.attempt(lambda: self.session.add(new)):
            row = "user", new.id
            self.held[row] = new
            self.current[row] = self.scope, new.name
            # Otherwise it would belong to the scope that flushes it.
            self.flush()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[row]
        if row[0] != "line" or not inspect(held).persistent or row not in self.current:
            return
        if self.attempt(lambda: self.session.delete(held)):
            del self.current[row], self.held[row]

    # -- the session's own operations --------------------------------------------------------

    @rule()
    def flush(self) -> None:
        self.attempt(self.session.flush)

    @rule()
    def commit(self) -> None:
        if self.attempt(self.session.commit):
            self.savepoints.clear()
            self.committed = dict(self.current)
            assert content(self.engine) == self.committed

    @rule()
    def roll_back(self) -> None:
        self.undo()

    @rule()
    def begin_nested(self) -> None:
        begun: list[Any] = []
        if self.attempt(lambda: begun.append(self.session.begin_nested())):
            self.savepoints.append((begun[0], dict(self.current)))

    @precondition(lambda self: self.savepoints)
    @rule(keep=st.booleans())
    def end_nested(self, keep: bool) -> None:
        savepoint, before = self.savepoints[-1]
        if keep:
            if self.attempt(savepoint.commit):
                self.savepoints.pop()
        else:
            savepoint.rollback()
            self.savepoints.pop()
            self.current = before

    @precondition(lambda self: self.held)
    @rule(data=st.data(), all_of_them=st.booleans())
    def expire(self, data: st.DataObject, all_of_them: bool) -> None:
        row = data.draw(st.sampled_from(sorted(self.held)))
        # What is expired is forgotten, as documented.
        if not self.attempt(self.session.flush) or row not in self.held:
            return
        if all_of_them:
            self.session.expire_all()
        elif self.held[row] in self.session:
            self.session.expire(self.held[row])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[row]
        if self.attempt(self.session.flush) and held in self.session:
            with suppress(InvalidRequestError, TenantShieldError):
                self.session.refresh(held)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        """Merge a copy that was changed elsewhere."""
        row = data.draw(st.sampled_from(sorted(self.held)))
        model, attribute = KINDS[row[0]]
        if row[0] == "line" or row not in self.current:
            return
        text = self.new_text()
        copy = model(id=row[1], **{attribute: text})
        tenant = self.current[row][0]
        if tenant is not None and self.scope != tenant:
            return
        merged: list[Any] = []
        if self.attempt(lambda: merged.append(self.session.merge(copy))):
            self.current[row] = tenant, text
            self.held[row] = merged[0]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def bring_back(self, data: st.DataObject) -> None:
        """Add an object that may have left the session."""
        row = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[row]
        if inspect(held).detached:
            with suppress(TenantShieldError, InvalidRequestError):
                self.session.add(held)

    @invariant()
    def what_is_held_is_read_as_it_is_or_not_at_all(self) -> None:
        """An object of the session that is the scope's has the current text."""
        for row, held in self.held.items():
            if row not in self.current or held not in self.session:
                continue
            if self.current[row][0] not in (None, self.scope):
                continue
            values = inspect(held).dict
            attribute = KINDS[row[0]][1]
            if attribute in values:
                assert values[attribute] == self.current[row][1]


Sessions.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_what_a_session_accepts_is_written = Sessions.TestCase
