"""Everything else of the ORM: get, refresh, merge, streaming, the legacy Query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Bundle, Session, aliased, load_only, make_transient_to_detached

from ..schema import Berth, Bill, Document, Fleet, Officer, Sailor, Stop, Vessel, Voyage
from .catalogue import statement


@statement()
def get_own_and_foreign(session: Session) -> Any:
    return [session.get(Vessel, key) for key in (1, 101, 2, 201, 999)]


@statement()
def get_of_a_tied_table(session: Session) -> Any:
    return [session.get(kind, key) for kind in (Voyage, Stop) for key in (1, 101)]


@statement()
def get_of_a_child_class(session: Session) -> Any:
    return [session.get(kind, key) for kind in (Bill, Document, Officer) for key in (1, 3, 103)]


@statement()
def get_with_the_tenant_in_the_key(session: Session) -> Any:
    return [session.get(Berth, key) for key in (("A", 1), ("B", 1), ("B", 4))]


@statement()
def get_one(session: Session) -> Any:
    try:
        session.get_one(Vessel, 101)
    except NoResultFound:
        return session.get_one(Vessel, 1)
    return "another tenant's"


@statement()
def refresh(session: Session) -> Any:
    one = session.get_one(Vessel, 1)
    session.refresh(one, with_for_update=True)
    session.expire(one, ["name"])
    return (one.name, one)


@statement()
def expired_objects(session: Session) -> Any:
    found = session.scalars(select(Vessel)).all()
    session.expire_all()
    return [(each.id, each.name, each.tonnage) for each in found]


@statement()
def merge_without_change(session: Session) -> Any:
    one = session.get_one(Vessel, 1)
    session.expunge(one)
    return session.merge(one).name


@statement()
def merge_by_hand(session: Session) -> Any:
    return session.merge(Stop(id=1, label="again", voyage_id=2)).hours


@statement()
def detached_by_hand(session: Session) -> Any:
    one = Vessel(id=1)
    make_transient_to_detached(one)
    session.add(one)
    return (one.name, one.voyages)


@statement()
def streaming(session: Session) -> Any:
    return list(session.scalars(select(Vessel).execution_options(yield_per=2)))


@statement()
def entity_and_columns(session: Session) -> Any:
    return session.execute(select(Vessel, Vessel.name, func.length(Vessel.name)))


@statement()
def bundle(session: Session) -> Any:
    made: Bundle[Any] = Bundle("made", Vessel.id, Vessel.name)
    return [tuple(each) for each in session.scalars(select(made)).all()]


@statement()
def alias_of_an_entity(session: Session) -> Any:
    v = aliased(Vessel, name="v")
    return session.scalars(select(v).where(v.name == "v1"))


@statement()
def from_statement(session: Session) -> Any:
    inner = select(Vessel).where(Vessel.tonnage > 1).order_by(Vessel.id)
    return session.scalars(select(Vessel).from_statement(inner))


@statement()
def from_reviewed_text(session: Session) -> Any:
    reviewed = text("SELECT id, name FROM vessel WHERE org_id = 'A'").columns(
        Vessel.id, Vessel.name
    )
    return session.scalars(
        select(Vessel).options(load_only(Vessel.name)).from_statement(reviewed),
        execution_options={"tenantshield_reviewed": True},
    )


@statement()
def legacy_query(session: Session) -> Any:
    return session.query(Vessel).filter(Vessel.tonnage > 1).order_by(Vessel.id).all()


@statement()
def legacy_query_count(session: Session) -> Any:
    query = session.query(Vessel).filter_by(name="v1")
    return (query.count(), session.query(query.exists()).scalar(), query.first() is None)


@statement()
def legacy_query_get(session: Session) -> Any:
    return [session.get(Fleet, key) for key in (1, 101)]


@statement()
def legacy_query_of_columns(session: Session) -> Any:
    return (
        session.query(Fleet.name, func.count(Vessel.id))
        .outerjoin(Fleet.vessels)
        .group_by(Fleet.name)
        .all()
    )


@statement()
def legacy_query_from_a_subquery(session: Session) -> Any:
    inner = session.query(Sailor.fleet_id, func.max(Sailor.grade).label("top")).group_by(
        Sailor.fleet_id
    )
    top = inner.subquery()
    return session.query(Fleet.id, top.c.top).outerjoin(top, top.c.fleet_id == Fleet.id).all()


@statement()
def autoflush_before_a_query(session: Session) -> Any:
    one = session.get_one(Vessel, 2)
    one.tonnage = 77
    return session.scalars(select(Vessel.id).where(Vessel.tonnage == 77))


@statement()
def select_in_a_savepoint(session: Session) -> Any:
    with session.begin_nested():
        return session.scalars(select(Vessel.id)).all()
