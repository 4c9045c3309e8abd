"""What a flush writes: objects new, changed, deleted, and made up by hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, literal
from sqlalchemy.exc import IntegrityError, InvalidRequestError, SAWarning
from sqlalchemy.orm import make_transient, make_transient_to_detached
from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.orm.exc import FlushError, ObjectDeletedError, StaleDataError

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

# SQLAlchemy warns where a DELETE meets no row, and warnings are errors here.
GONE = (StaleDataError, ObjectDeletedError, InvalidRequestError, FlushError, SAWarning)


def spoofed(hand: Hand, model: Any, whose: Any = None, **values: Any) -> Any:
    """Return an object that says it is in the database, and whose it is."""
    each = model(**values)
    if whose is not None:
        setattr(each, hand.key, whose)
    make_transient_to_detached(each)
    hand.session.add(each)
    return each


@path("flush: a new object of another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Tag(slug="own-1", label="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: a new object of another tenant, set after it was added", "write")
def _(hand: Hand, m: Models) -> Any:
    each = m.Tag(slug="own-1", label="own")
    hand.session.add(each)
    setattr(each, hand.key, hand.theirs)
    hand.session.flush()


@path("flush: a new object of another tenant, set by a listener of the application's", "write")
def _(hand: Hand, m: Models) -> Any:
    def before_insert(mapper: Any, connection: Any, target: Any) -> None:
        setattr(target, hand.key, hand.theirs)

    event.listen(m.Tag, "before_insert", before_insert)
    try:
        hand.session.add(m.Tag(slug="own-1", label="own"))
        hand.session.flush()
    finally:
        event.remove(m.Tag, "before_insert", before_insert)


@path("flush: a new object of another tenant among many", "write")
def _(hand: Hand, m: Models) -> Any:
    own = {hand.key: hand.mine}
    hand.session.add_all(m.Tag(slug=f"own-{n}", label="own", **own) for n in range(5))
    hand.session.add(m.Tag(slug="own-x", label="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: a new object of a subclass, of another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.CardPayment(memo="own", card="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: a new object of a single-table subclass, of another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Company(name="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: a new object of another tenant in a composite key", "write", needs="keys")
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Rate(code="new", percent=1, remark="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: a new object of another tenant, cascaded along a relationship", "write")
def _(hand: Hand, m: Models) -> Any:
    customer = hand.session.get(m.Customer, 1)
    customer.invoices.append(m.Invoice(reference="R-9", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: merge of a new object of another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.merge(m.Tag(id=950, slug="own-1", label="own", **{hand.key: hand.theirs}))
    hand.session.flush()


@path("flush: merge of changes to a foreign row", "write", errors=(IntegrityError,))
def _(hand: Hand, m: Models) -> Any:
    hand.session.merge(m.Tag(id=401, label="x", slug="own-x"))
    hand.session.flush()


@path("flush: merge with load=False of a foreign row", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = m.Tag(id=401, slug="bravo-urgent", label="bravo urgent")
    make_transient_to_detached(each)
    merged = hand.session.merge(each, load=False)
    merged.label = "x"
    hand.session.flush()


@path("flush: a change of a foreign row by an object made detached by hand", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, id=401).label = "x"
    hand.session.flush()


@path("flush: the same, with the caller's tenant on the object", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, hand.mine, id=401).label = "x"
    hand.session.flush()


@path("flush: the same, with the other tenant on the object", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, hand.theirs, id=401).label = "x"
    hand.session.flush()


@path("flush: the same, many at once", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    for number in (401, 402):
        spoofed(hand, m.Customer, hand.mine, id=number).name = "x"
    hand.session.flush()


@path("flush: the same, of a joined-inheritance child", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.CardPayment, hand.mine, id=402, kind="card").card = "x"
    hand.session.flush()


@path("flush: the same, of a joined-inheritance base", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.CardPayment, hand.mine, id=402, kind="card").memo = "x"
    hand.session.flush()


@path("flush: the same, of a single-table child", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Company, hand.mine, id=402, kind="company").vat = "x"
    hand.session.flush()


@path("flush: the same, of a concrete child", "write", errors=GONE, needs="concrete")
def _(hand: Hand, m: Models) -> Any:
    each = m.Warehouse(id=402)
    make_transient_to_detached(each)
    hand.session.add(each)
    each.capacity = 1
    hand.session.flush()


@path("flush: the same, of a tied table", "write", errors=GONE, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.InvoiceLine, id=401).text = "x"
    hand.session.flush()


@path("flush: the same, of a tied table of a tied table", "write", errors=GONE, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.LineNote, id=401).text = "x"
    hand.session.flush()


@path(
    "flush: the same, with the other tenant in a composite key", "write", errors=GONE, needs="keys"
)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Rate, hand.theirs, code="std").percent = 1
    hand.session.flush()


@path("flush: a SQL expression on a foreign row", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, hand.mine, id=401).label = literal("x")
    hand.session.flush()


@path("flush: deletion of a foreign row by an object made detached by hand", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    hand.session.delete(spoofed(hand, m.Posting, id=401))
    hand.session.flush()


@path("flush: the same deletion, with the caller's tenant on the object", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    hand.session.delete(spoofed(hand, m.Posting, hand.mine, id=401, account_id=None, text="x"))
    hand.session.flush()


@path("flush: the same deletion, of a tied table", "write", errors=GONE, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    each = spoofed(hand, m.LineNote, id=401)
    hand.session.delete(each)
    hand.session.flush()


@path(
    "flush: the same deletion, with the other tenant in a composite key",
    "write",
    errors=GONE,
    needs="keys",
)
def _(hand: Hand, m: Models) -> Any:
    hand.session.delete(spoofed(hand, m.Rate, hand.theirs, code="top"))
    hand.session.flush()


@path("flush: a cascade of deletions from a foreign parent", "write", errors=GONE, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    each = spoofed(hand, m.Invoice, hand.mine, id=402)
    line = m.InvoiceLine(id=402)
    make_transient_to_detached(line)
    set_committed_value(each, "lines", [line])
    hand.session.add(each)
    each.lines.remove(line)
    hand.session.flush()


@path("flush: the caller's own row moved to the other tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    setattr(hand.session.get(m.Tag, 1), hand.key, hand.theirs)
    hand.session.flush()


@path("flush: the same, with the old value committed by hand", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = hand.session.get(m.Tag, 1)
    set_committed_value(each, hand.key, hand.theirs)
    flag_modified(each, hand.key)
    hand.session.flush()


@path("flush: the same, by a listener of the application's", "write")
def _(hand: Hand, m: Models) -> Any:
    def before_update(mapper: Any, connection: Any, target: Any) -> None:
        setattr(target, hand.key, hand.theirs)

    event.listen(m.Tag, "before_update", before_update)
    try:
        hand.session.get(m.Tag, 1).label = "own x"
        hand.session.flush()
    finally:
        event.remove(m.Tag, "before_update", before_update)


@path("flush: the same, through an object without its tenant loaded", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = spoofed(hand, m.Tag, id=1)
    hand.session.expire(each)
    setattr(each, hand.key, hand.theirs)
    hand.session.flush()


@path("flush: a composite key moved to the other tenant", "write", needs="keys", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = hand.session.get(m.Rate, {hand.key: hand.mine, "code": "low"})
    setattr(each, hand.key, hand.theirs)
    hand.session.flush()


@path(
    "flush: a foreign object made transient and inserted again", "write", errors=(IntegrityError,)
)
def _(hand: Hand, m: Models) -> Any:
    each = spoofed(hand, m.Tag, hand.theirs, id=401, slug="own-1", label="own")
    make_transient(each)
    each.id = None
    hand.session.add(each)
    hand.session.flush()


@path("flush: a many-to-many link between foreign rows", "write", errors=GONE, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    invoice = spoofed(hand, m.Invoice, id=402)
    tag = spoofed(hand, m.Tag, id=401)
    set_committed_value(invoice, "tags", [])
    invoice.tags.append(tag)
    hand.session.flush()


@path(
    "flush: a many-to-many link between foreign rows taken away", "write", errors=GONE, needs="ties"
)
def _(hand: Hand, m: Models) -> Any:
    invoice = spoofed(hand, m.Invoice, id=401)
    tag = spoofed(hand, m.Tag, id=401)
    set_committed_value(invoice, "tags", [tag])
    invoice.tags.remove(tag)
    hand.session.flush()


@path("flush: on commit, without a flush", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, hand.mine, id=401).label = "x"
    hand.session.commit()


@path("flush: by autoflush", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    spoofed(hand, m.Tag, hand.mine, id=401).label = "x"
    hand.session.get(m.Currency, "EUR")
    hand.session.query(m.Currency).all()


@path("flush: inside a savepoint", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    with hand.session.begin_nested():
        spoofed(hand, m.Tag, hand.mine, id=401).label = "x"
