"""A session serves one tenant at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event, select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session, joinedload, scoped_session, selectinload, sessionmaker
from sqlalchemy.orm.exc import DetachedInstanceError, ObjectDeletedError, StaleDataError

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand, flat
from tests.leaks.schema import Models

OWN: dict[str, Any] = {"tenant": "own", "needs": "ambient"}
GONE = (ObjectDeletedError, DetachedInstanceError, InvalidRequestError, StaleDataError)


def session_path(name: str, kind: Any = "read", **options: Any) -> Callable[[Any], Any]:
    return path(f"session: {name}", kind, **{**OWN, **options})


@session_path("get() under the second tenant", beyond_policies=IN_MEMORY, sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
    with hand.scope(hand.mine):
        found = hand.session.get(m.Invoice, 401)
        return [found, kept is found]


@session_path(
    "get() of a tied row under the second tenant",
    beyond_policies=IN_MEMORY,
    sees=NOTHING,
    needs="ambient ties",
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.InvoiceLine, 401)
    with hand.scope(hand.mine):
        found = hand.session.get(m.InvoiceLine, 401)
        return [found, kept is found]


@session_path("many-to-one from memory under the second tenant", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        with hand.scope(hand.theirs):
            kept = hand.session.get(m.Customer, 401)
        with hand.scope(hand.mine):
            return [flat(hand.session.get(m.Invoice, 1).customer), kept and "own end"]


@session_path(
    "a lazy collection of the first tenant's object under the second", sees=NOTHING, errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Customer, 401)
    with hand.scope(hand.mine):
        return [each.note for each in kept.invoices]


@session_path(
    "an expired attribute of the first tenant's object under the second", sees=NOTHING, errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Customer, 401)
        hand.session.commit()
    with hand.scope(hand.mine):
        return kept.name


@session_path("refresh of the first tenant's object under the second", sees=NOTHING, errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Customer, 401)
    with hand.scope(hand.mine):
        hand.session.refresh(kept)
        return kept.name


@session_path(
    "a deferred attribute of the first tenant's object under the second", sees=NOTHING, errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
    with hand.scope(hand.mine):
        return kept.private


@session_path(
    "iteration over the identity map under the second tenant",
    beyond_policies=IN_MEMORY,
    sees=NOTHING,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.scalars(select(m.Invoice)).all()
    with hand.scope(hand.mine):
        hand.session.scalars(select(m.Currency)).all()
        return [list(hand.session), kept and None]


@session_path("merge under the second tenant", beyond_policies=IN_MEMORY, sees=NOTHING, errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
    with hand.scope(hand.mine):
        merged = hand.session.merge(m.Invoice(id=401))
        found = merged.note
        hand.session.expunge_all()
        return [found, kept is None]


@session_path("pending work of the first tenant flushed under the second", "write")
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        hand.session.add(m.Tag(slug="own-1", label="own", **{hand.key: hand.theirs}))
    with hand.scope(hand.mine):
        hand.session.flush()


@session_path(
    "pending work without a tenant flushed under the second",
    "write",
    harmless="it has no tenant",
    errors=(IntegrityError,),
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        hand.session.add(m.Tag(slug="own-1", label="own"))
    with hand.scope(hand.mine):
        hand.session.flush()
        assert not hand.session.scalars(select(m.Tag).where(m.Tag.slug == "own-1")).all()


@session_path(
    "a change of the first tenant's object flushed under the second", "write", errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Tag, 401)
        kept.label = "x"
    with hand.scope(hand.mine):
        hand.session.flush()


@session_path(
    "a change of the first tenant's object made and committed under the second",
    "write",
    errors=GONE,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Tag, 401)
    with hand.scope(hand.mine):
        kept.label = "x"
        hand.session.add(kept)
        hand.session.commit()


@session_path("a deletion of the first tenant's object under the second", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Posting, 401)
    with hand.scope(hand.mine):
        hand.session.delete(kept)
        hand.session.commit()


@session_path(
    "a deletion marked under the first tenant, committed under the second", "write", errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        hand.session.delete(hand.session.get(m.Posting, 401))
    with hand.scope(hand.mine):
        hand.session.commit()


@session_path("objects of the first tenant added to a session of the second", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Tag, 401)
        hand.session.expunge(kept)
        hand.session.close()
    with hand.scope(hand.mine):
        other = hand.new_session()
        other.add(kept)
        kept.label = "x"
        other.commit()


@session_path(
    "objects of the first tenant read in a session of the second", sees=NOTHING, errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Customer, 401)
        hand.session.expunge(kept)
        hand.session.close()
    with hand.scope(hand.mine):
        other = hand.new_session()
        other.add(kept)
        return [[each.note for each in kept.invoices]]


@session_path("an uncommitted transaction carried from one tenant to the next", "write")
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        hand.session.execute(update(m.Tag).where(m.Tag.id == 1).values(label="x"))
    with hand.scope(hand.mine):
        hand.session.execute(update(m.Tag).where(m.Tag.id == 401).values(label="x"))


@session_path("a session reused after close()", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        hand.session.get(m.Invoice, 401)
        hand.session.close()
    with hand.scope(hand.mine):
        return hand.session.get(m.Invoice, 401)


@session_path("a session reused after rollback()", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
        hand.session.rollback()
    with hand.scope(hand.mine):
        return [hand.session.get(m.Invoice, 401), kept is None]


@session_path("a session reused inside a savepoint", beyond_policies=IN_MEMORY, sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
        nested = hand.session.begin_nested()
    with hand.scope(hand.mine):
        found = hand.session.get(m.Invoice, 401)
        nested.rollback()
        return [found, kept is None]


@session_path("a nested scope inside of the session's own", beyond_policies=IN_MEMORY, sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.mine):
        hand.session.get(m.Invoice, 1)
        with hand.scope(hand.theirs):
            kept = hand.session.get(m.Invoice, 401)
        return [hand.session.get(m.Invoice, 401), kept is None]


@session_path("scoped_session, two tenants in turn", beyond_policies=IN_MEMORY, sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    registry = scoped_session(sessionmaker(hand.engine))
    try:
        with hand.scope(hand.theirs):
            kept = registry.get(m.Invoice, 401)
        with hand.scope(hand.mine):
            return [registry.get(m.Invoice, 401), kept is None]
    finally:
        registry.remove()


@session_path("a Session subclass that overrides get_bind", beyond_policies=IN_MEMORY, sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    class Routed(Session):
        def get_bind(self, *args: Any, **kw: Any) -> Any:
            return hand.engine

    with Routed() as session:
        with hand.scope(hand.theirs):
            kept = session.get(m.Invoice, 401)
        with hand.scope(hand.mine):
            return [session.get(m.Invoice, 401), kept is None]


@session_path("a session bound to a connection that is shared", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        with hand.scope(hand.theirs), Session(connection) as first:
            kept = first.get(m.Invoice, 401)
        with hand.scope(hand.mine), Session(connection) as second:
            return [second.get(m.Invoice, 401), kept is None]


@session_path(
    "a result opened under one tenant, read under the next",
    why_not={"mariadb": "the driver wants results to be read to their ends"},
)
def _(hand: Hand, m: Models) -> Any:
    statement = select(m.Invoice).execution_options(yield_per=1)
    with hand.scope(hand.theirs):
        rows = hand.session.scalars(statement)
    try:
        with hand.scope(hand.mine):
            mine = flat(hand.session.scalars(select(m.Customer)).all())
            return [mine, [each.note for each in rows]]
    finally:
        rows.close()


@session_path("a listener of the application's that queries in another scope", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    found: list[Any] = []

    def loaded(target: Any, context: Any) -> None:
        found.append(target.note)

    event.listen(m.Invoice, "load", loaded)
    try:
        with hand.scope(hand.mine):
            hand.session.scalars(select(m.Invoice)).all()
        return [each for each in found if not each.startswith("own")]
    finally:
        event.remove(m.Invoice, "load", loaded)


@session_path(
    "a first-level cache of joined rows under the second tenant",
    sees=NOTHING,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        loaded = select(m.Invoice).options(joinedload(m.Invoice.customer))
        kept = hand.session.scalars(loaded).all()
    with hand.scope(hand.mine):
        return [hand.session.get(m.Customer, 401), kept == []]


@session_path(
    "get() of the first tenant's object that was added to the second's session",
    beyond_policies=IN_MEMORY,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
        hand.session.expunge(kept)
        hand.session.close()
    with hand.scope(hand.mine):
        other = hand.new_session()
        other.add(kept)
        return [other.get(m.Invoice, 401), "own end"]


@session_path(
    "get() of the first tenant's object that was merged without loading into the second's session",
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
        hand.session.expunge(kept)
        hand.session.close()
    with hand.scope(hand.mine):
        other = hand.new_session()
        other.merge(kept, load=False)
        return [other.get(m.Invoice, 401), "own end"]


@session_path(
    "a result with an eager loader, opened under one tenant, read under the next",
    why_not={"mariadb": "the driver wants results to be read to their ends"},
)
def _(hand: Hand, m: Models) -> Any:
    statement = (
        select(m.Customer)
        .where(m.Customer.id.in_([401, 402]))
        .options(selectinload(m.Customer.invoices))
        .execution_options(yield_per=1)
    )
    with hand.scope(hand.theirs):
        result = hand.session.scalars(statement)
        rows = iter(result)
        next(rows)
    with hand.scope(hand.mine):
        try:
            return [flat(next(rows).invoices), "own end"]
        finally:
            result.close()
