"""The steps of a client within a transaction: reads, writes and attacks.

They are plain functions on a ``Session``. An ``AsyncSession`` runs the same ones by
``run_sync``, and goes to the database through its own driver.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session, selectinload

from tenantshield_mw import CrossTenantAccessError, ScopeMismatchError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.databases import sqlstate

from .ledger import Change, Ledger
from .schema import FUNCTION, VIEW, Detail, Entry
from .tally import Tally

__all__ = ["EVIL", "READS", "WRITES", "Client", "Step", "Turn", "raw", "sqlstate_of"]

ROWS_KEPT: Final = 24
"""A client with more rows than this deletes some."""


@dataclass
class Client:
    """One client and its state.

    Attributes:
        number: which one.
        tenant: whose rows it works on; also what it writes into ``owner``.
        rng: decides what it does.
        foreigner: a client of another tenant; ``None`` until there is one.
    """

    number: int
    tenant: str
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    tally: Tally = field(default_factory=Tally)
    foreigner: Client | None = None
    _named: int = 0

    def fresh(self) -> str:
        """Return a name or token that is not used yet."""
        self._named += 1
        return f"{self.number}.{self._named}"


@dataclass
class Turn:
    """One transaction of a client.

    Attributes:
        changes: what it has written and neither committed nor rolled back.
    """

    client: Client
    changes: list[Change] = field(default_factory=list)

    def see(self, how: str, owners: Iterable[str]) -> None:
        """Record the rows that were read, with their ``owner``."""
        tally, tenant = self.client.tally, self.client.tenant
        for owner in owners:
            tally.read += 1
            if owner != tenant:
                tally.wrong[how] += 1

    def see_all(self, how: str, rows: Iterable[Sequence[Any]]) -> None:
        """The same for owners and names of all rows of the tenant."""
        rows = list(rows)
        self.see(how, (row[0] for row in rows))
        mine = self.client.ledger.sure.keys() | {name for name, token in self.changes if token}
        mine -= {name for name, token in self.changes if token is None}
        mine -= {row[1] for row in rows}
        if mine:
            self.client.tally.missing[how] += len(mine)

    def some(self, most: int) -> list[str]:
        """Return the names of the client's rows that this transaction has not changed."""
        touched = {name for name, _ in self.changes}
        free = [name for name in self.client.ledger.sure if name not in touched]
        return self.client.rng.sample(free, max(0, min(most, len(free))))

    def did(self, how: str, name: str, token: str | None, count: int = 1) -> None:
        """Record a write that affected ``count`` rows."""
        if count != 1:
            self.client.tally.missing[how] += 1
        self.changes.append((name, token))


Step: TypeAlias = Callable[[Session, Turn], None]


def raw(session: Session, sql: str, *values: Any) -> Any:
    """Return the rows of ``sql``, or their number, through the driver's cursor."""
    connection = session.connection()
    if connection.dialect.driver == "asyncpg":
        for number in range(1, len(values) + 1):
            sql = sql.replace("%s", f"${number}", 1)
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount
    finally:
        cursor.close()


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's code of a driver's error, wrapped by SQLAlchemy or not."""
    return sqlstate(getattr(error, "orig", error))


# -- reads -----------------------------------------------------------------------


def by_mapper(session: Session, turn: Turn) -> None:
    found = session.scalars(select(Entry)).all()
    turn.see_all("mapper", [(each.owner, each.name) for each in found])


def by_relationship(session: Session, turn: Turn) -> None:
    found = session.scalars(select(Entry).options(selectinload(Entry.details)).limit(20)).all()
    turn.see("mapper", [each.owner for each in found])
    turn.see("relationship", [detail.owner for each in found for detail in each.details])


def by_core(session: Session, turn: Turn) -> None:
    turn.see_all("core", session.execute(select(Entry.owner, Entry.name)))


def by_tie(session: Session, turn: Turn) -> None:
    turn.see("tie", session.scalars(select(Detail.owner)))


def by_cursor(session: Session, turn: Turn) -> None:
    turn.see_all("cursor", raw(session, "SELECT owner, name FROM soak_entry"))
    turn.see(
        "cursor on a tied table", [o for (o,) in raw(session, "SELECT owner FROM soak_detail")]
    )


def by_view(session: Session, turn: Turn) -> None:
    turn.see_all("view", session.execute(text(f"SELECT owner, name FROM {VIEW}")))


def by_function(session: Session, turn: Turn) -> None:
    found = session.execute(text(f"SELECT owner, name FROM {FUNCTION}()"))
    turn.see_all("function", found)


READS: Final[tuple[Step, ...]] = (
    by_mapper,
    by_relationship,
    by_core,
    by_tie,
    by_cursor,
    by_view,
    by_function,
)


# -- writes ----------------------------------------------------------------------


def add(session: Session, turn: Turn) -> None:
    client = turn.client
    for _ in range(3):
        name, token = client.fresh(), client.fresh()
        entry = Entry(owner=client.tenant, name=name, token=token)
        entry.details.append(Detail(owner=client.tenant))
        session.add(entry)
        turn.did("add", name, token)
    session.flush()


def insert_many(session: Session, turn: Turn) -> None:
    client = turn.client
    rows = [
        {"owner": client.tenant, "name": client.fresh(), "token": client.fresh()} for _ in range(5)
    ]
    session.execute(insert(Entry), rows)
    for row in rows:
        turn.did("insert", row["name"], row["token"])


def insert_by_cursor(session: Session, turn: Turn) -> None:
    client = turn.client
    name, token = client.fresh(), client.fresh()
    sql = "INSERT INTO soak_entry (tenant_id, owner, name, token) VALUES (%s, %s, %s, %s)"
    count = raw(session, sql, client.tenant, client.tenant, name, token)
    turn.did("insert by cursor", name, token, count)


def change(session: Session, turn: Turn) -> None:
    for name in turn.some(3):
        entry = session.scalars(select(Entry).where(Entry.name == name)).one_or_none()
        token = turn.client.fresh()
        if entry is not None:
            entry.token = token
        turn.did("change", name, token, 0 if entry is None else 1)
    session.flush()


def update_some(session: Session, turn: Turn) -> None:
    for name in turn.some(3):
        token = turn.client.fresh()
        result: Any = session.execute(update(Entry).where(Entry.name == name).values(token=token))
        turn.did("update", name, token, result.rowcount)


def update_by_cursor(session: Session, turn: Turn) -> None:
    for name in turn.some(3):
        token = turn.client.fresh()
        count = raw(session, "UPDATE soak_entry SET token = %s WHERE name = %s", token, name)
        turn.did("update by cursor", name, token, count)


def delete_some(session: Session, turn: Turn) -> None:
    for name in turn.some(len(turn.client.ledger.sure) - ROWS_KEPT):
        result: Any = session.execute(delete(Entry).where(Entry.name == name))
        turn.did("delete", name, None, result.rowcount)


def delete_by_cursor(session: Session, turn: Turn) -> None:
    for name in turn.some(2):
        count = raw(session, "DELETE FROM soak_entry WHERE name = %s", name)
        turn.did("delete by cursor", name, None, count)


def remove(session: Session, turn: Turn) -> None:
    for name in turn.some(2):
        entry = session.scalars(select(Entry).where(Entry.name == name)).one_or_none()
        if entry is not None:
            session.delete(entry)
        turn.did("remove", name, None, 0 if entry is None else 1)
    session.flush()


def under_a_savepoint(session: Session, turn: Turn) -> None:
    before = len(turn.changes)
    savepoint = session.begin_nested()
    turn.client.rng.choice((add, insert_many, update_some))(session, turn)
    if turn.client.rng.random() < 0.5:
        savepoint.commit()
    else:
        savepoint.rollback()
        turn.client.tally.savepoints += 1
        turn.client.ledger.roll_back(turn.changes[before:])
        del turn.changes[before:]


WRITES: Final[tuple[Step, ...]] = (
    add,
    insert_many,
    insert_by_cursor,
    change,
    update_some,
    update_by_cursor,
    delete_some,
    delete_by_cursor,
    remove,
    under_a_savepoint,
)


# -- harm ------------------------------------------------------------------------


def write_to_anothers(session: Session, turn: Turn) -> None:
    """Try to change and delete an existing row of another tenant."""
    assert turn.client.foreigner is not None
    names = list(turn.client.foreigner.ledger.sure)
    if names:
        name = turn.client.rng.choice(names)
        count = raw(session, "UPDATE soak_entry SET token = 'harm' WHERE name = %s", name)
        count += raw(session, "DELETE FROM soak_entry WHERE name = %s", name)
        turn.client.tally.wrong["another's row was written"] += count
        if session.scalars(select(Entry).where(Entry.name == name)).first() is not None:
            turn.client.tally.wrong["another's row by its name"] += 1


def insert_for_another(session: Session, turn: Turn) -> None:
    assert turn.client.foreigner is not None
    other = turn.client.foreigner.tenant
    sql = "INSERT INTO soak_entry (tenant_id, owner, name, token) VALUES (%s, %s, %s, 'harm')"
    try:
        with session.begin_nested():
            raw(session, sql, other, other, turn.client.fresh())
    except Exception as error:
        # "new row violates row-level security policy"
        if sqlstate_of(error) != "42501":
            raise
        turn.client.tally.refused += 1
    else:
        turn.client.tally.wrong["a row was inserted for another"] += 1


def use_anothers_scope(session: Session, turn: Turn) -> None:
    """Read in another scope within the transaction, and insert that tenant's row outside of it."""
    assert turn.client.foreigner is not None
    other = turn.client.foreigner.tenant
    session.connection()
    try:
        with tenant_scope(other):
            seen = set(session.connection().execute(select(Entry.owner)).scalars())
    except ScopeMismatchError:
        # There is work that was not flushed.
        turn.client.tally.refused += 1
    else:
        if not seen <= {other}:
            turn.client.tally.wrong["another's scope within a transaction"] += 1
    seen = set(session.connection().execute(select(Entry.owner)).scalars())
    if not seen <= {turn.client.tenant}:
        turn.client.tally.wrong["the own scope after another's"] += 1
    row = {"tenant_id": other, "owner": other, "name": turn.client.fresh(), "token": "harm"}
    try:
        session.execute(insert(Entry), row)
    except CrossTenantAccessError:
        turn.client.tally.refused += 1
    else:
        turn.client.tally.wrong["a row was inserted for another"] += 1


EVIL: Final[tuple[Step, ...]] = (write_to_anothers, insert_for_another, use_anothers_scope)
