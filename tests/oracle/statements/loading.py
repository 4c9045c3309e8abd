"""Relationship loading, by every strategy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    raiseload,
    selectinload,
    subqueryload,
    undefer,
    with_expression,
    with_loader_criteria,
    with_parent,
)

from ..schema import Document, Fleet, Harbour, Sailor, Stop, Vessel, Voyage
from .catalogue import statement


@statement()
def lazy_one_to_many(session: Session) -> Any:
    return [(each.id, each.vessels) for each in session.scalars(select(Fleet)).all()]


@statement()
def lazy_many_to_one_also_to_another_tenants_row(session: Session) -> Any:
    return [(each.id, each.fleet) for each in session.scalars(select(Vessel)).all()]


@statement()
def lazy_many_to_many(session: Session) -> Any:
    return [(each.id, each.crew) for each in session.scalars(select(Vessel)).all()]


@statement()
def lazy_from_a_shared_object(session: Session) -> Any:
    return [(each.id, each.fleets) for each in session.scalars(select(Harbour)).all()]


@statement()
def lazy_of_a_tied_table(session: Session) -> Any:
    return [(each.id, each.voyages) for each in session.scalars(select(Harbour)).all()]


@statement()
def lazy_self_referential(session: Session) -> Any:
    return [(each.id, each.parent, each.children) for each in session.scalars(select(Vessel)).all()]


@statement()
def joined_one_to_many(session: Session) -> Any:
    return session.scalars(select(Fleet).options(joinedload(Fleet.vessels))).unique().all()


@statement()
def joined_many_to_one(session: Session) -> Any:
    return session.scalars(select(Vessel).options(joinedload(Vessel.fleet))).all()


@statement()
def joined_many_to_one_inner(session: Session) -> Any:
    return session.scalars(select(Vessel).options(joinedload(Vessel.fleet, innerjoin=True))).all()


@statement()
def joined_many_to_many(session: Session) -> Any:
    return session.scalars(select(Vessel).options(joinedload(Vessel.crew))).unique().all()


@statement()
def joined_from_a_shared_object(session: Session) -> Any:
    return session.scalars(select(Harbour).options(joinedload(Harbour.fleets))).unique().all()


@statement()
def joined_with_a_limit(session: Session) -> Any:
    some = select(Fleet).options(joinedload(Fleet.vessels)).order_by(Fleet.id).limit(2)
    return session.scalars(some).unique().all()


@statement()
def joined_chain(session: Session) -> Any:
    chain = joinedload(Harbour.fleets).joinedload(Fleet.vessels).joinedload(Vessel.voyages)
    return session.scalars(select(Harbour).options(chain)).unique().all()


@statement()
def joined_inner_chain_nested_in_an_outer_one(session: Session) -> Any:
    chain = joinedload(Harbour.voyages).joinedload(Voyage.vessel, innerjoin=True)
    return session.scalars(select(Harbour).options(chain)).unique().all()


@statement()
def joined_to_a_subclass(session: Session) -> Any:
    return session.scalars(
        select(Document).options(joinedload(Document.vessel).joinedload(Vessel.fleet))
    ).all()


@statement()
def selectin_one_to_many(session: Session) -> Any:
    return session.scalars(select(Fleet).options(selectinload(Fleet.vessels))).all()


@statement()
def selectin_many_to_one(session: Session) -> Any:
    return session.scalars(select(Vessel).options(selectinload(Vessel.fleet))).all()


@statement()
def selectin_many_to_many(session: Session) -> Any:
    return session.scalars(select(Vessel).options(selectinload(Vessel.crew))).all()


@statement()
def selectin_chain_to_a_twice_tied_table(session: Session) -> Any:
    chain = selectinload(Harbour.voyages).selectinload(Voyage.stops)
    return session.scalars(select(Harbour).options(chain)).all()


@statement()
def selectin_self_referential_to_a_depth(session: Session) -> Any:
    return session.scalars(
        select(Vessel).options(selectinload(Vessel.children, recursion_depth=2))
    ).all()


@statement()
def subquery_one_to_many(session: Session) -> Any:
    return session.scalars(select(Fleet).options(subqueryload(Fleet.vessels))).all()


@statement()
def subquery_with_a_limit(session: Session) -> Any:
    some = select(Fleet).order_by(Fleet.id).limit(2).options(subqueryload(Fleet.sailors))
    return session.scalars(some).all()


@statement()
def subquery_many_to_many_from_a_shared_object(session: Session) -> Any:
    chain = subqueryload(Harbour.fleets).subqueryload(Fleet.vessels).subqueryload(Vessel.crew)
    return session.scalars(select(Harbour).options(chain)).all()


@statement()
def immediate(session: Session) -> Any:
    return session.scalars(
        select(Vessel).options(immediateload(Vessel.fleet), immediateload(Vessel.voyages))
    ).all()


@statement()
def raising_when_lazy(session: Session) -> Any:
    seen: list[Any] = []
    for each in session.scalars(select(Vessel).options(raiseload(Vessel.fleet))).all():
        try:
            seen.append(each.fleet)
        except InvalidRequestError:
            seen.append((each.id, "refused"))
    return seen


@statement()
def joined_and_lazy_mixed(session: Session) -> Any:
    options = (
        joinedload(Fleet.vessels).options(lazyload(Vessel.crew), selectinload(Vessel.voyages)),
        defaultload(Fleet.sailors).load_only(Sailor.name),
    )
    return [
        (each, [vessel.crew for vessel in each.vessels], each.sailors)
        for each in session.scalars(select(Fleet).options(*options)).unique().all()
    ]


@statement()
def contains_eager_of_an_inner_join(session: Session) -> Any:
    return session.scalars(
        select(Vessel).join(Vessel.fleet).options(contains_eager(Vessel.fleet))
    ).all()


@statement()
def contains_eager_of_a_left_join(session: Session) -> Any:
    return (
        session.scalars(
            select(Fleet)
            .outerjoin(Fleet.vessels)
            .options(contains_eager(Fleet.vessels))
            .execution_options(populate_existing=True)
        )
        .unique()
        .all()
    )


@statement()
def contains_eager_of_an_alias(session: Session) -> Any:
    v = aliased(Vessel)
    return (
        session.scalars(
            select(Harbour)
            .outerjoin(Harbour.fleets)
            .outerjoin(Fleet.vessels.of_type(v))
            .options(contains_eager(Harbour.fleets).contains_eager(Fleet.vessels.of_type(v)))
        )
        .unique()
        .all()
    )


@statement()
def eager_with_a_condition_of_its_own(session: Session) -> Any:
    heavy = Fleet.vessels.and_(Vessel.tonnage > 2)
    return [
        session.scalars(select(Fleet).options(option)).unique().all()
        for option in (joinedload(heavy), selectinload(heavy))
    ]


@statement()
def write_only(session: Session) -> Any:
    return [
        session.scalars(each.written.select().where(Vessel.tonnage > 1)).all()
        for each in session.scalars(select(Fleet)).all()
    ]


@statement()
def dynamic(session: Session) -> Any:
    return [
        (each.id, each.dynamic.filter(Vessel.name == "v1").all(), each.dynamic.count())
        for each in session.scalars(select(Fleet)).all()
    ]


@statement()
def children_with_a_parent(session: Session) -> Any:
    found = session.scalars(select(Harbour).where(Harbour.id == 1)).one()
    return session.scalars(select(Fleet).where(with_parent(found, Harbour.fleets)))


@statement()
def relationship_any(session: Session) -> Any:
    return session.scalars(select(Harbour.id).where(Harbour.fleets.any(Fleet.size > 1)))


@statement()
def relationship_not_any(session: Session) -> Any:
    return session.scalars(select(Harbour.id).where(~Harbour.fleets.any()))


@statement()
def relationship_has(session: Session) -> Any:
    return session.scalars(select(Vessel.id).where(Vessel.fleet.has(Fleet.size.is_(None))))


@statement()
def relationship_not_has(session: Session) -> Any:
    return session.scalars(select(Vessel.id).where(~Vessel.fleet.has()))


@statement()
def relationship_any_many_to_many(session: Session) -> Any:
    return session.scalars(select(Vessel.id).where(~Vessel.crew.any(Sailor.name == "n1")))


@statement()
def relationship_any_through_two(session: Session) -> Any:
    return session.scalars(
        select(Harbour.id).where(Harbour.fleets.any(Fleet.vessels.any(Vessel.voyages.any())))
    )


@statement()
def relationship_contains_and_is(session: Session) -> Any:
    one = session.scalars(select(Vessel).where(Vessel.id == 1)).one()
    return [
        session.scalars(select(Fleet.id).where(Fleet.vessels.contains(one))).all(),
        session.scalars(select(Vessel.id).where(Vessel.parent == one)).all(),
        session.scalars(select(Vessel.id).where(Vessel.parent != one)).all(),
        session.scalars(select(Vessel.id).where(Vessel.parent == None)).all(),  # noqa: E711
    ]


@statement()
def loader_criteria(session: Session) -> Any:
    only = with_loader_criteria(Vessel, Vessel.tonnage > 2)
    return session.scalars(select(Fleet).options(only, selectinload(Fleet.vessels))).all()


@statement()
def loader_criteria_in_a_left_join(session: Session) -> Any:
    only = with_loader_criteria(Vessel, lambda cls: cls.name != "v1", include_aliases=True)
    return session.execute(select(Fleet.id, Vessel.id).outerjoin(Fleet.vessels).options(only))


@statement()
def deferred_column(session: Session) -> Any:
    return [(each.id, each.log) for each in session.scalars(select(Vessel)).all()]


@statement()
def undeferred_column(session: Session) -> Any:
    return session.scalars(select(Vessel).options(undefer(Vessel.log), defer(Vessel.name))).all()


@statement()
def column_property_over_another_table(session: Session) -> Any:
    counted: Any = Fleet.vessel_count  # type: ignore[attr-defined]
    return [
        session.scalars(select(Fleet).options(undefer(counted))).all(),
        session.execute(select(Fleet.id, counted).where(counted > 0)).all(),
    ]


@statement()
def column_property_loaded_later(session: Session) -> Any:
    return [
        (each.id, each.vessel_count)  # type: ignore[attr-defined]
        for each in session.scalars(select(Fleet)).all()
    ]


@statement()
def query_time_expression(session: Session) -> Any:
    total = (
        select(func.sum(Vessel.tonnage))
        .where(Vessel.fleet_id == Fleet.id)
        .correlate(Fleet)
        .scalar_subquery()
    )
    return session.scalars(select(Fleet).options(with_expression(Fleet.extra, total))).all()


@statement()
def some_columns_only(session: Session) -> Any:
    return session.scalars(select(Vessel).options(load_only(Vessel.name))).all()


@statement()
def stops_with_everything_above_them(session: Session) -> Any:
    chain = joinedload(Stop.voyage).joinedload(Voyage.vessel).joinedload(Vessel.fleet)
    return session.scalars(select(Stop).options(chain.joinedload(Fleet.harbour))).all()
