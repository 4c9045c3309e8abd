"""What the database does by itself, because the schema says so."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Column,
    MetaData,
    Table,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.leaks.catalogue import NOTHING, path, writes
from tests.leaks.hand import Hand
from tests.leaks.rows import THEIR_SHOP
from tests.leaks.schema import Models

# Tables that inherit from a shared one.

INHERITS: Final[dict[str, Any]] = {"only": "postgresql", "why": "no INHERITS"}
BY_NAME = "PostgreSQL applies the policies of the table that is named, not of those below it"


def inherited(
    name: str, statement: Callable[[Models], Any], kind: Any = "read", **options: Any
) -> None:
    def run(hand: Hand, m: Models) -> Any:
        result = hand.session.execute(statement(m))
        return [*result.all(), "own end"] if kind == "read" else None

    run.__module__ = __name__
    path(f"inherits: {name}", kind, beyond_policies=BY_NAME, **INHERITS, **options)(run)


inherited("the shared parent", lambda m: select(m.Document.title))
inherited("the shared parent's Table", lambda m: select(m.Document.__table__))
inherited(
    "an alias of the shared parent", lambda m: select(m.Document.__table__.alias("d").c.title)
)
inherited(
    "a bare table() of the shared parent",
    lambda m: select(column("title")).select_from(table("acct_document")),
)
inherited(
    "the shared parent, in a subquery",
    lambda m: select(select(func.max(m.Document.id)).scalar_subquery() - 500),
)
inherited(
    "the shared parent, joined to a shared table",
    lambda m: select(m.Document.title).join(m.Currency, m.Currency.code != m.Document.title),
)
inherited("the shared parent, as text", lambda m: text("SELECT title FROM acct_document"))
inherited("an UPDATE of the parent", lambda m: update(m.Document).values(title="x"), "write")
inherited("a DELETE of the parent", lambda m: delete(m.Document.__table__), "write")


@path(
    "inherits: a session's get() of the parent", beyond_policies=BY_NAME, sees=NOTHING, **INHERITS
)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Document, 401)


# A key that two tenants may have, followed by rows of both.

PARTLY: Final[dict[str, Any]] = {
    "only": "mariadb",
    "why": "a foreign key refers to unique columns",
}

writes(
    "partial key: UPDATE of the code, which rows of two tenants follow",
    lambda m: update(m.Part).where(m.Part.id == 1).values(code="C"),
    **PARTLY,
)
writes(
    "partial key: UPDATE, Core, without WHERE",
    lambda m: update(m.Part.__table__).values(code=func.concat(m.Part.__table__.c.code, "x")),
    **PARTLY,
)
writes(
    "partial key: DELETE, which takes rows of two tenants along",
    lambda m: delete(m.Part).where(m.Part.id == 1),
    **PARTLY,
)
writes("partial key: DELETE, Core", lambda m: delete(m.Part.__table__), **PARTLY)


@path("partial key: flush of a change", "write", **PARTLY)
def _(hand: Hand, m: Models) -> Any:
    hand.session.get(m.Part, 1).code = "C"
    hand.session.flush()


@path("partial key: flush of a deletion", "write", **PARTLY)
def _(hand: Hand, m: Models) -> Any:
    hand.session.delete(hand.session.get(m.Part, 1))
    hand.session.flush()


@path("partial key: ON DUPLICATE KEY UPDATE", "write", **PARTLY)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.dialects import mysql

    given = {"id": 1, "code": "A", "label": "own", hand.key: hand.mine}
    hand.session.execute(
        mysql.insert(m.Part.__table__).values(given).on_duplicate_key_update(code="C")
    )


@path("partial key: REPLACE INTO", "write", **PARTLY)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        text(f"REPLACE INTO acct_part (id, {hand.key}, code, label) VALUES (1, 'alfa', 'C', 'own')")
    )


# Constraints that delete the row that is in the way.

REPLACES: Final[dict[str, Any]] = {"only": "sqlite", "why": "no ON CONFLICT in a constraint"}


def slot(m: Models, code: str) -> dict[str, Any]:
    return {m.key: m.mine, "code": code, "label": "own"}


writes(
    "replacing constraint: insert",
    lambda m: insert(m.Slot.__table__).values(slot(m, "bravo-am")),
    **REPLACES,
)
writes(
    "replacing constraint: insert, several VALUES",
    lambda m: insert(m.Slot).values([slot(m, "own-x"), slot(m, "bravo-am")]),
    **REPLACES,
)
writes(
    "replacing constraint: insert, from a SELECT",
    lambda m: insert(m.Slot.__table__).from_select(
        ["code", "label", m.key],
        select(func.replace(m.Tag.slug, "own-late", "bravo-am"), m.Tag.label, m.tenant(m.Tag)),
    ),
    **REPLACES,
)
writes(
    "replacing constraint: update",
    lambda m: update(m.Slot).where(m.Slot.id == 1).values(code="bravo-am"),
    **REPLACES,
)


@path("replacing constraint: flush of a new object", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Slot(**slot(m, "bravo-am")))
    hand.session.flush()


@path("replacing constraint: flush of a change", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    hand.session.get(m.Slot, 1).code = "bravo-am"
    hand.session.flush()


@path("replacing constraint: executemany", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(insert(m.Slot.__table__), [slot(m, "own-x"), slot(m, "bravo-am")])


@path("replacing constraint: a copy of the Table that does not know of it", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    other = Table(
        "acct_slot", MetaData(), *(Column(each.name, each.type) for each in m.Slot.__table__.c)
    )
    hand.connection.execute(insert(other).values(slot(m, "bravo-am")))


# A tie that compares in another way than its parent.

FOLDED: Final[dict[str, Any]] = {"only": "sqlite", "why": "no NOCASE", "needs": "ties"}


def folded(name: str, statement: Callable[[Models], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        return hand.session.execute(statement(m)).all()

    run.__module__ = __name__
    path(f"folded tie: {name}", **FOLDED)(run)


folded("select", lambda m: select(m.Book.title))
folded("select, Core", lambda m: select(m.Book.__table__))
folded("joined to its parent", lambda m: select(m.Book.title).join(m.Shelf))
folded("in a subquery", lambda m: select(select(m.Book.title).subquery().c.title))
folded("a bare table()", lambda m: select(column("title")).select_from(table("acct_book")))
writes("folded tie: update", lambda m: update(m.Book).values(title="own"), **FOLDED)
writes("folded tie: delete", lambda m: delete(m.Book.__table__), **FOLDED)


@path("folded tie: get()", sees=NOTHING, **FOLDED)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Book, 401)


# A tenant that its column does not hold, where the database cuts it.

LENIENT: Final[dict[str, Any]] = {
    "only": "mariadb",
    "why": "always strict, or never cuts",
    "tenant": "own",
    "needs": "columns ambient",
}


@contextmanager
def lenient(hand: Hand, tenant: Any) -> Generator[Any, None, None]:
    """Yield a connection without strict mode, in the scope of a tenant that is too long."""
    with hand.scope(tenant), hand.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SET SESSION sql_mode = ''")
        cursor.close()
        try:
            yield connection
            connection.commit()
        finally:
            connection.invalidate()


def cut(name: str, act: Callable[[Any, Models, Any], Any]) -> None:
    for what, tenant in (("a longer string", "bravo2"), ("a larger integer", THEIR_SHOP + 1)):

        def run(hand: Hand, m: Models, tenant: Any = tenant) -> None:
            with lenient(hand, tenant) as connection:
                act(connection, m, tenant)

        path(f"cut tenant: {what}, {name}", "write", **LENIENT)(run)


def held(m: Models, tenant: Any) -> tuple[Any, dict[str, Any]]:
    """Return the model for such a tenant, and a new row of it."""
    if isinstance(tenant, str):
        return m.Badge, {"org_id": tenant, "name": "x"}
    return m.Counter, {"shop_no": tenant, "name": "x"}


def flush(connection: Any, m: Models, tenant: Any) -> None:
    model, row = held(m, tenant)
    with Session(connection) as session:
        session.add(model(**row))
        session.commit()


cut("insert", lambda c, m, t: c.execute(insert(held(m, t)[0]).values(held(m, t)[1])))
cut("executemany", lambda c, m, t: c.execute(insert(held(m, t)[0].__table__), [held(m, t)[1]] * 2))
cut("flush", flush)
cut(
    "from a SELECT",
    lambda c, m, t: c.execute(
        insert(held(m, t)[0].__table__).from_select(
            list(held(m, t)[1]),
            select(*(func.coalesce(each, None) for each in held(m, t)[1].values())),
        )
    ),
)

# Exclusion constraints.

EXCLUDES: Final[dict[str, Any]] = {"only": "postgresql", "why": "no exclusion constraints"}
HELD = "a constraint holds for all rows, those that are not shown included"


@path(
    "open: a value of another tenant's row, told by an exclusion constraint",
    open="a constraint holds for all tenants; make the tenant part of it",
    open_still=HELD,
    **EXCLUDES,
)
def _(hand: Hand, m: Models) -> Any:
    given = {"begins": 900, "ends": 9999, "label": "own", hand.key: hand.mine}
    try:
        hand.session.execute(insert(m.Booking).values(given))
    except IntegrityError:
        hand.session.rollback()
        return "own, and bravo's is in the way"
    return "own"


@path("exclusion constraint: ON CONFLICT, beside the row in the way", "write", **EXCLUDES)
def _(hand: Hand, m: Models) -> Any:
    given = {"id": 401, "begins": 900, "ends": 9999, "label": "own", hand.key: hand.mine}
    hand.session.execute(
        postgresql.insert(m.Booking.__table__)
        .values(given)
        .on_conflict_do_update(index_elements=["id"], set_={"label": "own"})
    )


@path("exclusion constraint: the row in the way, moved aside", "write", **EXCLUDES)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        update(m.Booking).values(begins=m.Booking.id * 10, ends=m.Booking.id * 10 + 1, label="own")
    )


@path("exclusion constraint: the row in the way, deleted", "write", **EXCLUDES)
def _(hand: Hand, m: Models) -> Any:
    booking = m.Booking.__table__
    hand.session.execute(
        delete(booking).where(
            func.int4range(booking.c.begins, booking.c.ends).op("&&")(func.int4range(900, 9999))
        )
    )
