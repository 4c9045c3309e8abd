"""What the ORM reads by itself: objects by key, relationships, deferred columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy
from sqlalchemy import (
    Column,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    lambda_stmt,
    select,
    true,
)
from sqlalchemy.exc import InvalidRequestError, NoResultFound, ObjectNotExecutableError
from sqlalchemy.orm import (
    aliased,
    contains_eager,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    make_transient_to_detached,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
    with_expression,
    with_loader_criteria,
    with_parent,
    with_polymorphic,
)
from sqlalchemy.orm.exc import ObjectDeletedError, ObjectDereferencedError

from tests.leaks.arena import Hand, flat
from tests.leaks.catalogue import NOTHING, path, reads
from tests.leaks.schema import Models

COMPILED: dict[str, Any] = {
    "errors": (ObjectNotExecutableError,),
    "harmless": (
        None
        if sqlalchemy.__version__.startswith("2.0.")
        else "SQLAlchemy 2.1 does not execute what is compiled"
    ),
}
GONE = (ObjectDeletedError, InvalidRequestError, ObjectDereferencedError)


# By key.


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
    "orm: the identity map after the other tenant used the session", tenant="own", needs="ambient"
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


# Legacy Query.


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


# Relationships.

LOADERS: dict[str, Callable[..., Any]] = {
    "lazy": lazyload,
    "joined": joinedload,
    "selectin": selectinload,
    "subquery": subqueryload,
    "immediate": immediateload,
}


def _relationship(name: str, loader: Callable[..., Any]) -> None:
    # The parents are the caller's; one of them refers to another tenant's row, as a
    # mistake long ago may have left it.
    @path(f"relationship: {name}, many to one to a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice" SET customer_id = 401, category_id = 401 WHERE id = 1',
            'UPDATE "acct_invoice" SET customer_id = 1, category_id = 1 WHERE id = 1',
        ):
            found = hand.session.scalars(
                select(m.Invoice).options(loader(m.Invoice.customer), loader(m.Invoice.category))
            ).all()
            return flat([[each.note, each.customer, each.category] for each in found])

    @path(f"relationship: {name}, one to many with a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
            'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
        ):
            found = hand.session.scalars(
                select(m.Customer).options(loader(m.Customer.invoices))
            ).unique()
            return flat([[each.name, list(each.invoices)] for each in found])

    @path(f"relationship: {name}, many to many with a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice_tag" SET tag_id = 401 WHERE invoice_id = 1',
            'UPDATE "acct_invoice_tag" SET tag_id = 1 WHERE invoice_id = 1',
        ):
            found = hand.session.scalars(select(m.Invoice).options(loader(m.Invoice.tags))).unique()
            return flat([[each.note, list(each.tags)] for each in found])


for _name, _loader in LOADERS.items():
    _relationship(_name, _loader)


@path("relationship: contains_eager of a join of everything")
def _(hand: Hand, m: Models) -> Any:
    statement = (
        select(m.Customer)
        .join(m.Invoice, true())
        .options(contains_eager(m.Customer.invoices))
        .execution_options(populate_existing=True)
    )
    return [each.invoices for each in hand.session.scalars(statement).unique()]


@path("relationship: contains_eager with an alias")
def _(hand: Hand, m: Models) -> Any:
    other = aliased(m.Invoice)
    statement = (
        select(m.Customer)
        .outerjoin(other, true())
        .options(contains_eager(m.Customer.invoices.of_type(other)))
    )
    return [each.invoices for each in hand.session.scalars(statement).unique()]


@path("relationship: joined, two levels")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        loaded = joinedload(m.Customer.invoices).joinedload(m.Invoice.lines)
        return flat(hand.session.scalars(select(m.Customer).options(loaded)).unique().all())


@path("relationship: selectin, two levels")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        loaded = selectinload(m.Customer.invoices).selectinload(m.Invoice.lines)
        return flat(hand.session.scalars(select(m.Customer).options(loaded)).all())


@path("relationship: joined, inner")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        loaded = joinedload(m.Invoice.customer, innerjoin=True)
        return flat(hand.session.scalars(select(m.Invoice).options(loaded)).all())


@path("relationship: joined, under a LIMIT")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 2 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(joinedload(m.Customer.invoices)).limit(5)
        return flat(hand.session.scalars(statement).unique().all())


@path("relationship: self-referential, joined, with a foreign child")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_category" SET parent_id = 1 WHERE id = 401',
        'UPDATE "acct_category" SET parent_id = NULL WHERE id = 401',
    ):
        statement = select(m.Category).options(
            joinedload(m.Category.children).joinedload(m.Category.children)
        )
        return flat(hand.session.scalars(statement).unique().all())


@path("relationship: self-referential, selectin with recursion_depth")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_category" SET parent_id = 1 WHERE id = 401',
        'UPDATE "acct_category" SET parent_id = NULL WHERE id = 401',
    ):
        statement = select(m.Category).options(
            selectinload(m.Category.children, recursion_depth=-1)
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: loader criteria of the caller's that are always true")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(
            selectinload(m.Customer.invoices), with_loader_criteria(m.Invoice, true())
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: selectinload(...and_()) with a wide criterion")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(
            selectinload(m.Customer.invoices.and_(m.Invoice.amount > 0))
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: dynamic")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        return flat(hand.session.get(m.Customer, 1).dynamic.all())


@path("relationship: dynamic, counted", sees=2)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        return hand.session.get(m.Customer, 1).dynamic.count()


@path("relationship: write-only, selected")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        customer = hand.session.get(m.Customer, 1)
        return flat(hand.session.scalars(customer.written.select()).all())


@path("relationship: with_parent of a foreign object")
def _(hand: Hand, m: Models) -> Any:
    parent = m.Customer(id=401)
    make_transient_to_detached(parent)
    rows = hand.session.scalars(select(m.Invoice).where(with_parent(parent, m.Customer.invoices)))
    return [rows.all(), "own end"]


@path("relationship: any() on a foreign row", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 900 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer.name).where(m.Customer.invoices.any(m.Invoice.amount > 1000))
        return hand.session.execute(statement).all()


@path("relationship: has() on a foreign row", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        statement = select(m.Invoice.note).where(
            m.Invoice.customer.has(m.Customer.name == "bravo bob")
        )
        return hand.session.execute(statement).all()


@path("relationship: contains() and a comparison with a foreign object", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    other = m.Customer(id=401)
    make_transient_to_detached(other)
    return hand.session.scalars(select(m.Invoice).where(m.Invoice.customer == other)).all()


# Columns.


@path("column: deferred", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = m.Invoice(id=401)
    make_transient_to_detached(each)
    hand.session.add(each)
    return each.private


reads("column: undeferred", lambda m: select(m.Invoice).options(undefer(m.Invoice.private)))
reads("column: load_only", lambda m: select(m.Invoice).options(load_only(m.Invoice.note)))
reads(
    "column: column_property that is a subquery",
    lambda m: select(m.Customer.id, m.Customer.invoice_count).order_by(m.Customer.id),
    sees=[(1, 2), (2, 1), (900, 0)],
)


@path("column: column_property that is a subquery, with a foreign row", sees=[2, 1, 0])
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 900 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(undefer(m.Customer.invoice_count))
        found = hand.session.scalars(statement.order_by(m.Customer.id))
        return [each.invoice_count for each in found]


reads(
    "column: query_expression",
    lambda m: select(m.Customer).options(
        with_expression(m.Customer.remark, select(func.min(m.Tag.label)).scalar_subquery())
    ),
)


# Inheritance.

reads("inheritance: joined, the base", lambda m: select(m.Payment))
reads("inheritance: joined, the child", lambda m: select(m.CardPayment))
reads("inheritance: joined, the child's column alone", lambda m: select(m.CardPayment.card))
reads(
    "inheritance: joined, the child's Table alone",
    lambda m: select(m.CardPayment.__table__),
    needs="ties",
)
reads(
    "inheritance: joined, count of the child's Table",
    lambda m: select(func.count()).select_from(m.CardPayment.__table__),
    sees=2,
    needs="ties",
)
reads(
    "inheritance: joined, with_polymorphic",
    lambda m: select(with_polymorphic(m.Payment, "*")),
)
reads(
    "inheritance: joined, with_polymorphic flat and aliased",
    lambda m: select(with_polymorphic(m.Payment, [m.CardPayment], flat=True, aliased=True)),
)
reads(
    "inheritance: joined, selectin_polymorphic",
    lambda m: select(m.Payment).options(selectin_polymorphic(m.Payment, [m.CardPayment])),
)
reads(
    "inheritance: joined, of_type in a join",
    lambda m: (
        select(m.Invoice.note, m.CardPayment.card)
        .select_from(m.Invoice)
        .join(m.CardPayment, true())
    ),
)
reads("inheritance: single table, the base", lambda m: select(m.Party))
reads("inheritance: single table, the child", lambda m: select(m.Company))
reads("inheritance: single table, a column of the child", lambda m: select(m.Company.vat))
reads("inheritance: concrete, the base's union", lambda m: select(m.Site), needs="concrete")
reads("inheritance: concrete, the child", lambda m: select(m.Warehouse), needs="concrete")
reads(
    "inheritance: concrete, the child's Table",
    lambda m: select(m.Warehouse.__table__),
    needs="concrete",
)


# How a statement is executed.

reads("execute: from_statement", lambda m: select(m.Invoice).from_statement(select(m.Invoice)))
reads(
    "execute: from_statement of a Core select",
    lambda m: select(m.Invoice).from_statement(select(m.Invoice.__table__)),
)
reads(
    "execute: with_only_columns",
    lambda m: select(m.Currency.code).with_only_columns(m.Invoice.note),
)
reads(
    "execute: add_columns and select_from",
    lambda m: (
        select(m.Currency.code).add_columns(m.Invoice.note).join_from(m.Currency, m.Invoice, true())
    ),
)
reads("execute: FOR UPDATE", lambda m: select(m.Invoice).with_for_update())
reads(
    "execute: FOR UPDATE OF",
    lambda m: (
        select(m.Customer, m.Invoice.note).join(m.Invoice, true()).with_for_update(of=m.Invoice)
    ),
    why_not={"mariadb": "no FOR UPDATE OF"},
)


@path("execute: lambda_stmt")
def _(hand: Hand, m: Models) -> Any:
    model, limit = m.Invoice, 400
    statement = lambda_stmt(lambda: select(model))
    statement += lambda s: s.where(model.id > limit - 400)
    return hand.session.execute(statement).all()


reads(
    "execute: populate_existing",
    lambda m: select(m.Invoice).execution_options(populate_existing=True),
)


@path("execute: compiled_cache switched off")
def _(hand: Hand, m: Models) -> Any:
    connection = hand.connection.execution_options(compiled_cache=None)
    return connection.execute(select(m.Invoice)).all()


reads(
    "execute: a parameter named like the guard's own",
    lambda m: select(m.Invoice.note).where(m.Invoice.id != bindparam("tenant", 401)),
)
reads(
    "execute: a parameter named like the tenant column",
    lambda m: select(m.Invoice.note).where(m.Invoice.id != bindparam("tenant_id_1", 401)),
)
reads(
    "execute: literal_execute",
    lambda m: select(m.Invoice.note).where(
        m.Invoice.id.in_(bindparam("ids", [1, 401], expanding=True, literal_execute=True))
    ),
)


@path("execute: parameters that try to set the guard's own")
def _(hand: Hand, m: Models) -> Any:
    names = ("tenant", "tenant_1", "tenant_2", f"{hand.key}_1", hand.key)
    return hand.session.execute(select(m.Invoice.note), dict.fromkeys(names, hand.theirs)).all()


@path("execute: yield_per")
def _(hand: Hand, m: Models) -> Any:
    statement = select(m.Invoice).execution_options(yield_per=1)
    return [each.note for each in hand.session.scalars(statement)]


@path("execute: stream_results and partitions")
def _(hand: Hand, m: Models) -> Any:
    statement = select(m.Invoice.note).execution_options(stream_results=True)
    return [list(part) for part in hand.session.execute(statement).partitions(2)]


@path("execute: by the session's connection")
def _(hand: Hand, m: Models) -> Any:
    return hand.connection.execute(select(m.Invoice.note)).all()


@path("execute: an ORM select on a connection")
def _(hand: Hand, m: Models) -> Any:
    return hand.connection.execute(select(m.Invoice)).all()


@path("execute: by a connection of the engine's")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        return connection.execute(select(m.Invoice.__table__)).all()


@path("execute: by an engine with execution options")
def _(hand: Hand, m: Models) -> Any:
    engine = hand.engine.execution_options(compiled_cache=None, logging_token="x")
    with engine.connect() as connection:
        return connection.execute(select(m.Invoice.__table__)).all()


@path("execute: by a connection with schema_translate_map to the other schema")
def _(hand: Hand, m: Models) -> Any:
    schema = m.Record.__table__.schema
    connection = hand.connection.execution_options(schema_translate_map={"elsewhere": schema})
    other = Table("acct_record", MetaData(), Column("body", String), schema="elsewhere")
    return connection.execute(select(other.c.body)).all()


@path("execute: a table without a schema, translated into the other one")
def _(hand: Hand, m: Models) -> Any:
    schema = m.Record.__table__.schema
    connection = hand.connection.execution_options(schema_translate_map={None: schema})
    other = Table("acct_record", MetaData(), Column("body", String))
    return connection.execute(select(other.c.body)).all()


@path("execute: compiled beforehand", **COMPILED)
def _(hand: Hand, m: Models) -> Any:
    compiled = select(m.Invoice.__table__).compile(hand.engine)
    return hand.connection.execute(compiled).all()


@path("execute: compiled beforehand, ORM", **COMPILED)
def _(hand: Hand, m: Models) -> Any:
    compiled = select(m.Invoice).compile(hand.engine)
    return hand.connection.execute(compiled).all()


@path("execute: compiled beforehand for a dialect made by hand", **COMPILED)
def _(hand: Hand, m: Models) -> Any:
    dialect = type(hand.engine.dialect)(paramstyle=hand.engine.dialect.paramstyle)
    return hand.connection.execute(select(m.Invoice.__table__).compile(dialect=dialect)).all()


@path("execute: compiled inside the other tenant's scope", needs="ambient", **COMPILED)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        compiled = select(m.Invoice.__table__).compile(hand.engine)
    return hand.connection.execute(compiled).all()


@path("execute: the same cached statement under both tenants", tenant="own")
def _(hand: Hand, m: Models) -> Any:
    statement = select(m.Invoice.note)
    with hand.scope(hand.theirs):
        hand.new_session().execute(statement).all()
    with hand.scope(hand.mine):
        return hand.new_session().execute(statement).all()


@path("execute: Connection.scalars")
def _(hand: Hand, m: Models) -> Any:
    return hand.connection.scalars(select(m.Invoice.note)).all()


@path("execute: a reflected Table")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table("acct_invoice", MetaData(), autoload_with=hand.connection)
    return hand.connection.execute(select(reflected)).all()


@path("execute: a Table reflected without its tenant column")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table(
        "acct_invoice", MetaData(), autoload_with=hand.connection, include_columns=["id", "note"]
    )
    return hand.connection.execute(select(reflected)).all()


@path("execute: automapped classes")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.ext.automap import automap_base

    base = automap_base()
    base.prepare(autoload_with=hand.connection)
    return hand.session.scalars(select(base.classes.acct_invoice)).all()


@path("execute: another class mapped to the same Table")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import registry

    class Copy:
        pass

    registry().map_imperatively(Copy, m.Invoice.__table__)
    return hand.session.scalars(select(Copy)).all()


@path("execute: a class mapped to a join")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import registry

    class Pair:
        pass

    customer, invoice = m.Customer.__table__, m.Invoice.__table__
    registry().map_imperatively(
        Pair,
        customer.join(invoice, true()),
        properties={"id": customer.c.id, "invoice_id": invoice.c.id},
        exclude_properties=[hand.key],
        primary_key=[customer.c.id, invoice.c.id],
    )
    return hand.session.scalars(select(Pair)).all()


@path("execute: a class mapped to a subquery")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import registry

    class Sub:
        pass

    source = select(m.Invoice.__table__).subquery()
    registry().map_imperatively(Sub, source, primary_key=[source.c.id])
    return hand.session.scalars(select(Sub)).all()
