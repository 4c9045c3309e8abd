"""A table with rows of everybody, and one that is tied to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from ..schema import Fleet, Harbour, Levy, Tariff, Voyage, table_of
from .catalogue import statement

tariff = table_of(Tariff)


@statement()
def own_rows_and_those_of_everybody(session: Session) -> Any:
    return session.execute(select(tariff))


@statement()
def rows_tied_to_them(session: Session) -> Any:
    return session.execute(select(Levy.id, Levy.amount))


@statement()
def collections_of_rows_of_everybody(session: Session) -> Any:
    return session.scalars(select(Tariff).options(selectinload(Tariff.levies))).all()


@statement()
def a_parent_of_everybody(session: Session) -> Any:
    return session.scalars(select(Levy).options(joinedload(Levy.tariff))).all()


@statement()
def left_join_to_rows_of_everybody(session: Session) -> Any:
    return session.execute(
        select(Fleet.id, Tariff.id, Tariff.rate).outerjoin(
            Tariff, and_(Tariff.harbour_id == Fleet.harbour_id, Tariff.rate.is_not(None))
        )
    )


@statement("sqlite", "postgresql")
def full_join_of_rows_of_everybody(session: Session) -> Any:
    one, two = aliased(Tariff), aliased(Levy)
    return session.execute(
        select(one.id, two.id).join_from(one, two, one.id == two.tariff_id, full=True)
    )


@statement()
def sums_over_rows_of_everybody(session: Session) -> Any:
    return session.execute(
        select(Tariff.tenant_id, func.count(), func.sum(Levy.amount))
        .join(Levy)
        .group_by(Tariff.tenant_id)
    )


@statement()
def shared_rows_without_any_of_everybody(session: Session) -> Any:
    return session.scalars(
        select(Harbour.id).where(~exists().where(Tariff.harbour_id == Harbour.id))
    )


@statement(writes=True)
def an_update_by_rows_of_everybody(session: Session) -> Any:
    cheapest = select(func.min(Tariff.rate)).where(Tariff.harbour_id == Voyage.harbour_id)
    made = table_of(Voyage).update().values(cost=cheapest.scalar_subquery())
    return session.connection().execute(made).rowcount
