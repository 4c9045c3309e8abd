"""Rows of everybody: every tenant reads them and refers to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import joinedload

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NEEDS: dict[str, Any] = {"needs": "shared_rows"}


def talks(*rows: tuple[object, ...]) -> dict[str, Any]:
    return {
        "then": (
            "SELECT {key}, provider_id, template_id FROM acct_talk WHERE id > 900 ORDER BY id",
            list(rows),
        )
    }


@legitimate("shared rows: read beside the own", **NEEDS)
def _(hand: Hand, m: Models) -> None:
    for model in (m.Provider, m.Template, m.Offer, m.Trial, m.TrialNote):
        found = hand.session.scalars(select(model.id).order_by(model.id)).all()
        assert found == [1, 2, 3, 900], (model, found)


@legitimate("shared rows: a reference, Core", **NEEDS, **talks(("{mine}", 1, 1)))
def _(hand: Hand, m: Models) -> None:
    row = {m.key: m.mine, "name": "own", "provider_id": 1, "template_id": 1}
    hand.session.execute(insert(m.Talk).values(row))


@legitimate("shared rows: a reference, flushed", **NEEDS, **talks(("{mine}", 1, 1)))
def _(hand: Hand, m: Models) -> None:
    provider = hand.session.get(m.Provider, 1)
    talk = m.Talk(**{m.key: m.mine, "name": "own", "template_id": 1}, provider=provider)
    hand.session.add(talk)
    hand.session.commit()
    assert talk.provider.name == "anyone's provider"


@legitimate(
    "shared rows: a reference by a subquery", needs="shared_rows", **talks(("{mine}", 1, None))
)
def _(hand: Hand, m: Models) -> None:
    found = select(m.Provider.id).where(m.Provider.id == 1).scalar_subquery()
    hand.session.execute(
        insert(m.Talk).values({m.key: m.mine, "name": "own", "provider_id": found})
    )


@legitimate("shared rows: loaded by relationships", **NEEDS)
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Talk).options(joinedload(m.Talk.provider)).order_by(m.Talk.id)
    found = hand.session.scalars(statement).all()
    assert [each.provider.id for each in found] == [1, 2]
    assert [each.id for each in found[0].provider.offers] == [1, 3]


@legitimate(
    "shared rows: the own are written",
    **NEEDS,
    then=(
        "SELECT name FROM acct_provider WHERE id IN (1, 2) ORDER BY id",
        [("anyone's provider",), ("own new",)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.get(m.Provider, 2).name = "own new"
    hand.session.flush()
    hand.session.execute(update(m.Offer).where(m.Offer.id == 2).values(name="own new"))
