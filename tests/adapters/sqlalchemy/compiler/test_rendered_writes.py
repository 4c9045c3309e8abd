"""SET and VALUES are checked as rendered; the tests judge by the contents of the database."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    table,
    text,
    tuple_,
    type_coerce,
    update,
    values,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, registry
from sqlalchemy.sql.elements import quoted_name

from tenantshield_mw import TenantShieldError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, Database, DatabaseName, database, require

metadata = MetaData()
customer = Table(
    "wr_customer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", String(20), nullable=False),
    Column("name", String(20)),
)
inv = Table(
    "wr_inv",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", String(20), nullable=False),
    Column("customer_id", ForeignKey("wr_customer.id")),
    Column("parent_id", ForeignKey("wr_inv.id")),
    Column("code", String(20), unique=True),
    Column("note", String(40)),
)
line = Table(
    "wr_line",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("inv_id", ForeignKey("wr_inv.id"), nullable=False),
    Column("price", String(20)),
)
featured = Table(
    "wr_featured",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("inv_id", ForeignKey("wr_inv.id")),
    Column("note", String(40)),
)
cur = Table(
    "wr_cur",
    metadata,
    Column("code", String(3), primary_key=True),
    Column("name", String(20)),
)
price = Table(
    "wr_price",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", String(20), nullable=False),
    Column("cur", ForeignKey("wr_cur.code", onupdate="CASCADE")),
)
for each in (customer, inv, price):
    tenant_aware(each)
for each in (featured, cur):
    shared_across_tenants(each)

mapping = registry()


class Inv:
    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Line(Inv):
    inv_id: Any


mapping.map_imperatively(Inv, inv)
mapping.map_imperatively(Line, line)

copied = MetaData()
inv_copy = inv.to_metadata(copied)
line_copy = line.to_metadata(copied)

SEED: Final = (
    "INSERT INTO wr_customer VALUES (1, 'a', 'own'), (401, 'b', 'bravo')",
    "INSERT INTO wr_inv VALUES (1, 'a', 1, NULL, 'one', 'own'), (2, 'a', 1, 1, 'two', 'own')",
    "INSERT INTO wr_inv VALUES (401, 'b', 401, NULL, 'b1', 'bravo')",
    "INSERT INTO wr_line VALUES (1, 1, '5'), (401, 401, '7')",
    "INSERT INTO wr_featured VALUES (1, 401, 'x'), (2, 1, 'y')",
    "INSERT INTO wr_cur VALUES ('EUR', 'Euro'), ('USD', 'Dollar')",
    "INSERT INTO wr_price VALUES (1, 'a', 'EUR'), (401, 'b', 'EUR')",
)
TABLES: Final = ("wr_price", "wr_cur", "wr_featured", "wr_line", "wr_inv", "wr_customer")

Content = dict[str, list[tuple[Any, ...]]]


@dataclass
class Home:
    database: Database
    engine: Engine

    def fill(self) -> None:
        off, on = {
            "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
            "postgresql": ("SELECT 1", "SELECT 1"),
            "mariadb": ("SET foreign_key_checks = 0", "SET foreign_key_checks = 1"),
        }[self.database.name]
        clean = ["UPDATE wr_inv SET parent_id = NULL", *(f"DELETE FROM {each}" for each in TABLES)]
        self.database.run(off, *clean, *SEED, on)

    def content(self) -> Content:
        return {
            name: sorted(self.database.read(f"SELECT * FROM {name}"), key=repr) for name in TABLES
        }


@contextmanager
def home(name: DatabaseName) -> Generator[Home, None, None]:
    require(name)
    with database(name) as here:
        engine = here.engine()
        if name == "sqlite":
            from sqlalchemy import event

            @event.listens_for(engine, "connect")
            def enforce(connection: Any, record: Any) -> None:
                cursor = connection.cursor()
                cursor.execute("PRAGMA foreign_keys = ON")
                cursor.close()

        try:
            with system_scope("make the tables"):
                metadata.create_all(engine)
            yield Home(here, engine)
        finally:
            engine.dispose()


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Iterator[Home]:
    with home(request.param) as made:
        yield made


def theirs(content: Content) -> Content:
    """Return b's rows, by tenant and by the parent's tenant."""
    owner = {row[0]: row[1] for row in content["wr_inv"]}
    return {
        "wr_customer": [row for row in content["wr_customer"] if row[1] != "a"],
        "wr_inv": [row for row in content["wr_inv"] if row[1] != "a"],
        "wr_price": [row for row in content["wr_price"] if row[1] != "a"],
        "wr_line": [row for row in content["wr_line"] if owner.get(row[1]) != "a"],
    }


def crossings(content: Content) -> list[str]:
    found = []
    customers = {row[0]: row[1] for row in content["wr_customer"]}
    invs = {row[0]: row[1] for row in content["wr_inv"]}
    for id_, tenant, customer_id, parent_id, *_ in content["wr_inv"]:
        if customer_id is not None and customers[customer_id] != tenant:
            found.append(f"inv {id_} has another tenant's customer")
        if parent_id is not None and invs[parent_id] != tenant:
            found.append(f"inv {id_} has another tenant's parent")
    return found


Way = Callable[[Connection], Any]
WAYS: dict[str, tuple[Way, frozenset[str]]] = {}


def way(name: str, only: str = "sqlite postgresql mariadb") -> Callable[[Way], Way]:
    def enter(run: Way) -> Way:
        assert name not in WAYS
        WAYS[name] = (run, frozenset(only.split()))
        return run

    return enter


def one(name: str, make: Callable[..., Any], only: str = "sqlite postgresql mariadb") -> None:
    way(name, only)(lambda c: c.execute(make()))


# -- the keys of a SET -----------------------------------------------------------------

KEYS: Final[dict[str, Callable[..., Any]]] = {
    "another construct's column": lambda name: Column(name, String),
    "another table's column": lambda name: table("wr_other", column(name)).c[name],
    "an alias's column": lambda name: inv.alias("i").c[name],
    "a copied table's column": lambda name: inv_copy.c[name],
    "a subquery's column": lambda name: select(inv).subquery().c[name],
    "a bare column": lambda name: column(name),
    "a literal column": lambda name: literal_column(name),
    "type_coerce": lambda name: type_coerce(inv.c[name], Text),
    "type_coerce of a string name": lambda name: type_coerce(column(name), Text),
    "a label": lambda name: inv.c[name].label("other"),
    "quoted": lambda name: quoted_name(name, True),
    "upper case": lambda name: name.upper(),
    "upper case column": lambda name: column(name.upper()),
    "quoted_name unquoted upper": lambda name: column(quoted_name(name.upper(), False)),
}
FORBIDDEN: Final[dict[str, Any]] = {"tenant_id": "b", "customer_id": 401, "parent_id": 401}

for key_name, make_key in KEYS.items():
    for written, value in FORBIDDEN.items():

        def set_it(
            c: Connection, make_key: Any = make_key, w: str = written, v: Any = value
        ) -> Any:
            return c.execute(update(inv).where(inv.c.id == 1).values({make_key(w): v}))

        def set_expression(
            c: Connection, make_key: Any = make_key, w: str = written, v: Any = value
        ) -> Any:
            statement = (
                update(inv)
                .where(inv.c.id == 1)
                .values({make_key(w): literal(v) + literal_column("")})
            )
            statement = update(inv).where(inv.c.id == 1).values({make_key(w): func.coalesce(v)})
            return c.execute(statement)

        def set_in_order(
            c: Connection, make_key: Any = make_key, w: str = written, v: Any = value
        ) -> Any:
            return c.execute(update(inv).where(inv.c.id == 1).ordered_values((make_key(w), v)))

        way(f"SET {written} by {key_name}")(set_it)
        way(f"SET {written} by {key_name}, an expression")(set_expression)
        way(f"SET {written} by {key_name}, in order")(set_in_order)

for written, value in FORBIDDEN.items():
    one(
        f"SET a tuple with {written}",
        lambda w=written, v=value: (
            update(inv)
            .where(inv.c.id == 1)
            .values({tuple_(inv.c.note, inv.c[w]): tuple_(literal("x"), literal(v))})
        ),
    )
    one(
        f"SET a tuple with {written} from a subquery",
        lambda w=written, v=value: (
            update(inv)
            .where(inv.c.id == 1)
            .values(
                {tuple_(inv.c.note, inv.c[w]): select(literal("x"), literal(v)).scalar_subquery()}
            )
        ),
    )
    bare = table("wr_inv", column("id"), column(written.upper()))
    one(
        f"SET {written} of a bare table in upper case",
        lambda b=bare, w=written, v=value: update(b).where(b.c.id == 1).values({w.upper(): v}),
    )
    unquoted = Table(
        "wr_inv",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column(quoted_name(written.upper(), False), String(20)),
    )
    one(
        f"SET {written} of a hand-written table, never quoted",
        lambda b=unquoted, w=written, v=value: (
            update(b).where(b.c.id == 1).values({b.c[w.upper()]: v})
        ),
    )
    one(
        f"SET {written} of a hand-written table by another key",
        lambda w=written, v=value: (lambda t: update(t).where(t.c.id == 1).values(other=v))(
            Table(
                "wr_inv",
                MetaData(),
                Column("id", Integer, primary_key=True),
                Column(w, String(20), key="other"),
            )
        ),
    )
    one(
        f"SET {written} as a parameter of execute",
        lambda w=written, v=value: update(inv).where(inv.c.id == 1).values({w: bindparam("x", v)}),
    )
    one(
        f"SET {written} by literal_column that holds two",
        lambda w=written, v=value: (
            update(inv).where(inv.c.id == 1).values({literal_column(f"note = 'x', {w}"): v})
        ),
    )

one(
    "SET the tenant of an onupdate in a copy",
    lambda: update(
        Table(
            "wr_inv",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("note", String(40)),
            Column("TENANT_ID", String(20), onupdate="b"),
        )
    ).values(note="x"),
)
one(
    "SET a foreign key of an onupdate in a copy",
    lambda: (
        update(
            Table(
                "wr_inv",
                MetaData(),
                Column("id", Integer, primary_key=True),
                Column("note", String(40)),
                Column("CUSTOMER_ID", Integer, onupdate=401),
            )
        )
        .where(text("id = 1"))
        .values(note="x")
    ),
)

# -- ties ------------------------------------------------------------------------------

for key_name, make_key in {
    "type_coerce": lambda: type_coerce(line.c.inv_id, Integer),
    "another construct's column": lambda: featured.c.inv_id,
    "upper case": lambda: column("INV_ID"),
    "a copied table's column": lambda: line_copy.c.inv_id,
    "a label": lambda: line.c.inv_id.label("x"),
}.items():
    one(
        f"SET a tie by {key_name}",
        lambda k=make_key: update(line).where(line.c.id == 1).values({k(): 401}),
    )
one(
    "SET a tie by a tuple",
    lambda: (
        update(line)
        .where(line.c.id == 1)
        .values({tuple_(line.c.price, line.c.inv_id): tuple_(literal("1"), literal(401))})
    ),
)

# -- keys that cascade -----------------------------------------------------------------

for key_name, make_key in {
    "its column": lambda: cur.c.code,
    "type_coerce": lambda: type_coerce(cur.c.code, Text),
    "another construct's column": lambda: column("code"),
    "upper case": lambda: column("CODE"),
    "an alias's column": lambda: cur.alias("k").c.code,
    "inv's column of that name": lambda: inv.c.code,
}.items():
    one(
        f"SET a key that cascades by {key_name}",
        lambda k=make_key: update(cur).where(cur.c.code == "EUR").values({k(): "EUX"}),
    )
one(
    "SET a key that cascades by a tuple",
    lambda: (
        update(cur)
        .where(cur.c.code == "EUR")
        .values({tuple_(cur.c.code, cur.c.name): tuple_(literal("EUX"), literal("x"))})
    ),
)
one(
    "SET a key that cascades of a bare table in upper case",
    lambda: update(table("wr_cur", column("CODE"))).values(CODE="EUX"),
)
one(
    "SET a key that cascades by an upsert",
    lambda: (
        sqlite.insert(cur)
        .values(code="EUR", name="x")
        .on_conflict_do_update(index_elements=["code"], set_={"code": "EUX"})
    ),
    "sqlite",
)
one(
    "SET a key that cascades by an upsert, upper case",
    lambda: (
        postgresql.insert(cur)
        .values(code="EUR", name="x")
        .on_conflict_do_update(index_elements=["code"], set_={column("CODE"): "EUX", "CODE": "EUX"})
    ),
    "sqlite postgresql",
)
one(
    "SET a key that cascades by an upsert's type_coerce",
    lambda: (
        postgresql.insert(cur)
        .values(code="EUR", name="x")
        .on_conflict_do_update(index_elements=["code"], set_={type_coerce(cur.c.code, Text): "EUX"})
    ),
    "sqlite postgresql",
)

# -- several tables ----------------------------------------------------------------------

for written, value in FORBIDDEN.items():
    one(
        f"UPDATE of a join sets {written}",
        lambda w=written, v=value: update(
            inv.join(customer, inv.c.customer_id == customer.c.id)
        ).values({inv.c[w]: v}),
        "mariadb",
    )
    one(
        f"UPDATE of a join, the other way round, sets {written}",
        lambda w=written, v=value: update(
            customer.join(inv, inv.c.customer_id == customer.c.id)
        ).values({inv.c[w]: v}),
        "mariadb",
    )
    one(
        f"UPDATE of several tables sets {written}",
        lambda w=written, v=value: (
            update(customer)
            .where(inv.c.customer_id == customer.c.id)
            .values({inv.c[w]: v, customer.c.name: "x"})
        ),
        "mariadb",
    )
    one(
        f"UPDATE of an alias and a table sets {written}",
        lambda w=written, v=value: (
            lambda i: (
                update(customer)
                .where(i.c.customer_id == customer.c.id)
                .values({i.c[w]: v, customer.c.name: "x"})
            )
        )(inv.alias("i")),
        "mariadb",
    )
one(
    "UPDATE of a join sets a shared table's key that cascades",
    lambda: update(cur.join(price, price.c.cur == cur.c.code)).values({cur.c.code: "EUX"}),
    "mariadb",
)
one(
    "UPDATE of several tables sets a shared table's key that cascades",
    lambda: update(price).where(price.c.cur == cur.c.code).values({cur.c.code: "EUX"}),
    "mariadb",
)
one(
    "UPDATE of a join with a tied table sets the tie",
    lambda: update(line.join(inv, inv.c.id == line.c.inv_id)).values({line.c.inv_id: 401}),
    "mariadb",
)

# -- INSERT ----------------------------------------------------------------------------

one(
    "VALUES with the tenant in upper case of a bare table",
    lambda: insert(table("wr_inv", column("id"), column("TENANT_ID"))).values(
        id=901, TENANT_ID="b"
    ),
)
one(
    "VALUES with the tenant in two cases",
    lambda: insert(table("wr_inv", column("id"), column("tenant_id"), column("TENANT_ID"))).values(
        id=901, TENANT_ID="b"
    ),
    "sqlite postgresql mariadb",
)
one(
    "VALUES with a foreign key in upper case of a bare table",
    lambda: insert(
        table("wr_inv", column("id"), column("tenant_id"), column("CUSTOMER_ID"))
    ).values(id=901, CUSTOMER_ID=401),
)
one(
    "VALUES with a foreign key by another construct's column",
    lambda: insert(inv).values({inv.c.id: 901, column("customer_id"): 401}),
)
one(
    "VALUES with a foreign key, type_coerce",
    lambda: insert(inv).values({inv.c.id: 901, type_coerce(inv.c.customer_id, Integer): 401}),
)
one(
    "several VALUES with a foreign key by another construct's column",
    lambda: insert(inv).values(
        [{inv.c.id: 901, column("customer_id"): 1}, {inv.c.id: 902, column("customer_id"): 401}]
    ),
)
defaulted = Table(
    "wr_inv",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20)),
    Column("customer_id", Integer, default=401),
)
defaulted_callable = Table(
    "wr_inv",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20)),
    Column("CUSTOMER_ID", Integer, default=lambda: 401),
)
one(
    "INSERT ... SELECT and a foreign key's default",
    lambda: insert(defaulted).from_select(["id"], select(literal(901))),
)
one(
    "INSERT ... SELECT and a foreign key's default, a callable",
    lambda: insert(defaulted_callable).from_select(["id"], select(literal(901))),
)
one(
    "INSERT and a foreign key's default, a callable, in another case",
    lambda: insert(defaulted_callable).values(id=901),
)
one(
    "INSERT ... SELECT with the name in another case",
    lambda: insert(
        table("wr_inv", column("id"), column("tenant_id"), column("CUSTOMER_ID"))
    ).from_select(["id", "CUSTOMER_ID"], select(literal(901), literal(401))),
)
one(
    "INSERT of a tie in another case",
    lambda: insert(table("wr_line", column("id"), column("INV_ID"))).values(id=901, INV_ID=401),
)

# -- upserts ---------------------------------------------------------------------------


def upsert(set_: Callable[[Any], Any], **row: Any) -> Callable[[Connection], Any]:
    def run(c: Connection) -> Any:
        given = {"id": 401, "code": "one", "note": "x", **row}
        if c.dialect.name == "mysql" or c.dialect.name == "mariadb":
            statement = mysql.insert(inv).values(**given)
            return c.execute(statement.on_duplicate_key_update(set_(statement.inserted)))
        dialect = sqlite if c.dialect.name == "sqlite" else postgresql
        made = dialect.insert(inv).values(**given)
        return c.execute(
            made.on_conflict_do_update(index_elements=["code"], set_=set_(made.excluded))
        )

    return run


way("upsert SET parent_id = excluded.id")(upsert(lambda new: {"parent_id": new.id}))
way("upsert SET parent_id = excluded.id, by a column")(
    upsert(lambda new: {inv.c.parent_id: new.id})
)
way("upsert SET parent_id = coalesce(excluded.id)")(
    upsert(lambda new: {"parent_id": func.coalesce(new.id, null())})
)
way("upsert SET parent_id = case excluded.id")(
    upsert(lambda new: {"parent_id": case((inv.c.id == 1, new.id), else_=null())})
)
way("upsert SET the tenant in another case")(upsert(lambda new: {"TENANT_ID": "b"}))
way("upsert SET the tenant by another construct")(upsert(lambda new: {column("tenant_id"): "b"}))
way("upsert SET a foreign key in another case")(upsert(lambda new: {"CUSTOMER_ID": 401}))
way("upsert SET a foreign key by type_coerce")(
    upsert(lambda new: {type_coerce(inv.c.customer_id, Integer): 401})
)

# -- where a value comes from ------------------------------------------------------------

for name, source in {
    "a shared table's column": lambda: select(literal(900), featured.c.inv_id).where(
        featured.c.id == 1
    ),
    "a subquery on a shared table": lambda: select(
        literal(900), select(featured.c.inv_id).where(featured.c.id == 1).scalar_subquery()
    ),
    "an alias of a shared table": lambda: (
        lambda f: select(literal(900), f.c.inv_id).where(f.c.id == 1)
    )(featured.alias()),
    "a CTE of a shared table": lambda: (lambda f: select(literal(900), f.c.inv_id))(
        select(featured.c.inv_id).where(featured.c.id == 1).cte()
    ),
    "text with the parent's column": lambda: (lambda t: select(literal(900), t.c.id))(
        text("SELECT 401 AS id").columns(inv.c.id).subquery()
    ),
    "text with the parent's column, itself": lambda: text("SELECT 900 AS n, 401 AS id").columns(
        column("n"), inv.c.id
    ),
    "VALUES with the parent's column": lambda: (lambda v: select(literal(900), v.c.id))(
        values(inv.c.id, name="v").data([(401,)])
    ),
    "a cast that cuts": lambda: select(
        literal(900), cast(cast(literal(4011), String), Integer) / 10
    ),
    "a cast of the parent's key": lambda: select(
        literal(900), cast(cast(inv.c.id, String(20)) + literal("01"), Integer)
    ).where(inv.c.id == 1),
    "a label of a literal": lambda: select(literal(900), literal(401).label("id")),
    "max of a literal": lambda: select(literal(900), func.max(literal(401))),
    "a scalar subquery of a literal": lambda: select(
        literal(900), select(literal(401)).scalar_subquery()
    ),
    "a union with a literal": lambda: (
        select(literal(900), inv.c.id)
        .where(inv.c.id == 1)
        .union_all(select(literal(901), literal(401)))
    ),
    "a raw column of the parent's name": lambda: (
        select(literal(900), literal_column("401").label("id"))
        .select_from(inv)
        .where(inv.c.id == 1)
    ),
    "the parent's key of a left join to a shared table": lambda: (
        select(literal(900), featured.c.inv_id)
        .select_from(inv.outerjoin(featured, featured.c.id == inv.c.id))
        .where(inv.c.id == 1)
    ),
}.items():
    one(
        f"INSERT a tie from {name}",
        lambda s=source: insert(line).from_select(["id", "inv_id"], s()),
    )
one(
    "INSERT a tie from a function's column",
    lambda: insert(line).from_select(
        ["id", "inv_id"],
        (lambda g: select(literal(900), g.c.id))(
            func.generate_series(401, 401).table_valued(inv.c.id)
        ),
    ),
    "postgresql",
)
one(
    "INSERT a tie from json_each",
    lambda: insert(line).from_select(
        ["id", "inv_id"],
        (lambda g: select(literal(900), g.c.value))(
            func.json_each("[401]").table_valued(column("value", Integer))
        ),
    ),
    "sqlite",
)
one(
    "UPDATE a foreign key from a shared table",
    lambda: (
        update(line)
        .where(line.c.id == 1)
        .values(inv_id=select(featured.c.inv_id).where(featured.c.id == 1).scalar_subquery())
    ),
)
one(
    "UPDATE ... FROM a shared table",
    lambda: update(line).where(line.c.id == 1, featured.c.id == 1).values(inv_id=featured.c.inv_id),
)


@way("flush of a tie with a scalar subquery on a shared table")
def _(c: Connection) -> None:
    with Session(c) as session:
        session.add(
            Line(
                id=900,
                inv_id=select(featured.c.inv_id).where(featured.c.id == 1).scalar_subquery(),
            )
        )
        session.flush()


@way("flush of a change with a scalar subquery on a shared table")
def _(c: Connection) -> None:
    with Session(c) as session:
        found = session.get(Line, 1)
        assert found is not None
        found.inv_id = select(featured.c.inv_id).where(featured.c.id == 1).scalar_subquery()
        session.flush()


REFUSALS = (TenantShieldError, SQLAlchemyError, DBAPIError)


@pytest.mark.parametrize("name", list(WAYS))
def test_nothing_of_another_tenants_is_written(here: Home, name: str) -> None:
    run, only = WAYS[name]
    if here.database.name not in only:
        # This database does not have the form.
        return
    here.fill()
    before = here.content()
    try:
        with tenant_scope("a"), here.engine.begin() as connection:
            run(connection)
    except REFUSALS as error:
        refusal = str(getattr(error, "orig", error))
    else:
        refusal = ""
    after = here.content()
    assert "bravo" not in refusal
    assert theirs(after) == theirs(before)
    assert crossings(after) == []
    if refusal:
        assert after == before
