"""Single-table, joined and concrete inheritance."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased, joinedload, selectin_polymorphic, with_polymorphic

from ..schema import Bill, ColdDepot, Cook, Depot, Document, Fleet, Officer, Permit, Sailor, Vessel
from .catalogue import statement


@statement()
def single_base(session: Session) -> Any:
    return session.scalars(select(Sailor))


@statement()
def single_child(session: Session) -> Any:
    return session.scalars(select(Officer))


@statement()
def single_child_in_a_left_join(session: Session) -> Any:
    return session.execute(
        select(Fleet.id, Officer.id).outerjoin(Officer, Officer.fleet_id == Fleet.id)
    )


@statement()
def single_children_side_by_side(session: Session) -> Any:
    return session.execute(select(Officer.id, Cook.id))


@statement()
def single_alias_of_a_child(session: Session) -> Any:
    cook = aliased(Cook)
    return session.execute(
        select(Sailor.id, cook.dish).outerjoin(cook, cook.fleet_id == Sailor.fleet_id)
    )


@statement()
def single_with_polymorphic(session: Session) -> Any:
    anybody = with_polymorphic(Sailor, [Officer, Cook])
    return session.scalars(
        select(anybody).where(or_(anybody.Officer.stars > 1, anybody.Cook.dish == "d1"))
    )


@statement()
def single_relationship_of_type(session: Session) -> Any:
    return session.execute(select(Vessel.id, Officer.stars).outerjoin(Vessel.crew.of_type(Officer)))


@statement()
def joined_base(session: Session) -> Any:
    return session.scalars(select(Document))


@statement()
def joined_base_and_its_childrens_columns_later(session: Session) -> Any:
    return [
        (each.id, each.amount if isinstance(each, Bill) else None)
        for each in session.scalars(select(Document)).all()
    ]


@statement()
def joined_child(session: Session) -> Any:
    return session.scalars(select(Bill))


@statement()
def joined_childs_own_columns(session: Session) -> Any:
    return session.execute(select(Bill.amount, func.count()).group_by(Bill.amount))


@statement()
def joined_child_with_a_condition_on_the_base(session: Session) -> Any:
    return session.scalars(select(Bill).where(Bill.title != "t1"))


@statement()
def joined_with_polymorphic(session: Session) -> Any:
    every = with_polymorphic(Document, "*")
    return session.scalars(select(every))


@statement()
def joined_with_polymorphic_flat_alias_in_a_left_join(session: Session) -> Any:
    every = with_polymorphic(Document, [Bill, Permit], flat=True)
    return session.execute(
        select(Vessel.id, every.id, every.Bill.amount).outerjoin(
            every, every.vessel_id == Vessel.id
        )
    )


@statement()
def joined_with_polymorphic_inner(session: Session) -> Any:
    bills = with_polymorphic(Document, [Bill], innerjoin=True)
    return session.scalars(select(bills))


@statement()
def joined_selectin_polymorphic(session: Session) -> Any:
    return session.scalars(
        select(Document).options(selectin_polymorphic(Document, [Bill, Permit]))
    ).all()


@statement()
def joined_selectin_polymorphic_and_joined_loading(session: Session) -> Any:
    return session.scalars(
        select(Document).options(
            selectin_polymorphic(Document, [Permit]),
            joinedload(Permit.harbour),
            joinedload(Document.vessel),
        )
    ).all()


@statement()
def joined_alias_of_a_child(session: Session) -> Any:
    one, two = aliased(Bill), aliased(Bill, flat=True)
    return session.execute(select(one.id, two.id).outerjoin(two, two.title == one.title))


@statement()
def joined_child_under_a_left_join(session: Session) -> Any:
    return session.execute(
        select(Vessel.id, Permit.harbour_id).outerjoin(Permit, Permit.vessel_id == Vessel.id)
    )


@statement()
def concrete_base_with_its_children(session: Session) -> Any:
    return session.scalars(select(Depot))


@statement()
def concrete_child(session: Session) -> Any:
    return session.scalars(select(ColdDepot).where(ColdDepot.degrees < -1))


@statement()
def concrete_base_counted(session: Session) -> Any:
    return session.execute(select(Depot.name, func.count()).group_by(Depot.name))


@statement()
def legacy_with_polymorphic_query(session: Session) -> Any:
    every = with_polymorphic(Document, [Bill])
    return session.query(every).filter(every.Bill.amount.is_not(None)).all()
