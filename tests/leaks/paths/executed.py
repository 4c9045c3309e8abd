"""How and by what a ``SELECT`` is executed."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import (
    Column,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    column,
    func,
    lambda_stmt,
    literal,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.orm import Bundle, Session

from tests.leaks.catalogue import path, reads
from tests.leaks.hand import Hand, flat
from tests.leaks.schema import Models

COMPILED: dict[str, Any] = {
    "errors": (ObjectNotExecutableError,),
    "harmless": (
        None
        if sqlalchemy.__version__.startswith("2.0.")
        else "SQLAlchemy 2.1 does not execute what is compiled"
    ),
}


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
    kind: Any = type(hand.engine.dialect)
    dialect = kind(paramstyle=hand.engine.dialect.paramstyle)
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


@path("execute: a Bundle")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.execute(select(Bundle("b", m.Invoice.id, m.Invoice.note))).all()


@path("execute: a whole row as one value", only="postgresql", why="no whole-row references")
def _(hand: Hand, m: Models) -> Any:
    whole = m.Invoice.__table__.table_valued()
    return hand.session.execute(
        select(literal("own ") + cast(func.row_to_json(whole), String))
    ).all()


@path("execute: a whole row as one value, of an alias", only="postgresql", why="no such references")
def _(hand: Hand, m: Models) -> Any:
    whole = m.Invoice.__table__.alias("i").table_valued()
    return hand.session.execute(
        select(literal("own ") + cast(func.row_to_json(whole), String))
    ).all()


@path("execute: DISTINCT ON", only="postgresql", why="no DISTINCT ON")
def _(hand: Hand, m: Models) -> Any:
    # 2.1 has another spelling for it, and warns of this one.
    on = getattr(postgresql, "distinct_on", None)
    read = select(m.Invoice.note)
    statement = read.distinct(m.Invoice.note) if on is None else read.ext(on(m.Invoice.note))
    return hand.session.execute(statement).all()


@path("execute: a CTE that is told to be MATERIALIZED", only="postgresql", why="no MATERIALIZED")
def _(hand: Hand, m: Models) -> Any:
    stored = select(m.Invoice.note).cte().prefix_with("MATERIALIZED")
    return hand.session.execute(select(stored.c.note)).all()


@path("execute: a Table of another schema, translated into the default one")
def _(hand: Hand, m: Models) -> Any:
    connection = hand.connection.execution_options(schema_translate_map={"elsewhere": None})
    other = Table("acct_invoice", MetaData(), Column("note", String), schema="elsewhere")
    return connection.execute(select(other.c.note)).all()


@path("execute: search_path set to the other schema", only="postgresql", why="no search_path")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(text(hand.named("SET LOCAL search_path TO {schema}")))
    return hand.session.execute(select(column("body")).select_from(table("acct_record"))).all()


@path("execute: another database in use", only="mariadb", why="no USE")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        connection.execute(text(hand.named("USE {schema}")))
        try:
            found: Any = select(column("body")).select_from(table("acct_record"))
            return connection.execute(found).all()
        finally:
            connection.invalidate()


@path("execute: the same file attached under another name", only="sqlite", why="no ATTACH")
def _(hand: Hand, m: Models) -> Any:
    engine = hand.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("COMMIT"))
        connection.execute(text(f"ATTACH DATABASE '{hand.engine.url.database}' AS twin"))
        try:
            found: Any = select(column("note")).select_from(table("acct_invoice", schema="twin"))
            return connection.execute(found).all()
        finally:
            connection.invalidate()


@path("execute: an engine made inside of the scope", only="sync", why="see the sync flavour")
def _(hand: Hand, m: Models) -> Any:
    engine = hand.fresh_engine()
    try:
        with engine.connect() as connection:
            return connection.execute(select(m.Invoice.__table__)).all()
    finally:
        engine.dispose()


@path("execute: bind_arguments that name a connection")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        asked = {"bind": connection}
        with Session() as session:
            hand.opened(session)
            return session.execute(select(m.Invoice.note), bind_arguments=asked).all()


@path("execute: a horizontally sharded session")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.ext.horizontal_shard import ShardedSession

    with ShardedSession(
        shard_chooser=lambda *args, **kw: "one",
        identity_chooser=lambda *args, **kw: ["one"],
        execute_chooser=lambda *args, **kw: ["one"],
        shards={"one": hand.engine},
    ) as session:
        hand.opened(session)
        return flat(session.scalars(select(m.Invoice)).all())
