"""Joins of every kind and nesting."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, func, join, lateral, outerjoin, select, true
from sqlalchemy.orm import Session, aliased

from ..schema import Fleet, Harbour, Sailor, Stop, Vessel, Voyage, boarding, remark, table_of
from .catalogue import cartesian, statement

fleet, vessel, harbour = table_of(Fleet), table_of(Vessel), table_of(Harbour)
voyage, sailor, stop = table_of(Voyage), table_of(Sailor), table_of(Stop)


@statement()
def inner_join(session: Session) -> Any:
    return session.execute(select(Fleet.id, Vessel.id).join(Fleet.vessels))


@statement()
def left_join_keeps_outer_rows(session: Session) -> Any:
    return session.execute(
        select(Fleet.id, Vessel.id).outerjoin(Vessel, Fleet.id == Vessel.fleet_id)
    )


@statement()
def left_join_of_a_row_that_refers_to_another_tenant(session: Session) -> Any:
    return session.execute(select(Vessel.id, Fleet.name).outerjoin(Vessel.fleet))


@statement()
def left_join_with_a_condition_on_the_nullable_side(session: Session) -> Any:
    on = and_(Vessel.fleet_id == Fleet.id, Vessel.tonnage > 2)
    return session.execute(select(Fleet.id, Vessel.id).outerjoin(Vessel, on))


@statement()
def left_join_from_a_shared_table(session: Session) -> Any:
    return session.execute(select(Harbour.name, Fleet.id).outerjoin(Harbour.fleets))


@statement()
def left_join_that_finds_nothing(session: Session) -> Any:
    return session.execute(
        select(Harbour.name, Fleet.id)
        .outerjoin(Fleet, Fleet.harbour_id == Harbour.id)
        .where(Fleet.id.is_(None))
    )


@statement()
def left_join_on_true(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, Fleet.id, Vessel.id)
        .select_from(Harbour)
        .outerjoin(Fleet, true())
        .outerjoin(Vessel, Vessel.name == Fleet.name)
    )


@statement()
def chain_of_left_joins(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, Fleet.id, Vessel.id, Voyage.id, Stop.id)
        .outerjoin(Harbour.fleets)
        .outerjoin(Fleet.vessels)
        .outerjoin(Vessel.voyages)
        .outerjoin(Voyage.stops)
    )


@statement()
def inner_join_after_a_left_join(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, Fleet.id, Vessel.id).outerjoin(Harbour.fleets).join(Fleet.vessels)
    )


@statement()
def inner_join_nested_in_the_right_side_of_a_left_join(session: Session) -> Any:
    nested = join(vessel, voyage, vessel.c.id == voyage.c.vessel_id)
    source = outerjoin(harbour, nested, voyage.c.harbour_id == harbour.c.id)
    return session.execute(select(harbour.c.id, vessel.c.id, voyage.c.id).select_from(source))


@statement()
def left_join_nested_in_the_right_side_of_a_left_join(session: Session) -> Any:
    nested = outerjoin(fleet, vessel, fleet.c.id == vessel.c.fleet_id)
    source = outerjoin(harbour, nested, fleet.c.harbour_id == harbour.c.id)
    return session.execute(select(harbour.c.id, fleet.c.id, vessel.c.id).select_from(source))


@statement()
def left_join_nested_in_the_right_side_of_an_inner_join(session: Session) -> Any:
    nested = outerjoin(vessel, voyage, voyage.c.vessel_id == vessel.c.id)
    source = join(fleet, nested, vessel.c.fleet_id == fleet.c.id)
    return session.execute(select(fleet.c.id, vessel.c.id, voyage.c.id).select_from(source))


@statement()
def three_levels_of_nested_joins(session: Session) -> Any:
    deepest = join(voyage, stop, stop.c.voyage_id == voyage.c.id)
    middle = outerjoin(vessel, deepest, voyage.c.vessel_id == vessel.c.id)
    source = outerjoin(harbour, middle, voyage.c.harbour_id == harbour.c.id)
    return session.execute(select(harbour.c.id, vessel.c.id, stop.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join(session: Session) -> Any:
    source = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    return session.execute(select(fleet.c.id, vessel.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_a_shared_table(session: Session) -> Any:
    source = join(harbour, fleet, fleet.c.harbour_id == harbour.c.id, full=True)
    return session.execute(select(harbour.c.id, fleet.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_entities(session: Session) -> Any:
    return session.execute(
        select(Fleet, Vessel).join(Vessel, Vessel.fleet_id == Fleet.id, full=True)
    )


@statement("sqlite", "postgresql")
def full_join_of_aliases(session: Session) -> Any:
    one, two = vessel.alias(), vessel.alias("two")
    source = join(one, two, one.c.id == two.c.parent_id, full=True)
    return session.execute(select(one.c.id, two.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_a_tied_table(session: Session) -> Any:
    source = join(harbour, voyage, voyage.c.harbour_id == harbour.c.id, full=True)
    return session.execute(select(harbour.c.id, voyage.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_a_tied_table_with_its_parent(session: Session) -> Any:
    source = join(vessel, voyage, voyage.c.vessel_id == vessel.c.id, full=True)
    return session.execute(select(vessel.c.id, voyage.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_a_table_in_a_schema(session: Session) -> Any:
    source = join(vessel, remark, remark.c.vessel_id == vessel.c.id, full=True)
    return session.execute(select(vessel.c.id, remark.c.id, remark.c.whose).select_from(source))


@statement("sqlite", "postgresql")
def full_join_of_joins(session: Session) -> Any:
    left = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id)
    right = outerjoin(harbour, voyage, voyage.c.harbour_id == harbour.c.id)
    source = join(left, right, voyage.c.vessel_id == vessel.c.id, full=True)
    return session.execute(select(fleet.c.id, vessel.c.id, voyage.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_and_then_a_left_join(session: Session) -> Any:
    full = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    source = outerjoin(full, voyage, voyage.c.vessel_id == vessel.c.id)
    return session.execute(select(fleet.c.id, vessel.c.id, voyage.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_with_an_order_and_a_condition(session: Session) -> Any:
    source = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    return session.execute(
        select(fleet, vessel)
        .select_from(source)
        .where(func.coalesce(fleet.c.size, vessel.c.tonnage) > 1)
        .order_by(fleet.c.name, vessel.c.id)
    )


@statement()
def self_join(session: Session) -> Any:
    other = aliased(Vessel)
    return session.execute(select(Vessel.id, other.id).join(other, other.name == Vessel.name))


@statement()
def self_left_join_along_a_relationship(session: Session) -> Any:
    parent = aliased(Vessel, name="above")
    return session.execute(select(Vessel.id, parent.id).outerjoin(Vessel.parent.of_type(parent)))


@statement()
def grandparents(session: Session) -> Any:
    one, two = aliased(Vessel), aliased(Vessel)
    return session.execute(
        select(Vessel.id, one.id, two.id)
        .join(Vessel.parent.of_type(one))
        .outerjoin(one.parent.of_type(two))
    )


@statement()
def implicit_cross_join(session: Session) -> Any:
    return session.execute(select(Fleet.id, Vessel.id).where(Fleet.id == Vessel.fleet_id))


@statement()
def cross_join_without_any_condition(session: Session) -> Any:
    with cartesian():
        return session.execute(select(Fleet.id, Harbour.id, Sailor.id)).all()


@statement()
def cross_join_beside_a_left_join(session: Session) -> Any:
    source = outerjoin(harbour, fleet, fleet.c.harbour_id == harbour.c.id)
    with cartesian():
        return session.execute(select(fleet.c.id, vessel.c.id).select_from(source, vessel)).all()


@statement()
def many_to_many_join(session: Session) -> Any:
    return session.execute(select(Vessel.id, Sailor.name).join(Vessel.crew))


@statement()
def many_to_many_left_join(session: Session) -> Any:
    return session.execute(select(Vessel.id, Sailor.name).outerjoin(Vessel.crew))


@statement()
def association_table_between_its_parents(session: Session) -> Any:
    source = join(vessel, boarding, boarding.c.vessel_id == vessel.c.id).join(
        sailor, boarding.c.sailor_id == sailor.c.id
    )
    return session.execute(select(vessel.c.id, sailor.c.id).select_from(source))


@statement()
def association_table_joined_to_one_parent_only(session: Session) -> Any:
    return session.execute(
        select(vessel.c.id, boarding.c.sailor_id).join_from(
            vessel, boarding, boarding.c.vessel_id == vessel.c.id
        )
    )


@statement()
def join_to_a_subquery(session: Session) -> Any:
    counted = select(Vessel.fleet_id, func.count().label("n")).group_by(Vessel.fleet_id).subquery()
    return session.execute(
        select(Fleet.id, counted.c.n).outerjoin(counted, counted.c.fleet_id == Fleet.id)
    )


@statement()
def join_from_a_subquery(session: Session) -> Any:
    big = select(Vessel).where(Vessel.tonnage > 2).subquery()
    return session.execute(
        select(big.c.id, Voyage.id).join_from(big, Voyage, Voyage.vessel_id == big.c.id)
    )


@statement()
def join_of_two_subqueries(session: Session) -> Any:
    one = select(vessel.c.name, func.max(vessel.c.id).label("top")).group_by(vessel.c.name)
    two = select(sailor.c.name, func.min(sailor.c.id).label("low")).group_by(sailor.c.name)
    left, right = one.subquery(), two.subquery()
    return session.execute(
        select(left.c.top, right.c.low).join_from(
            left, right, left.c.top == right.c.low, isouter=True
        )
    )


@statement("postgresql")
def lateral_join(session: Session) -> Any:
    last = (
        select(Voyage.id.label("last"))
        .where(Voyage.vessel_id == Vessel.id)
        .order_by(Voyage.id.desc())
        .limit(1)
        .lateral()
    )
    return session.execute(select(Vessel.id, last.c.last).join(last, true()))


@statement("postgresql")
def lateral_left_join_of_a_table_named_twice(session: Session) -> Any:
    inner = vessel.alias()
    best = lateral(
        select(func.max(inner.c.tonnage).label("most")).where(inner.c.fleet_id == fleet.c.id)
    )
    return session.execute(
        select(fleet.c.id, best.c.most).select_from(outerjoin(fleet, best, true()))
    )


@statement("postgresql")
def lateral_in_an_implicit_cross_join(session: Session) -> Any:
    near = select(Sailor.id.label("who")).where(Sailor.fleet_id == Fleet.id).lateral("near")
    return session.execute(select(Fleet.id, near.c.who))


@statement()
def join_on_an_exists(session: Session) -> Any:
    on = and_(
        Vessel.fleet_id == Fleet.id,
        select(Voyage.id).where(Voyage.vessel_id == Vessel.id).correlate(Vessel).exists(),
    )
    return session.execute(select(Fleet.id, Vessel.id).outerjoin(Vessel, on))


@statement()
def join_of_tables_with_conditions_in_or(session: Session) -> Any:
    on = (Vessel.fleet_id == Fleet.id) | (Vessel.name == Fleet.name)
    return session.execute(select(Fleet.id, Vessel.id).outerjoin(Vessel, on))


@statement()
def tied_table_left_joined_to_its_parent(session: Session) -> Any:
    return session.execute(select(Voyage.id, Vessel.id).outerjoin(Voyage.vessel))


@statement()
def parent_left_joined_to_its_tied_table(session: Session) -> Any:
    return session.execute(select(Vessel.id, Voyage.id).outerjoin(Vessel.voyages))


@statement()
def tied_table_joined_to_its_parent_by_or(session: Session) -> Any:
    on = (Voyage.vessel_id == Vessel.id) | (Voyage.days > 2)
    return session.execute(select(Vessel.id, Voyage.id).join(Voyage, on))


@statement()
def tied_table_joined_to_its_parent_by_not(session: Session) -> Any:
    return session.execute(select(Vessel.id, Voyage.id).join(Voyage, Voyage.vessel_id != Vessel.id))


@statement("sqlite", "postgresql")
def full_join_inside_a_subquery(session: Session) -> Any:
    other = vessel.alias()
    full = join(vessel, other, vessel.c.name == other.c.name, full=True)
    inner = select(vessel.c.id.label("one"), other.c.id.label("two")).select_from(full).subquery()
    return session.execute(select(inner.c.one, inner.c.two))


@statement("postgresql")
def full_join_inside_a_lateral(session: Session) -> Any:
    full = join(vessel, voyage, vessel.c.id == voyage.c.vessel_id, full=True)
    inner = (
        select(func.count().label("n"))
        .select_from(full)
        .where(vessel.c.fleet_id == fleet.c.id)
        .lateral()
    )
    return session.execute(select(fleet.c.id, inner.c.n).join(inner, true()))


@statement("sqlite", "postgresql")
def full_join_inside_a_cte(session: Session) -> Any:
    full = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    inner = select(fleet.c.id.label("one"), vessel.c.id.label("two")).select_from(full).cte()
    one, two = inner.alias(), inner.alias()
    return session.execute(select(one.c.one, two.c.two).join_from(one, two, one.c.two == two.c.two))


@statement("sqlite", "postgresql")
def full_join_grouped_by_the_primary_key(session: Session) -> Any:
    full = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    return session.execute(
        select(fleet.c.id, fleet.c.name, func.count(vessel.c.id))
        .select_from(full)
        .group_by(fleet.c.id)
    )


@statement("sqlite", "postgresql")
def full_join_nested_in_the_right_side_of_a_left_join(session: Session) -> Any:
    full = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    source = outerjoin(harbour, full, fleet.c.harbour_id == harbour.c.id)
    return session.execute(select(harbour.c.id, fleet.c.id, vessel.c.id).select_from(source))


@statement("sqlite", "postgresql")
def full_join_inside_an_exists(session: Session) -> Any:
    full = join(fleet, vessel, fleet.c.id == vessel.c.fleet_id, full=True)
    inner = select(vessel.c.id).select_from(full).where(fleet.c.harbour_id == harbour.c.id)
    return session.execute(select(harbour.c.id).where(inner.exists()))
