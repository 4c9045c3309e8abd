"""Rows of everybody beside a tenant's own: read by all, written by none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, literal, null, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import aliased, joinedload, undefer
from sqlalchemy.orm.exc import StaleDataError

from tests.leaks.catalogue import path, reads, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models
from tests.leaks.shared_rows import EVERYBODY

NEEDS: dict[str, Any] = {"needs": "shared_rows"}
GONE = (StaleDataError, SAWarning)
"""What a session says of an UPDATE or DELETE that found no row."""

MODELS = ("Provider", "Template", "Offer", "Trial", "TrialNote")


def with_(given: Any, statement: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """Return ``statement`` for the models, with what the loop gives as its second argument."""
    return lambda m: statement(m, given)


def shared(m: Models, model: str) -> Any:
    """Return what stands for a tenant in the rows of everybody."""
    return null() if model == "Provider" else EVERYBODY


for _model in MODELS:
    reads(
        f"shared rows: SELECT, {_model}",
        with_(_model, lambda m, n: select(getattr(m, n).name)),
        **NEEDS,
    )
    reads(
        f"shared rows: SELECT from an alias, {_model}",
        with_(_model, lambda m, n: select(aliased(getattr(m, n), name="other").name)),
        **NEEDS,
    )
    reads(
        f"shared rows: SELECT from a subquery, {_model}",
        with_(_model, lambda m, n: select(select(getattr(m, n)).subquery().c.name)),
        **NEEDS,
    )
    reads(
        f"shared rows: outer join, {_model}",
        with_(
            _model,
            lambda m, n: select(m.Talk.name, getattr(m, n).name).outerjoin(
                getattr(m, n), literal(1) == 1
            ),
        ),
        **NEEDS,
    )
    reads(
        f"shared rows: full join, {_model}",
        with_(
            _model,
            lambda m, n: select(m.Talk.name, getattr(m, n).name).outerjoin(
                getattr(m, n), m.Talk.id == getattr(m, n).id, full=True
            ),
        ),
        only="sqlite postgresql",
        why="no FULL JOIN",
        **NEEDS,
    )
    reads(
        f"shared rows: full join in groups, {_model}",
        with_(
            _model,
            lambda m, n: (
                select(m.Customer.name, getattr(m, n).name)
                .outerjoin(getattr(m, n), m.Customer.id == getattr(m, n).id, full=True)
                .group_by(m.Customer.name, getattr(m, n).name)
            ),
        ),
        only="sqlite postgresql",
        why="no FULL JOIN",
        **NEEDS,
    )
    reads(
        f"shared rows: EXISTS, {_model}",
        with_(
            _model,
            lambda m, n: select(m.Customer.name, literal(1)).where(
                exists().where(getattr(m, n).name.like("bravo%")) | (m.Customer.id < 3)
            ),
        ),
        sees={("own ada", 1), ("own alan", 1)},
        **NEEDS,
    )
    writes(
        f"shared rows: UPDATE, {_model}",
        with_(_model, lambda m, n: update(getattr(m, n)).values(name="own new")),
        **NEEDS,
    )
    writes(
        f"shared rows: UPDATE by key, {_model}",
        with_(
            _model,
            lambda m, n: update(getattr(m, n)).where(getattr(m, n).id == 1).values(name="own"),
        ),
        **NEEDS,
    )
    writes(
        f"shared rows: DELETE, {_model}",
        with_(_model, lambda m, n: delete(getattr(m, n)).where(getattr(m, n).id == 3)),
        **NEEDS,
    )

for _model in ("Provider", "Template"):
    writes(
        f"shared rows: SET the tenant of everybody, {_model}",
        with_(_model, lambda m, n: update(getattr(m, n)).values({m.key: shared(m, n)})),
        **NEEDS,
    )
    writes(
        f"shared rows: SET the own tenant, {_model}",
        with_(
            _model,
            lambda m, n: update(getattr(m, n)).where(getattr(m, n).id == 1).values({m.key: m.mine}),
        ),
        **NEEDS,
    )
    writes(
        f"shared rows: INSERT, {_model}",
        with_(
            _model, lambda m, n: insert(getattr(m, n)).values({m.key: shared(m, n), "name": "own"})
        ),
        **NEEDS,
    )
    writes(
        f"shared rows: INSERT of several, {_model}",
        with_(
            _model,
            lambda m, n: insert(getattr(m, n)).values(
                [{m.key: shared(m, n), "name": "own"}, {m.key: m.mine, "name": "own"}]
            ),
        ),
        **NEEDS,
    )
    writes(
        f"shared rows: INSERT from SELECT, {_model}",
        with_(
            _model,
            lambda m, n: insert(getattr(m, n)).from_select(
                [m.key, "name"],
                select(
                    null() if n == "Provider" else literal(EVERYBODY).label("everybody"),
                    literal("own").label("name"),
                ),
            ),
        ),
        **NEEDS,
    )

    @path(f"shared rows: INSERT of parameters, {_model}", "write", **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        value = None if model == "Provider" else EVERYBODY
        rows = [{m.key: value, "name": "own"}, {m.key: value, "name": "own"}]
        hand.connection.execute(insert(getattr(m, model).__table__), rows)

    @path(f"shared rows: UPDATE of parameters, {_model}", "write", **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        value = None if model == "Provider" else EVERYBODY
        table = getattr(m, model).__table__
        statement = update(table).values({m.key: bindparam("given")})
        hand.connection.execute(statement, {"given": value})

    @path(f"shared rows: an upsert, {_model}", "write", **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        table, row = getattr(m, model).__table__, {"id": 1, m.key: m.mine, "name": "own"}
        if hand.database == "mariadb":
            statement: Any = mysql.insert(table).values(row).on_duplicate_key_update(name="own")
        else:
            dialect: Any = sqlite if hand.database == "sqlite" else postgresql
            statement = dialect.insert(table).values(row)
            statement = statement.on_conflict_do_update(index_elements=["id"], set_={"name": "own"})
        hand.session.execute(statement)

    @path(f"shared rows: a flushed change, {_model}", "write", errors=GONE, **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        hand.session.get(getattr(m, model), 1).name = "own"
        hand.session.flush()

    @path(
        f"shared rows: a flushed change of an expired object, {_model}",
        "write",
        errors=GONE,
        **NEEDS,
    )
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        found = hand.session.get(getattr(m, model), 1)
        hand.session.expire(found)
        setattr(found, m.key, m.mine)
        found.name = "own"
        hand.session.flush()

    @path(f"shared rows: a flushed change of the tenant, {_model}", "write", **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        found = hand.session.get(getattr(m, model), 2, options=[undefer("*")])
        setattr(found, m.key, None if model == "Provider" else EVERYBODY)
        hand.session.flush()

    @path(f"shared rows: a flushed deletion, {_model}", "write", errors=GONE, **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        hand.session.delete(hand.session.get(getattr(m, model), 3))
        hand.session.flush()

    @path(f"shared rows: a flushed new object, {_model}", "write", **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        hand.session.add(getattr(m, model)(**{m.key: shared(m, model), "name": "own"}))
        hand.session.flush()

    @path(f"shared rows: a bulk UPDATE by key, {_model}", "write", errors=GONE, **NEEDS)
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        hand.session.bulk_update_mappings(getattr(m, model), [{"id": 1, "name": "own"}])

    @path(
        f"shared rows: the tenant with the value of everybody, {_model}",
        "write",
        needs="shared_rows ambient",
        why_not={} if _model == "Template" else dict.fromkeys(("sync", "async"), "NULL is none"),
    )
    def _(hand: Hand, m: Models, model: str = _model) -> None:
        with hand.scope(EVERYBODY):
            statement = update(getattr(m, model)).where(getattr(m, model).id == 1)
            hand.session.execute(statement.values(name="own"))
            hand.session.commit()


# What is tied to a row of everybody would be everybody's.

for _name, _values in {
    "Offer": {"provider_id": 1},
    "Trial": {"provider_id": 1, "template_id": 2},
    "TrialNote": {"trial_id": 1},
}.items():
    writes(
        f"shared rows: INSERT of a row that is tied to one, {_name}",
        with_((_name, _values), lambda m, x: insert(getattr(m, x[0])).values(name="own", **x[1])),
        **(
            NEEDS | ({"harmless": "one of its parents is the caller's"} if _name == "Trial" else {})
        ),
    )
    writes(
        f"shared rows: SET of the tie, {_name}",
        with_(
            (_name, _values),
            lambda m, x: update(getattr(m, x[0])).where(getattr(m, x[0]).id == 2).values(**x[1]),
        ),
        **(
            NEEDS | ({"harmless": "one of its parents is the caller's"} if _name == "Trial" else {})
        ),
    )


@path("shared rows: a flushed object that is tied to one", "write", **NEEDS)
def _(hand: Hand, m: Models) -> None:
    provider = hand.session.get(m.Provider, 1)
    provider.offers.append(m.Offer(name="own"))
    hand.session.flush()


writes(
    "shared rows: INSERT from SELECT of rows that are tied to them",
    lambda m: insert(m.Offer).from_select(
        ["provider_id", "name"], select(m.Offer.provider_id, literal("own").label("name"))
    ),
    **NEEDS,
)
writes(
    "shared rows: an UPDATE that joins the parent",
    lambda m: (
        update(m.Offer)
        .where(m.Offer.provider_id == m.Provider.id, m.Provider.name != "x")
        .values(name="own")
    ),
    **NEEDS,
)
writes(
    "shared rows: a reference to another tenant's row beside them",
    lambda m: insert(m.Talk).values({m.key: m.mine, "name": "own", "provider_id": 401}),
    **NEEDS,
)


@path("shared rows: a joined relationship", "read", **NEEDS)
def _(hand: Hand, m: Models) -> Any:
    talks = hand.session.scalars(select(m.Talk).options(joinedload(m.Talk.provider))).unique()
    return [(each.name, each.provider and each.provider.name) for each in talks]


@path(
    "shared rows: a collection of one that another tenant's scope has loaded",
    "read",
    needs="shared_rows ambient",
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        shared = hand.session.get(m.Provider, 1)
        assert [each.name for each in shared.talks][-1] == "bravo talk"
    return [each.name for each in hand.session.get(m.Provider, 1).talks]
