"""The keys of a ``SET``: every construct whose name is rendered in the place of a column."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    select,
    table,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql import quoted_name

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NO_CASE: dict[str, Any] = {"why_not": {"postgresql": "a name in another case is another name"}}
ONE_CASE: dict[str, Any] = {"only": "sqlite", "why": "the name does not get that far"}
BY_COLUMN: dict[str, Any] = (
    {"why_not": {"mariadb": "SQLAlchemy 2.1 has it"}}
    if sqlalchemy.__version__.startswith("2.0.")
    else {}
)
TUPLES: dict[str, Any] = {"only": "sqlite postgresql", "why": "no list of columns in a SET"}
FOLLOWS = "the database itself changes the rows that follow, and asks no policy"

Key = Callable[[Table, str], Any]
KEYS: Final[Mapping[str, Key]] = {
    "a column of another table": lambda t, n: table("acct_other", column(n)).c[n],
    "a column of no table": lambda t, n: Column(n, Text),
    "an alias's column": lambda t, n: t.alias().c[n],
    "a column of an alias of an alias": lambda t, n: t.alias().alias("x").c[n],
    "a column of a copy of the Table": lambda t, n: t.to_metadata(MetaData()).c[n],
    "a subquery's column": lambda t, n: select(t).subquery().c[n],
    "a CTE's column": lambda t, n: select(t).cte().c[n],
    "type_coerce()": lambda t, n: type_coerce(t.c[n], t.c[n].type),
    "type_coerce() of type_coerce()": lambda t, n: type_coerce(
        type_coerce(t.c[n], Text), t.c[n].type
    ),
    "type_coerce() of a column of no table": lambda t, n: type_coerce(column(n), t.c[n].type),
}


def targets(m: Models) -> Mapping[str, tuple[Table, str, Any]]:
    """Return tables, with what must not be set in them to what."""
    return {
        "the tenant": (m.Invoice.__table__, m.key, m.theirs),
        "a foreign key": (m.Invoice.__table__, "customer_id", 401),
        "a tie": (m.InvoiceLine.__table__, "invoice_id", 401),
    }


def enter(what: str, name: str, key: Key) -> None:
    """Enter what sets ``what`` by such a key, in two forms."""
    options = {"needs": "ties"} if what == "a tie" else {}

    def by_values(m: Models) -> Any:
        target, column_, value = targets(m)[what]
        return update(target).where(target.c.id == 1).values({key(target, column_): value})

    def in_order(m: Models) -> Any:
        target, column_, value = targets(m)[what]
        pair = (key(target, column_), func.coalesce(value, value))
        return update(target).where(target.c.id == 1).ordered_values(pair)

    writes(f"set: {what}, by {name}", by_values, **options)
    writes(f"set: {what}, by {name}, in order, to an expression", in_order, **options)


for key_name, made in KEYS.items():
    for each in ("the tenant", "a foreign key", "a tie"):
        enter(each, key_name, made)


def tupled(what: str, value: Callable[[Any], Any], name: str) -> None:
    def statement(m: Models) -> Any:
        target, column_, foreign = targets(m)[what]
        other = target.c.note if what != "a tie" else target.c.text
        return (
            update(target)
            .where(target.c.id == 1)
            .values({tuple_(other, target.c[column_]): value(foreign)})
        )

    options = {"needs": "ties"} if what == "a tie" else {}
    writes(f"set: {what}, in a tuple_() {name}", statement, **TUPLES, **options)


for each in ("the tenant", "a foreign key", "a tie"):
    tupled(each, lambda value: tuple_(literal("own"), literal(value)), "of values")
    tupled(
        each, lambda value: select(literal("own"), literal(value)).scalar_subquery(), "of a SELECT"
    )


# Another Table for the same table.


def by_hand(m: Models, name: str, **options: Any) -> Table:
    return Table(
        "acct_invoice",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("note", String(80)),
        Column(name, options.pop("type_", String(40)), **options),
    )


@path("set: the tenant, of a Table written by hand in another case", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    other = by_hand(m, hand.key.upper())
    hand.connection.execute(
        update(other).where(other.c.id == 1).values({hand.key.upper(): hand.theirs})
    )


@path("set: the tenant, of a Table written by hand whose name is never quoted", "write")
def _(hand: Hand, m: Models) -> Any:
    name = quoted_name(hand.key.upper(), False)
    other = by_hand(m, name)
    hand.connection.execute(update(other).where(other.c.id == 1).values({other.c[name]: m.theirs}))


@path("set: the tenant, of a Table written by hand under another key", "write")
def _(hand: Hand, m: Models) -> Any:
    other = by_hand(m, hand.key, key="whose")
    hand.connection.execute(update(other).where(other.c.id == 1).values(whose=hand.theirs))


@path("set: the tenant, of a bare table() in another case, by a parameter", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    name = hand.key.upper()
    bare = table("acct_invoice", column("id"), column(name))
    statement = update(bare).where(bare.c.id == 1).values({name: bindparam("whose")})
    hand.connection.execute(statement, {"whose": hand.theirs})


@path("set: the tenant, by an onupdate in another case", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    other = by_hand(m, hand.key.upper(), onupdate=hand.theirs)
    hand.connection.execute(update(other).where(other.c.id == 1).values(note="own x"))


@path("set: a foreign key, of a Table written by hand in another case", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    other = by_hand(m, "CUSTOMER_ID", type_=Integer)
    hand.connection.execute(update(other).where(other.c.id == 1).values(CUSTOMER_ID=401))


@path("set: a foreign key, of a Table whose name is never quoted", "write")
def _(hand: Hand, m: Models) -> Any:
    name = quoted_name("Customer_Id", False)
    other = by_hand(m, name, type_=Integer)
    hand.connection.execute(update(other).where(other.c.id == 1).values({other.c[name]: 401}))


@path("set: a foreign key, by an onupdate in another case", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    other = by_hand(m, "CUSTOMER_ID", type_=Integer, onupdate=401)
    hand.connection.execute(update(other).where(other.c.id == 1).values(note="own x"))


@path("set: a foreign key, of a reflected Table", "write")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table("acct_invoice", MetaData(), autoload_with=hand.connection)
    hand.session.execute(
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.id == 1)
        .values({reflected.c.customer_id: 401})
    )


@path("set: a tie, of a Table written by hand in another case", "write", needs="ties", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    other = Table(
        "acct_invoice_line", MetaData(), Column("id", Integer), Column("INVOICE_ID", Integer)
    )
    hand.connection.execute(update(other).where(other.c.id == 1).values(INVOICE_ID=401))


@path("set: the tenant, among VALUES in another case", "write", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    bare = table("acct_tag", column("slug"), column("label"), column(hand.key.upper()))
    given = {"slug": "own-1", "label": "own", hand.key.upper(): hand.theirs}
    hand.connection.execute(insert(bare).values(given))


@path("set: the tenant, among VALUES whose names are never quoted", "write")
def _(hand: Hand, m: Models) -> Any:
    name = quoted_name(hand.key.upper(), False)
    bare = table("acct_tag", column("slug"), column("label"), column(name))
    hand.connection.execute(insert(bare).values({"slug": "o", "label": "own", name: hand.theirs}))


@path("set: a tie, among VALUES in another case", "write", needs="ties", **NO_CASE)
def _(hand: Hand, m: Models) -> Any:
    bare = table("acct_invoice_line", column("TEXT"), column("INVOICE_ID"), column("QUANTITY"))
    hand.connection.execute(insert(bare).values(TEXT="own", INVOICE_ID=401, QUANTITY=1))


# An upsert's SET.


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Let SQLAlchemy render what is no column of the table without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Additional column names", SAWarning)
        yield


def upsert(hand: Hand, target: Any, given: dict[str, Any], key: str, set_: Any) -> Any:
    """Return the upsert of ``given``; ``set_`` is told the new row."""
    if hand.database == "mariadb":
        made: Any = mysql.insert(target).values(given)
        return made.on_duplicate_key_update(set_(made.inserted))
    dialect: Any = sqlite if hand.database == "sqlite" else postgresql
    made = dialect.insert(target).values(given)
    return made.on_conflict_do_update(index_elements=[key], set_=set_(made.excluded))


UPSERTS: Final[Mapping[str, tuple[Callable[[Models], dict[Any, Any]], dict[str, Any]]]] = {
    "the tenant, in another case": (lambda m: {m.key.upper(): m.theirs}, ONE_CASE),
    "the tenant, by a column of no table": (lambda m: {column(m.key): m.theirs}, BY_COLUMN),
    "the tenant, by a Column of no table": (lambda m: {Column(m.key, Text): m.theirs}, BY_COLUMN),
    "a foreign key, in another case": (lambda m: {"CUSTOMER_ID": 401}, ONE_CASE),
    "a foreign key, by a column of no table": (lambda m: {column("customer_id"): 401}, BY_COLUMN),
    "a foreign key, by a Column of no table": (
        lambda m: {Column("customer_id", Text): 401},
        BY_COLUMN,
    ),
}


def enter_upsert(what: str, set_: Callable[[Models], Any], options: dict[str, Any]) -> None:
    def run(hand: Hand, m: Models) -> None:
        given = {"id": 1, "customer_id": 1, "reference": "R", "amount": 1, hand.key: hand.mine}
        with quiet():
            hand.session.execute(
                upsert(hand, m.Invoice.__table__, given, "id", lambda new: set_(m))
            )

    path(f"set: in an upsert, {what}", "write", **options)(run)


for upsert_name, (set_made, given_options) in UPSERTS.items():
    enter_upsert(upsert_name, set_made, given_options)


PARENTS: Final[Mapping[str, Callable[[Any, Any], dict[Any, Any]]]] = {
    "its key": lambda node, new: {"parent_id": new.id},
    "its key, by the column": lambda node, new: {node.c.parent_id: new.id},
    "its key, in a function": lambda node, new: {"parent_id": func.coalesce(new.id, None)},
    "its key, by a column of no table": lambda node, new: {column("parent_id"): new.id},
    "its key, in a CASE": lambda node, new: {
        "parent_id": case((node.c.id > 0, new.id), else_=node.c.parent_id)
    },
}


def enter_parent(name: str, set_: Callable[[Any, Any], Any]) -> None:
    def run(hand: Hand, m: Models) -> None:
        node = m.Node.__table__
        given = {"id": 401, "code": "own-two", hand.key: hand.mine}
        with quiet():
            hand.session.execute(upsert(hand, node, given, "code", lambda new: set_(node, new)))

    options = BY_COLUMN if "column" in name else {}
    path(f"set: in an upsert, the parent to the new row, {name}", "write", **options)(run)


for parent_name, parents in PARENTS.items():
    enter_parent(parent_name, parents)


# Keys that tenants' rows follow.


CASCADED: Final[Mapping[str, tuple[Callable[[Any], Any], dict[str, Any]]]] = {
    "its column": (lambda unit: unit.c.code, {}),
    "its name": (lambda unit: "code", {}),
    "type_coerce()": (lambda unit: type_coerce(unit.c.code, Text), {}),
    "a column of no table": (lambda unit: column("code"), {}),
    "an alias's column": (lambda unit: unit.alias().c.code, {}),
    "a tuple_()": (lambda unit: tuple_(unit.c.code, unit.c.name), TUPLES),
}


def enter_cascade(name: str, key: Callable[[Any], Any], options: dict[str, Any]) -> None:
    def run(hand: Hand, m: Models) -> None:
        unit = m.Unit.__table__
        value: Any = "px"
        if name == "a tuple_()":
            value = tuple_(literal("px"), literal("x"))
        with hand.enforcing() as connection:
            connection.execute(update(unit).where(unit.c.code == "pc").values({key(unit): value}))

    path(
        f"set: a key that tenants' rows follow, by {name}",
        "write",
        beyond_policies=FOLLOWS,
        **options,
    )(run)


for cascade_name, (cascade_key, cascade_options) in CASCADED.items():
    enter_cascade(cascade_name, cascade_key, cascade_options)


@path(
    "set: a key that tenants' rows follow, of a bare table() in another case",
    "write",
    **NO_CASE,
)
def _(hand: Hand, m: Models) -> Any:
    bare = table("acct_unit", column("CODE"))
    with hand.enforcing() as connection:
        connection.execute(update(bare).where(bare.c.CODE == "pc").values(CODE="px"))


@path("set: a key that tenants' rows follow, in an upsert", "write", beyond_policies=FOLLOWS)
def _(hand: Hand, m: Models) -> Any:
    given = {"code": "pc", "name": "x"}
    with hand.enforcing() as connection:
        connection.execute(
            upsert(hand, m.Unit.__table__, given, "code", lambda new: {"code": "px"})
        )


@path("set: a key that tenants' rows follow, by executemany", "write", beyond_policies=FOLLOWS)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        unit = m.Unit.__table__
        connection.execute(
            update(unit).where(unit.c.code == bindparam("was")).values(code=bindparam("becomes")),
            [{"was": "kg", "becomes": "kx"}, {"was": "pc", "becomes": "px"}],
        )


@path("set: what tenants' rows follow is deleted", "write", beyond_policies=FOLLOWS)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        connection.execute(m.Unit.__table__.delete().where(m.Unit.__table__.c.code == "pc"))
