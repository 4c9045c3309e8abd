"""``INSERT`` in every form: no row may come to belong to somebody else, or to nobody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    func,
    insert,
    literal,
    null,
    select,
    table,
    union_all,
)

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


def tag(m: Models, number: Any = 1, **more: Any) -> dict[str, Any]:
    return {"slug": f"own-{number}", "label": "own new", **more}


writes("insert: ORM, another tenant", lambda m: insert(m.Tag).values(tag(m, **{m.key: m.theirs})))
writes(
    "insert: Core, another tenant",
    lambda m: insert(m.Tag.__table__).values(tag(m, **{m.key: m.theirs})),
)
writes(
    "insert: Core, another tenant by its Column",
    lambda m: insert(m.Tag.__table__).values(
        {
            m.Tag.__table__.c.slug: "own-1",
            m.Tag.__table__.c.label: "own",
            m.tenant(m.Tag.__table__): m.theirs,
        }
    ),
)
writes(
    "insert: a Table that has no model, another tenant",
    lambda m: insert(m.note).values({m.key: m.theirs, "body": "own"}),
    needs="core",
)
writes(
    "insert: another tenant in a column of another name",
    lambda m: insert(m.Member).values(org_id="bravo", name="own"),
    needs="columns",
)
writes(
    "insert: another tenant in a composite key",
    lambda m: insert(m.Rate).values(
        {m.key: m.theirs, "code": "new", "percent": 1, "remark": "own"}
    ),
    needs="keys",
)
writes(
    "insert: another tenant in a table in another schema",
    lambda m: insert(m.Record).values({m.key: m.theirs, "body": "own"}),
)
writes(
    "insert: a tenant that does not exist",
    lambda m: insert(m.Tag).values(
        tag(m, **{m.key: 3 if isinstance(m.theirs, int) else "charlie"})
    ),
)
writes(
    "insert: a tenant that differs by case",
    lambda m: insert(m.Tag).values(tag(m, **{m.key: "ALFA"})),
)
writes(
    "insert: a tenant of another type",
    lambda m: insert(m.Tag).values(tag(m, **{m.key: func.lower("BRAVO")})),
)
writes(
    "insert: a tenant computed by a subquery",
    lambda m: insert(m.Tag).values(
        tag(m, **{m.key: select(func.max(m.tenant(m.Customer))).scalar_subquery()})
    ),
)
writes(
    "insert: a tenant computed by a literal",
    lambda m: insert(m.Tag).values(tag(m, **{m.key: literal(m.theirs)})),
)
writes(
    "insert: several VALUES, one of them another tenant's",
    lambda m: insert(m.Tag.__table__).values(
        [tag(m, 1, **{m.key: m.mine}), tag(m, 2, **{m.key: m.theirs})]
    ),
)
writes(
    "insert: several VALUES, all of them another tenant's",
    lambda m: insert(m.Tag.__table__).values(
        [tag(m, 1, **{m.key: m.theirs}), tag(m, 2, **{m.key: m.theirs})]
    ),
)
writes(
    "insert: a bound parameter with another tenant",
    lambda m: insert(m.Tag).values(tag(m, **{m.key: bindparam("whose", m.theirs)})),
)
writes(
    "insert: from a SELECT of a literal tenant",
    lambda m: insert(m.Tag.__table__).from_select(
        ["slug", "label", m.key], select(literal("own-1"), literal("own"), literal(m.theirs))
    ),
)
writes(
    "insert: from a SELECT that reads everything",
    lambda m: insert(m.Tag.__table__).from_select(
        ["slug", "label", m.key],
        select(m.Customer.name, m.Customer.name, m.tenant(m.Customer)),
    ),
)
writes(
    "insert: from a SELECT of the tenant of another table under another name",
    lambda m: insert(m.Tag.__table__).from_select(
        ["slug", "label", m.key],
        select(m.Customer.name, m.Customer.name, m.Customer.name),
    ),
)
writes(
    "insert: from a UNION",
    lambda m: insert(m.Tag.__table__).from_select(
        ["slug", "label", m.key],
        union_all(
            select(m.Customer.name, m.Customer.name, m.tenant(m.Customer)),
            select(m.Currency.name, m.Currency.code, literal(m.theirs)),
        ),
    ),
)
writes(
    "insert: from a SELECT, a tied table",
    lambda m: insert(m.InvoiceLine.__table__).from_select(
        ["invoice_id", "text", "quantity"], select(literal(401), literal("own"), literal(1))
    ),
    needs="ties",
)
writes(
    "insert: an expression read from a foreign row",
    lambda m: insert(m.Tag).values(
        slug="own-1",
        label=select(func.min(m.Customer.name)).scalar_subquery(),
        **{m.key: m.mine},
    ),
    then=("SELECT label FROM acct_tag WHERE slug = 'own-1'", [("own abel",)]),
)
writes(
    "insert: in a CTE, another tenant",
    lambda m: select(
        insert(m.Tag.__table__)
        .values(tag(m, **{m.key: m.theirs}))
        .returning(m.Tag.__table__.c.id)
        .cte("c")
        .c.id
    ),
    only="postgresql",
    why="no CTE that changes data",
)
writes(
    "insert: RETURNING, another tenant",
    lambda m: insert(m.Tag).values(tag(m, **{m.key: m.theirs})).returning(m.Tag),
)
writes(
    "insert: a bare table() without the tenant column",
    lambda m: insert(table("acct_member", column("org_id"), column("name"))).values(
        org_id="bravo", name="own"
    ),
    needs="columns",
)
writes(
    "insert: inline, with the tenant column twice by two names",
    lambda m: insert(m.Tag.__table__).values(tag(m, **{m.key: m.theirs})).inline(),
)
writes(
    "insert: NULL as the tenant",
    lambda m: insert(m.Warehouse.__table__).values({"id": 903, "name": "own", m.key: None}),
    needs="concrete",
)
writes(
    "insert: null() as the tenant",
    lambda m: insert(m.Warehouse.__table__).values({"id": 903, "name": "own", m.key: null()}),
    needs="concrete",
)
writes(
    "insert: a tied table, to a foreign parent",
    lambda m: insert(m.InvoiceLine).values(invoice_id=401, text="own"),
    needs="ties",
)
writes(
    "insert: an association table, to two foreign parents",
    lambda m: insert(m.invoice_tag).values(invoice_id=402, tag_id=401),
    needs="ties",
)
writes(
    "insert: an association table, to one foreign parent",
    lambda m: insert(m.invoice_tag).values(invoice_id=1, tag_id=401),
    needs="ties",
)
writes(
    "insert: a joined-inheritance child's Table, for a foreign base row",
    lambda m: insert(m.CardPayment.__table__).values(id=401, card="own"),
    needs="ties",
)


@path("insert: ORM bulk, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.Tag), [tag(m, 1, **{hand.key: hand.mine}), tag(m, 2, **{hand.key: hand.theirs})]
    )


@path("insert: ORM bulk with RETURNING, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    statement = insert(m.Tag).returning(m.Tag.id, sort_by_parameter_order=True)
    hand.session.execute(statement, [tag(m, n, **{hand.key: hand.theirs}) for n in range(3)]).all()


@path("insert: ORM bulk, another tenant in all rows by values()", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(insert(m.Tag).values({hand.key: hand.theirs}), [tag(m, 1), tag(m, 2)])


@path("insert: Core executemany, another tenant in the second row", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(
        insert(m.Tag.__table__),
        [tag(m, 1, **{hand.key: hand.mine}), tag(m, 2, **{hand.key: hand.theirs})],
    )


@path("insert: Core executemany, None in the second row", "write")
def _(hand: Hand, m: Models) -> Any:
    rows = [
        {"id": 903, "name": "own", hand.key: hand.mine},
        {"id": 904, "name": "own", hand.key: None},
    ]
    hand.connection.execute(insert(m.Warehouse.__table__), rows)


@path("insert: Core with a parameter, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(insert(m.Tag.__table__), tag(m, **{hand.key: hand.theirs}))


@path("insert: parameters on top of values()", "write")
def _(hand: Hand, m: Models) -> Any:
    statement = insert(m.Tag.__table__).values(tag(m, **{hand.key: hand.mine}))
    hand.connection.execute(statement, {hand.key: hand.theirs})


@path("insert: by an engine's own connection, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.begin() as connection:
        connection.execute(insert(m.Tag.__table__).values(tag(m, **{hand.key: hand.theirs})))


@path("insert: bulk_insert_mappings, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_insert_mappings(m.Tag.__mapper__, [tag(m, **{hand.key: hand.theirs})])


@path("insert: bulk_save_objects, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_save_objects([m.Tag(**tag(m, **{hand.key: hand.theirs}))])


@path("insert: bulk_insert_mappings of a tied table, to a foreign parent", "write", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    rows = [{"invoice_id": 1, "text": "own"}, {"invoice_id": 401, "text": "own"}]
    hand.session.bulk_insert_mappings(m.InvoiceLine.__mapper__, rows)


@path("insert: a reflected Table, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table("acct_tag", MetaData(), autoload_with=hand.connection)
    hand.connection.execute(insert(reflected).values(tag(m, **{hand.key: hand.theirs})))


@path("insert: a copy of the Table in another MetaData, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    copy = m.Tag.__table__.to_metadata(MetaData())
    hand.connection.execute(insert(copy).values(tag(m, **{hand.key: hand.theirs})))


@path("insert: a Column default that names another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    copy = Table(
        "acct_tag",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column(hand.key, m.tenant(m.Tag.__table__).type, default=hand.theirs),
        Column("slug", String(40)),
        Column("label", String(80)),
    )
    hand.connection.execute(insert(copy), [tag(m, 1), tag(m, 2)])


@path("insert: from_select in ORM, another tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    source = select(m.Currency.code, m.Currency.name, literal(hand.theirs))
    hand.session.execute(insert(m.Tag).from_select(["slug", "label", hand.key], source))


@path("insert: SQL expression on an object's tenant", "write")
def _(hand: Hand, m: Models) -> Any:
    each = m.Tag(**tag(m))
    setattr(each, hand.key, literal(hand.theirs))
    hand.session.add(each)
    hand.session.flush()
