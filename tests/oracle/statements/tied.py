"""Tables that belong to a tenant by a foreign key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from ..schema import (
    Bill,
    Document,
    Harbour,
    Permit,
    Sailor,
    Stop,
    Vessel,
    Voyage,
    boarding,
    table_of,
)
from .catalogue import cartesian, statement

bill, permit = table_of(Bill), table_of(Permit)


@statement()
def tied_table_alone(session: Session) -> Any:
    return session.execute(select(Voyage.id, Voyage.vessel_id))


@statement()
def table_tied_to_a_tied_table(session: Session) -> Any:
    return session.execute(select(Stop.id, Stop.voyage_id))


@statement()
def alias_of_a_tied_table(session: Session) -> Any:
    one, two = aliased(Voyage), aliased(Voyage)
    return session.execute(
        select(one.id, two.id).outerjoin(two, and_(two.days == one.days, two.id > one.id))
    )


@statement()
def association_table_alone(session: Session) -> Any:
    return session.execute(select(boarding))


@statement()
def association_table_in_a_left_join_from_a_shared_table(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, boarding.c.vessel_id).join_from(
            Harbour, boarding, boarding.c.sailor_id == Harbour.id, isouter=True
        )
    )


@statement()
def joined_child_alone(session: Session) -> Any:
    return session.execute(select(bill))


@statement()
def joined_children_side_by_side(session: Session) -> Any:
    with cartesian():
        return session.execute(select(bill.c.id, permit.c.id)).all()


@statement()
def tied_table_on_the_nullable_side(session: Session) -> Any:
    return session.execute(select(Harbour.id, Voyage.id).outerjoin(Harbour.voyages))


@statement()
def twice_tied_table_on_the_nullable_side(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, Stop.id).outerjoin(Stop, Stop.voyage_id == Harbour.id)
    )


@statement()
def tied_table_joined_to_its_parent_under_another_name(session: Session) -> Any:
    owner = aliased(Vessel)
    return session.execute(select(Voyage.id, owner.name).join(Voyage.vessel.of_type(owner)))


@statement()
def tied_table_joined_to_a_parent_that_may_be_missing(session: Session) -> Any:
    owner = aliased(Vessel)
    return session.execute(
        select(Vessel.id, owner.id, Voyage.id)
        .outerjoin(owner, owner.id == Vessel.parent_id)
        .join(Voyage, or_(Voyage.vessel_id == owner.id, owner.id.is_(None)))
    )


@statement()
def tied_table_joined_to_its_grandparent_only(session: Session) -> Any:
    return session.execute(select(Vessel.id, Stop.id).join_from(Vessel, Stop, Stop.id == Vessel.id))


@statement()
def tied_table_in_where_with_the_parent_on_the_nullable_side(session: Session) -> Any:
    return session.execute(
        select(Vessel.id, Voyage.id)
        .join_from(Voyage, Vessel, Vessel.tonnage > 4, isouter=True)
        .where(Voyage.vessel_id == Vessel.id)
    )


@statement()
def parent_in_the_outer_query_only(session: Session) -> Any:
    count = (
        select(func.count(Voyage.id))
        .where(Voyage.vessel_id == Vessel.id)
        .correlate(Vessel)
        .scalar_subquery()
    )
    return session.execute(select(Vessel.id, count))


@statement()
def parent_of_another_tenant_by_its_key(session: Session) -> Any:
    return session.execute(select(Voyage.id).where(Voyage.vessel_id.in_([101, 102, 201, 1])))


@statement()
def tied_table_in_a_subquery_joined_outside(session: Session) -> Any:
    trips = select(Voyage.vessel_id, Voyage.days).subquery()
    return session.execute(
        select(trips.c.days, Vessel.id).outerjoin(Vessel, Vessel.id == trips.c.vessel_id)
    )


@statement()
def association_of_both_parents_in_where(session: Session) -> Any:
    return session.execute(
        select(Vessel.id, Sailor.id).where(
            Vessel.id == boarding.c.vessel_id, Sailor.id == boarding.c.sailor_id
        )
    )


@statement()
def association_of_one_parent_and_a_left_join_to_the_other(session: Session) -> Any:
    return session.execute(
        select(boarding.c.vessel_id, boarding.c.sailor_id, Sailor.id, Vessel.id)
        .join_from(boarding, Vessel, Vessel.id == boarding.c.vessel_id)
        .outerjoin(Sailor, Sailor.id == boarding.c.sailor_id)
    )


@statement()
def joined_child_left_joined_from_another_table(session: Session) -> Any:
    return session.execute(
        select(Vessel.id, Bill.id, Bill.amount).outerjoin(Bill, Bill.vessel_id == Vessel.id)
    )


@statement()
def joined_child_that_is_joined_to_its_base_by_hand(session: Session) -> Any:
    document = table_of(Document)
    return session.execute(
        select(document.c.id, bill.c.amount).join_from(
            document, bill, bill.c.id == document.c.id, isouter=True
        )
    )
