"""Subqueries in every position."""

from __future__ import annotations

from typing import Any

from sqlalchemy import all_, any_, case, exists, func, literal, not_, select, tuple_
from sqlalchemy.orm import Session, aliased

from ..schema import Fleet, Harbour, Sailor, Stop, Vessel, Voyage, boarding, remark
from .catalogue import statement


@statement()
def scalar_subquery_in_the_columns(session: Session) -> Any:
    most = select(func.max(Vessel.tonnage)).scalar_subquery()
    return session.execute(select(Fleet.id, most))


@statement()
def correlated_scalar_subquery_in_the_columns(session: Session) -> Any:
    count = select(func.count(Vessel.id)).where(Vessel.fleet_id == Fleet.id).scalar_subquery()
    return session.execute(select(Fleet.id, count))


@statement()
def scalar_subquery_without_an_outer_table(session: Session) -> Any:
    return session.execute(select(select(func.count()).select_from(Vessel).scalar_subquery()))


@statement()
def scalar_subquery_over_a_shared_table(session: Session) -> Any:
    count = select(func.count(Fleet.id)).where(Fleet.harbour_id == Harbour.id).scalar_subquery()
    return session.execute(select(Harbour.name, count))


@statement()
def subquery_inside_a_case(session: Session) -> Any:
    has = exists().where(Voyage.vessel_id == Vessel.id)
    return session.execute(select(Vessel.id, case((has, "sails"), else_="rests")))


@statement()
def subquery_in_an_arithmetic_expression(session: Session) -> Any:
    least = select(func.min(Vessel.tonnage)).scalar_subquery()
    return session.execute(select(Vessel.id, Vessel.tonnage - least))


@statement()
def uncorrelated_subquery_in_where(session: Session) -> Any:
    average = select(func.avg(Vessel.tonnage)).scalar_subquery()
    return session.execute(select(Vessel.id).where(Vessel.tonnage > average))


@statement()
def correlated_subquery_in_where(session: Session) -> Any:
    other = aliased(Vessel)
    most = (
        select(func.max(other.tonnage)).where(other.fleet_id == Vessel.fleet_id).scalar_subquery()
    )
    return session.execute(select(Vessel.id).where(Vessel.tonnage == most))


@statement()
def subquery_in_having(session: Session) -> Any:
    few = select(func.count(Fleet.id) / 3).scalar_subquery()
    return session.execute(
        select(Vessel.fleet_id, func.count()).group_by(Vessel.fleet_id).having(func.count() >= few)
    )


@statement()
def exists_in_having(session: Session) -> Any:
    has = exists().where(Sailor.fleet_id == Vessel.fleet_id).correlate(Vessel)
    return session.execute(
        select(Vessel.fleet_id, func.count()).group_by(Vessel.fleet_id).having(has)
    )


@statement()
def subquery_in_order_by_with_a_limit(session: Session) -> Any:
    count = select(func.count(Voyage.id)).where(Voyage.vessel_id == Vessel.id).scalar_subquery()
    return session.execute(select(Vessel.id).order_by(count.desc(), Vessel.id).limit(3))


@statement()
def subquery_in_group_by(session: Session) -> Any:
    count = (
        select(func.count(Voyage.id))
        .where(Voyage.vessel_id == Vessel.id)
        .scalar_subquery()
        .label("trips")
    )
    inner = select(Vessel.id, count).subquery()
    return session.execute(select(inner.c.trips, func.count()).group_by(inner.c.trips))


@statement()
def correlated_exists(session: Session) -> Any:
    return session.execute(
        select(Fleet.id).where(select(Vessel.id).where(Vessel.fleet_id == Fleet.id).exists())
    )


@statement()
def correlated_not_exists(session: Session) -> Any:
    return session.execute(
        select(Fleet.id).where(~select(Vessel.id).where(Vessel.fleet_id == Fleet.id).exists())
    )


@statement()
def not_exists_of_a_row_that_only_others_have(session: Session) -> Any:
    return session.execute(
        select(Harbour.id).where(not_(exists().where(Fleet.harbour_id == Harbour.id)))
    )


@statement()
def uncorrelated_exists(session: Session) -> Any:
    return session.execute(
        select(Harbour.id).where(exists(select(Vessel.id).where(Vessel.name == "v9")))
    )


@statement()
def exists_of_a_tied_table(session: Session) -> Any:
    return session.execute(
        select(Harbour.id).where(exists().where(Voyage.harbour_id == Harbour.id))
    )


@statement()
def exists_of_an_association_table(session: Session) -> Any:
    return session.execute(
        select(Sailor.id).where(~exists().where(boarding.c.sailor_id == Sailor.id))
    )


@statement()
def exists_two_levels_deep_correlated_to_the_outermost(session: Session) -> Any:
    inner = (
        select(Voyage.id)
        .where(Voyage.vessel_id == Vessel.id, Voyage.harbour_id == Harbour.id)
        .correlate(Vessel, Harbour)
        .exists()
    )
    outer = select(Vessel.id).where(inner).correlate(Harbour).exists()
    return session.execute(select(Harbour.id).where(outer))


@statement()
def in_a_subquery(session: Session) -> Any:
    return session.execute(
        select(Vessel.id).where(Vessel.fleet_id.in_(select(Fleet.id).where(Fleet.size > 1)))
    )


@statement()
def not_in_a_subquery(session: Session) -> Any:
    return session.execute(
        select(Fleet.id).where(
            Fleet.id.not_in(select(Vessel.fleet_id).where(Vessel.fleet_id.is_not(None)))
        )
    )


@statement()
def not_in_a_subquery_with_nulls(session: Session) -> Any:
    return session.execute(select(Fleet.id).where(Fleet.id.not_in(select(Vessel.fleet_id))))


@statement()
def tuple_in_a_subquery(session: Session) -> Any:
    wanted = select(Sailor.fleet_id, Sailor.name)
    return session.execute(
        select(Vessel.id).where(tuple_(Vessel.fleet_id, Vessel.name).not_in(wanted))
    )


@statement("postgresql", "mariadb")
def any_and_all_of_a_subquery(session: Session) -> Any:
    lengths = select(Stop.hours).where(Stop.hours.is_not(None)).scalar_subquery()
    return session.execute(
        select(Vessel.id).where(Vessel.tonnage >= all_(lengths), Vessel.tonnage > any_(lengths))
    )


@statement()
def subquery_of_a_subquery(session: Session) -> Any:
    one = select(Vessel.id, Vessel.fleet_id).where(Vessel.tonnage.is_not(None)).subquery()
    two = select(one.c.fleet_id, func.count().label("n")).group_by(one.c.fleet_id).subquery()
    return session.execute(select(two.c.n, func.count()).group_by(two.c.n))


@statement()
def subquery_with_a_limit_inside(session: Session) -> Any:
    first = select(Vessel.id, Vessel.name).order_by(Vessel.id.desc()).limit(3).subquery()
    return session.execute(select(first.c.name, first.c.id))


@statement()
def same_subquery_twice(session: Session) -> Any:
    named = select(Vessel.name, Vessel.id).subquery()
    other = named.alias()
    return session.execute(select(named.c.id, other.c.id).where(named.c.name == other.c.name))


@statement()
def entity_from_a_subquery(session: Session) -> Any:
    inner = select(Vessel).where(Vessel.tonnage > 2).subquery()
    heavy = aliased(Vessel, inner)
    return session.scalars(select(heavy).order_by(heavy.id))


@statement()
def count_of_a_subquery(session: Session) -> Any:
    return session.scalar(
        select(func.count()).select_from(select(Vessel.name).distinct().subquery())
    )


@statement()
def subquery_of_everything_as_literals(session: Session) -> Any:
    ones = select(literal(1).label("one")).select_from(Vessel).subquery()
    return session.execute(select(func.sum(ones.c.one)))


@statement()
def subquery_in_a_function(session: Session) -> Any:
    best = select(func.max(Voyage.cost)).where(Voyage.vessel_id == Vessel.id).scalar_subquery()
    return session.execute(select(Vessel.id, func.coalesce(best, -1)))


@statement()
def subquery_in_between(session: Session) -> Any:
    low = select(func.min(Vessel.tonnage)).scalar_subquery()
    high = select(func.max(Vessel.tonnage) - 1).scalar_subquery()
    return session.execute(select(Vessel.id).where(Vessel.tonnage.between(low, high)))


@statement()
def subquery_of_a_table_in_a_schema(session: Session) -> Any:
    body = select(func.max(remark.c.body)).where(remark.c.vessel_id == Vessel.id)
    return session.execute(select(Vessel.id, body.correlate(Vessel).scalar_subquery()))


@statement()
def subquery_in_a_limit_free_in_of_a_union(session: Session) -> Any:
    either = select(Vessel.fleet_id).union(select(Sailor.fleet_id))
    return session.execute(select(Fleet.id).where(Fleet.id.in_(either)))
