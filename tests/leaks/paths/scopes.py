"""No tenant, and a scope that is over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm.exc import DetachedInstanceError

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NO_TENANT: dict[str, Any] = {"tenant": "none"}
OWN: dict[str, Any] = {"tenant": "own", "needs": "ambient"}


def unscoped(
    name: str, act: Callable[[Hand, Models], Any], kind: Any = "read", **options: Any
) -> None:
    options.setdefault("sees", NOTHING if kind == "read" else None)

    def run(hand: Hand, m: Models) -> Any:
        found = act(hand, m)
        return found if kind == "read" else None

    run.__module__ = __name__
    path(f"no tenant: {name}", kind, **NO_TENANT, **options)(run)


unscoped("select, ORM", lambda h, m: h.session.scalars(select(m.Invoice)).all())
unscoped("select, Core", lambda h, m: h.connection.execute(select(m.Invoice.__table__)).all())
unscoped(
    "select, a tied table",
    lambda h, m: h.session.scalars(select(m.InvoiceLine)).all(),
    needs="ties",
)
unscoped(
    "select, an association table",
    lambda h, m: h.session.execute(select(m.invoice_tag)).all(),
    needs="ties",
)
unscoped(
    "select, joined to a shared table",
    lambda h, m: h.session.execute(
        select(m.Currency.code, m.Invoice.note).join(m.Invoice, m.Invoice.id > 0)
    ).all(),
)
unscoped("select, in EXISTS", lambda h, m: h.session.scalar(select(select(m.Invoice.id).exists())))
unscoped("count", lambda h, m: h.session.scalar(select(func.count()).select_from(m.Invoice)))
unscoped("get", lambda h, m: h.session.get(m.Invoice, 401))
unscoped("text", lambda h, m: h.session.execute(text("SELECT note FROM acct_invoice")).all())
unscoped(
    "driver SQL", lambda h, m: h.connection.exec_driver_sql("SELECT note FROM acct_invoice").all()
)
unscoped(
    "text marked as reviewed",
    lambda h, m: h.session.execute(
        text("SELECT note FROM acct_invoice").execution_options(**h.reviewed)
    ).all(),
)
unscoped("update", lambda h, m: h.session.execute(update(m.Invoice).values(amount=1)), "write")
unscoped("delete", lambda h, m: h.session.execute(delete(m.Posting)), "write")
unscoped(
    "insert",
    lambda h, m: h.session.execute(
        insert(m.Tag).values({"slug": "own-1", "label": "own", m.key: m.theirs})
    ),
    "write",
)
unscoped(
    "flush",
    lambda h, m: (
        h.session.add(m.Tag(slug="own-1", label="own", **{m.key: m.theirs})),
        h.session.flush(),
    ),
    "write",
)
unscoped(
    "bulk_insert_mappings",
    lambda h, m: h.session.bulk_insert_mappings(
        m.Tag.__mapper__, [{"slug": "own-1", "label": "own", m.key: m.theirs}]
    ),
    "write",
)


@path(
    "no tenant: in a scope that says so, inside of the other tenant's",
    tenant="own",
    needs="ambient unbound",
    sees=NOTHING,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs), hand.unbound():
        return hand.session.scalars(select(m.Invoice)).all()


def after(
    name: str, act: Callable[[Hand, Models, Any], Any], kind: Any = "read", **options: Any
) -> None:
    """Enter a way that begins in the other tenant's scope and ends after it."""

    def run(hand: Hand, m: Models) -> Any:
        with hand.scope(hand.theirs):
            kept = hand.session.get(m.Invoice, 401)
            customer = hand.session.get(m.Customer, 401)
            assert kept is not None
            assert customer is not None
        found = act(hand, m, kept if "collection" not in name else customer)
        return found if kind == "read" else None

    run.__module__ = __name__
    options.setdefault("sees", NOTHING if kind == "read" else None)
    path(f"after the scope: {name}", kind, **OWN, **options)(run)


GONE = (DetachedInstanceError,)


def renamed(invoice: Any) -> Any:
    invoice.note = "x"
    return invoice


after(
    "a lazy many-to-one",
    lambda h, m, kept: (h.session.expire(kept, ["customer"]), kept.category.title)[1],
    errors=GONE,
)
after("a lazy collection", lambda h, m, kept: [each.note for each in kept.invoices], errors=GONE)
after("a deferred attribute", lambda h, m, kept: kept.private, errors=GONE)
after(
    "an expired attribute", lambda h, m, kept: (h.session.expire(kept), kept.note)[1], errors=GONE
)
after("refresh", lambda h, m, kept: (h.session.refresh(kept), kept.note)[1], errors=GONE)
after(
    "get() from memory",
    lambda h, m, kept: h.session.get(m.Invoice, 401),
    beyond_policies=IN_MEMORY,
)
after("a query", lambda h, m, kept: h.session.scalars(select(m.Invoice)).all())
after(
    "merge",
    lambda h, m, kept: h.session.merge(m.Invoice(id=401)).note,
    beyond_policies=IN_MEMORY,
)
after("a flush", lambda h, m, kept: (renamed(kept), h.session.flush()), "write")
after("a commit", lambda h, m, kept: (renamed(kept), h.session.commit()), "write")


@path("after the scope: a generator goes on reading", sees=NOTHING, **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Iterator[Any]:
        yield "begun"
        yield from hand.session.scalars(select(m.Invoice.note))

    with hand.scope(hand.theirs):
        generator = rows()
        next(generator)
    return list(generator)


@path("after the scope: a generator goes on reading under the next tenant", **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Iterator[Any]:
        yield "begun"
        yield from hand.session.scalars(select(m.Invoice.note))

    with hand.scope(hand.theirs):
        generator = rows()
        next(generator)
    with hand.scope(hand.mine):
        return list(generator)


@path("after the scope: a generator that holds a scope open around its yields", **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Generator[Any, None, None]:
        with hand.scope(hand.theirs):
            yield "begun"
            yield "more"

    with hand.scope(hand.mine):
        generator = rows()
        next(generator)
        generator.close()
        return hand.session.scalars(select(m.Invoice.note)).all()


@path("after the scope: two scopes that end in the wrong order", **OWN)
def _(hand: Hand, m: Models) -> Any:
    first, second = hand.scope(hand.theirs), hand.scope(hand.mine)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    found = hand.session.scalars(select(m.Invoice.note)).all()
    second.__exit__(None, None, None)
    return found


@path("after the scope: an exception on the way out", sees=NOTHING, **OWN)
def _(hand: Hand, m: Models) -> Any:
    try:
        with hand.scope(hand.theirs):
            raise LookupError
    except LookupError:
        return hand.session.scalars(select(m.Invoice.note)).all()
