"""The tenant column set to the value that it has, and keys that include the tenant."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import defer

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import MY_TOKEN, Models

RENAMED: Final[dict[str, Any]] = {
    "then": ("SELECT label, {key} FROM acct_tag WHERE id = 1", [("own x", "{mine}")])
}


def every_column(hand: Hand, target: Any, key: str) -> Any:
    """Return an upsert that sets each column to what was to be inserted."""
    if hand.database == "mariadb":
        made: Any = mysql.insert(target)
        return made.on_duplicate_key_update(
            {each.name: made.inserted[each.name] for each in target.c}
        )
    made = (sqlite if hand.database == "sqlite" else postgresql).insert(target)
    return made.on_conflict_do_update(
        index_elements=[key], set_={each.name: made.excluded[each.name] for each in target.c}
    )


@legitimate("same tenant: an upsert of every column", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    row = {"id": 1, "slug": "own-urgent", "label": "own x", hand.key: hand.mine}
    tag = m.Tag.__table__
    hand.session.execute(every_column(hand, tag, "id").values(row))


@legitimate("same tenant: an upsert of every column, the tenant left out", needs="fills", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    row = {"id": 1, "slug": "own-urgent", "label": "own x"}
    hand.session.execute(every_column(hand, m.Tag.__table__, "id").values(row))


@legitimate("same tenant: an upsert of every column, executemany", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    rows = [
        {"id": number, "slug": slug, "label": "own x", hand.key: hand.mine}
        for number, slug in ((1, "own-urgent"), (950, "own-new"))
    ]
    hand.connection.execute(every_column(hand, m.Tag.__table__, "id"), rows)


@legitimate("same tenant: an upsert of every column, with a foreign key")
def _(hand: Hand, m: Models) -> None:
    row = {
        hand.key: hand.mine,
        "id": 1,
        "customer_id": 2,
        "category_id": None,
        "reference": "R-1",
        "note": "own x",
        "amount": 1,
        "private": None,
    }
    invoice = m.Invoice.__table__
    hand.session.execute(every_column(hand, invoice, "id").values(row))
    found = select(invoice.c.customer_id, invoice.c.note).where(invoice.c.id == 1)
    assert hand.session.execute(found).all() == [(2, "own x")]


@legitimate("same tenant: update, ORM", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(
        update(m.Tag).where(m.Tag.id == 1).values({hand.key: hand.mine, "label": "own x"})
    )


@legitimate("same tenant: update, Core", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    tag = m.Tag.__table__
    hand.connection.execute(
        update(tag).where(tag.c.id == 1).values({tag.c[hand.key]: hand.mine, tag.c.label: "own x"})
    )


@legitimate("same tenant: update, to the column itself", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    tag = m.Tag.__table__
    hand.connection.execute(
        update(tag).where(tag.c.id == 1).values({hand.key: tag.c[hand.key], "label": "own x"})
    )


@legitimate("same tenant: update, executemany", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    tag = m.Tag.__table__
    statement = update(tag).where(tag.c.id == bindparam("n"))
    hand.connection.execute(
        statement.values({hand.key: bindparam("whose"), "label": bindparam("text")}),
        [{"n": each, "whose": hand.mine, "text": "own x"} for each in (1, 900)],
    )


@legitimate("same tenant: update by key, bulk", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(
        update(m.Tag), [{"id": each, hand.key: hand.mine, "label": "own x"} for each in (1, 900)]
    )


@legitimate("same tenant: bulk_update_mappings", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    rows = [{"id": 1, hand.key: hand.mine, "label": "own x"}]
    hand.session.bulk_update_mappings(m.Tag.__mapper__, rows)


@legitimate("same tenant: an attribute that was expired", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    tag = hand.session.get(m.Tag, 1)
    hand.session.expire(tag)
    setattr(tag, hand.key, hand.mine)
    tag.label = "own x"


@legitimate("same tenant: an attribute that alone was expired", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    tag = hand.session.get(m.Tag, 1)
    hand.session.expire(tag, [hand.key])
    setattr(tag, hand.key, hand.mine)
    tag.label = "own x"


@legitimate("same tenant: an attribute that was deferred", **RENAMED)
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Tag).where(m.Tag.id == 1).options(defer(m.tenant(m.Tag)))
    tag = hand.session.scalars(statement).one()
    setattr(tag, hand.key, hand.mine)
    tag.label = "own x"


# Keys that include the tenant.

ERRANDS = "SELECT id, {key}, account_id FROM acct_errand ORDER BY id"


def errands(first: int | None, second: int | None) -> dict[str, Any]:
    rows = [(1, "{mine}", first), (2, "{mine}", second), (401, "bravo", 401)]
    return {"needs": "tenant_keys", "then": (ERRANDS, rows)}


@legitimate("tenant key: a reference set to None", **errands(None, 1))
def _(hand: Hand, m: Models) -> None:
    hand.session.get(m.Errand, 1).account = None


@legitimate("tenant key: a reference set to another row", **errands(900, 1))
def _(hand: Hand, m: Models) -> None:
    hand.session.get(m.Errand, 1).account = hand.session.get(m.Account, 900)


@legitimate("tenant key: a child removed from a collection", **errands(None, 1))
def _(hand: Hand, m: Models) -> None:
    account = hand.session.get(m.Account, 1)
    account.errands.remove(hand.session.get(m.Errand, 1))


@legitimate("tenant key: a collection emptied", **errands(None, None))
def _(hand: Hand, m: Models) -> None:
    hand.session.get(m.Account, 1).errands = []


@legitimate("tenant key: a parent deleted", **errands(1, None))
def _(hand: Hand, m: Models) -> None:
    errand = hand.session.get(m.Errand, 2)
    errand.account = hand.session.get(m.Account, 900)
    hand.session.commit()
    hand.session.delete(hand.session.get(m.Account, 900))


@legitimate("tenant key: new rows of both tables", needs="tenant_keys")
def _(hand: Hand, m: Models) -> None:
    account = m.Account(name="own new", errands=[m.Errand(text="own new")])
    hand.session.add(account)
    hand.session.flush()
    assert account.errands[0].account_id == account.id
    assert getattr(account.errands[0], hand.key) == hand.mine


@legitimate(
    "tenant key: merge without the tenant in the key",
    needs="keys",
    then=(
        "SELECT percent, remark FROM acct_rate WHERE code = 'std' ORDER BY percent",
        [(20, "own merged"), (77019, "bravo standard")],
    ),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.merge(m.Rate(code="std", percent=20, remark="own merged"))


@legitimate(
    "tenant key: merge without the tenant in the key, of a loaded row",
    needs="keys",
    then=("SELECT percent FROM acct_rate WHERE code = 'std' ORDER BY percent", [(20,), (77019,)]),
)
def _(hand: Hand, m: Models) -> None:
    kept = hand.session.scalars(select(m.Rate).where(m.Rate.code == "std")).one()
    assert hand.session.merge(m.Rate(code="std", percent=20, remark="own")) is kept


@legitimate(
    "tenant key: merge of a row that is new",
    needs="keys",
    then=("SELECT percent, {key} FROM acct_rate WHERE code = 'new'", [(5, "{mine}")]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.merge(m.Rate(code="new", percent=5, remark="own"))


# A type that converts the tenant.

CONVERTED: Final[dict[str, Any]] = {
    "tenant": "own",
    "needs": "columns converts ambient",
    "why_not": {"policies": "the database compares the tenant as it is in the scope"},
}
PHONES = "SELECT id, name FROM acct_device ORDER BY id"


@legitimate(
    "converted tenant: a row read, changed and committed",
    then=(PHONES, [(1, "own x"), (401, "bravo phone")]),
    **CONVERTED,
)
def _(hand: Hand, m: Models) -> None:
    with hand.scope(str(MY_TOKEN)):
        device = hand.session.scalars(select(m.Device)).one()
        assert device.org_uuid == MY_TOKEN
        device.name = "own x"
        hand.session.commit()


@legitimate(
    "converted tenant: new rows, by a flush and by statements",
    then=(
        "SELECT name, org_uuid FROM acct_device WHERE id > 401 ORDER BY name",
        [(f"own {each}", MY_TOKEN.hex) for each in "abcd"],
    ),
    **CONVERTED,
)
def _(hand: Hand, m: Models) -> None:
    with hand.scope(str(MY_TOKEN)):
        hand.session.add(m.Device(name="own a"))
        hand.session.add(m.Device(name="own b", org_uuid=MY_TOKEN))
        hand.session.execute(m.Device.__table__.insert().values(name="own c"))
        hand.session.execute(m.Device.__table__.insert(), [{"name": "own d"}])
        hand.session.commit()


@legitimate(
    "converted tenant: an update and a delete",
    then=(PHONES, [(1, "own x"), (401, "bravo phone")]),
    **CONVERTED,
)
def _(hand: Hand, m: Models) -> None:
    with hand.scope(str(MY_TOKEN)):
        hand.session.add(m.Device(name="own new"))
        hand.session.flush()
        hand.session.execute(update(m.Device).values(name="own x"))
        device = m.Device.__table__
        hand.session.execute(device.delete().where(device.c.id > 1))
        hand.session.commit()
