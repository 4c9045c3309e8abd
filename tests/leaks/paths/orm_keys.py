"""Objects by key: ``get``, ``refresh``, ``merge``, and the legacy ``Query``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    select,
    true,
)
from sqlalchemy.exc import InvalidRequestError, NoResultFound
from sqlalchemy.orm import (
    joinedload,
    make_transient_to_detached,
)
from sqlalchemy.orm.exc import ObjectDeletedError, ObjectDereferencedError

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

GONE = (ObjectDeletedError, InvalidRequestError, ObjectDereferencedError)


@path("orm: Session.get", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Invoice, 401)


@path("orm: Session.get with options and populate_existing", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(
        m.Invoice, 401, options=[joinedload(m.Invoice.customer)], populate_existing=True
    )


@path("orm: Session.get of a subclass", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.CardPayment, 402)


@path("orm: Session.get of a base, for a subclass's row", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Payment, 402)


@path("orm: Session.get of a tied table", sees=NOTHING, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.InvoiceLine, 401)


@path("orm: Session.get of a tied table of a tied table", sees=NOTHING, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.LineNote, 401)


@path("orm: Session.get with the other tenant in a composite key", sees=NOTHING, needs="keys")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Rate, {hand.key: hand.theirs, "code": "top"})


@path("orm: Session.get by a UUID", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    import uuid

    return hand.session.get(m.Token, uuid.UUID(int=401))


@path("orm: Session.get of a concrete subclass", sees=NOTHING, needs="concrete")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Warehouse, 402)


@path("orm: Session.get_one", sees=NOTHING, errors=(NoResultFound,))
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get_one(m.Invoice, 401)


@path("orm: Session.get for an update", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Invoice, 401, with_for_update=True)


@path("orm: Session.scalar", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.scalar(select(m.Invoice.note).where(m.Invoice.id == 401))


@path("orm: Session.scalars")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.scalars(select(m.Invoice)).all()


def _detached(model: Any, **values: Any) -> Any:
    each = model(**values)
    make_transient_to_detached(each)
    return each


@path("orm: attributes of an object made detached by hand", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Invoice, id=401)
    hand.session.add(each)
    return each.note


@path("orm: refresh of an object made detached by hand", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Invoice, id=401)
    hand.session.add(each)
    hand.session.refresh(each)
    return each


@path("orm: refresh of one attribute of an object made detached by hand", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Invoice, id=401)
    hand.session.add(each)
    hand.session.refresh(each, ["private"], with_for_update=True)
    return each


@path("orm: a relationship of an object made detached by hand", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Customer, id=401)
    hand.session.add(each)
    return [each.invoices, "own end"]


@path("orm: a many-to-one of an object made detached by hand", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Invoice, id=401, customer_id=401)
    hand.session.add(each)
    return [each.customer, "own end"]


@path("orm: an expired attribute of an object whose key was spoofed", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = _detached(m.Invoice, id=401)
    setattr(each, hand.key, hand.mine)
    hand.session.add(each)
    hand.session.expire(each, ["note"])
    return each.note


@path(
    "orm: the identity map after the other tenant used the session",
    beyond_policies=IN_MEMORY,
    tenant="own",
    needs="ambient",
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = hand.session.get(m.Invoice, 401)
        assert kept is not None
    with hand.scope(hand.mine):
        return [hand.session.get(m.Invoice, 401), "own end"]


@path("orm: merge of an object with a foreign key", sees=NOTHING, errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    merged = hand.session.merge(m.Invoice(id=401))
    found = merged.note
    hand.session.expunge(merged)
    return found


@path("orm: merge of a detached object with a foreign key", sees=NOTHING, errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    merged = hand.session.merge(_detached(m.Invoice, id=401))
    found = merged.note
    hand.session.expunge_all()
    return found


@path("orm: Session.get of a polymorphic model by its base", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.get(m.Party, 402)


@path("query: all")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice).all()


@path("query: of columns")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice.note).all()


@path("query: count", sees=3)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice).count()


@path("query: get", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    import warnings

    from sqlalchemy.exc import LegacyAPIWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegacyAPIWarning)
        return hand.session.query(m.Invoice).get(401)


@path("query: exists", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    asked = hand.session.query(m.Invoice).filter(m.Invoice.id == 401).exists()
    return hand.session.query(asked).scalar()


@path("query: join and filter_by")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Customer.name, m.Invoice.note).join(m.Invoice, true()).all()


@path("query: from a subquery")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(hand.session.query(m.Invoice.note).subquery().c.note).all()


@path("query: union_all")
def _(hand: Hand, m: Models) -> Any:
    query = hand.session.query(m.Invoice)
    return query.union_all(query).all()


@path("query: from_statement")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice).from_statement(select(m.Invoice)).all()


@path("query: with_entities and yield_per")
def _(hand: Hand, m: Models) -> Any:
    return list(hand.session.query(m.Invoice).with_entities(m.Invoice.note).yield_per(1))


@path("query: slicing")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice).order_by(m.Invoice.amount)[0:9]


@path("query: column_descriptions of a Table")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice.__table__).all()
