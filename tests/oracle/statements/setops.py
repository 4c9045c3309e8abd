"""Set operations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import except_, func, intersect, literal, select, union, union_all
from sqlalchemy.orm import Session, aliased

from ..schema import Fleet, Harbour, Sailor, Vessel, Voyage, boarding
from .catalogue import statement


@statement()
def union_of_two_tables(session: Session) -> Any:
    return session.execute(union(select(Fleet.name), select(Vessel.name)))


@statement()
def union_all_of_a_tenants_and_a_shared_table(session: Session) -> Any:
    return session.execute(
        union_all(select(Fleet.id, Fleet.name), select(Harbour.id, Harbour.name))
    )


@statement()
def intersection(session: Session) -> Any:
    return session.execute(intersect(select(Vessel.fleet_id), select(Sailor.fleet_id)))


@statement()
def difference(session: Session) -> Any:
    return session.execute(except_(select(Harbour.id), select(Fleet.harbour_id)))


@statement()
def difference_of_tied_tables(session: Session) -> Any:
    return session.execute(except_(select(Vessel.id), select(Voyage.vessel_id)))


@statement()
def union_of_three_with_order_and_limit(session: Session) -> Any:
    three = union(
        select(Fleet.name.label("name")),
        select(Vessel.name),
        select(Sailor.name),
    )
    return session.execute(three.order_by("name").limit(4).offset(1))


@statement()
def union_as_a_subquery(session: Session) -> Any:
    both = union_all(
        select(Vessel.id, literal("v").label("what")), select(Sailor.id, literal("s"))
    ).subquery()
    return session.execute(select(both.c.what, func.count()).group_by(both.c.what))


@statement()
def union_as_an_entity(session: Session) -> Any:
    both = union_all(
        select(Vessel).where(Vessel.tonnage < 3), select(Vessel).where(Vessel.tonnage > 6)
    ).subquery()
    either = aliased(Vessel, both)
    return session.scalars(select(either).order_by(either.id))


@statement()
def entities_from_a_union(session: Session) -> Any:
    both = select(Vessel).where(Vessel.id < 3).union_all(select(Vessel).where(Vessel.id > 10))
    return session.scalars(select(Vessel).from_statement(both))


@statement()
def union_of_joins_and_aggregates(session: Session) -> Any:
    return session.execute(
        union_all(
            select(Fleet.name, func.count(Vessel.id)).outerjoin(Fleet.vessels).group_by(Fleet.name),
            select(Sailor.name, func.count()).group_by(Sailor.name),
        )
    )


@statement("sqlite", "postgresql")
def union_in_a_correlated_exists(session: Session) -> Any:
    either = union(
        select(Vessel.id).where(Vessel.fleet_id == Fleet.id).correlate(Fleet),
        select(Sailor.id).where(Sailor.fleet_id == Fleet.id).correlate(Fleet),
    )
    return session.execute(select(Fleet.id).where(~either.exists()))


@statement()
def legacy_query_union(session: Session) -> Any:
    one = session.query(Vessel).filter(Vessel.id < 3)
    return one.union(session.query(Vessel).filter(Vessel.name == "v1")).all()


@statement()
def union_of_an_association_table(session: Session) -> Any:
    return session.execute(
        union(select(boarding.c.vessel_id), select(Vessel.parent_id), select(boarding.c.sailor_id))
    )


@statement("postgresql")
def union_of_grouped_unions(session: Session) -> Any:
    left = except_(select(Vessel.id), select(Voyage.vessel_id))
    right = intersect(select(Vessel.id), select(Sailor.id))
    return session.execute(union_all(left, right))
