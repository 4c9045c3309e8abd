"""Common table expressions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, func, literal, select, union_all
from sqlalchemy.orm import Session, aliased

from ..schema import Fleet, Harbour, Sailor, Vessel, Voyage
from .catalogue import statement


@statement()
def cte(session: Session) -> Any:
    heavy = select(Vessel.id, Vessel.fleet_id).where(Vessel.tonnage > 2).cte("heavy")
    return session.execute(
        select(Fleet.name, heavy.c.id).outerjoin(heavy, heavy.c.fleet_id == Fleet.id)
    )


@statement()
def cte_used_twice(session: Session) -> Any:
    named = select(Vessel.id, Vessel.name).cte()
    other = named.alias()
    return session.execute(select(named.c.id, other.c.id).where(named.c.name == other.c.name))


@statement()
def cte_of_a_cte(session: Session) -> Any:
    one = select(Vessel.fleet_id, Vessel.id).cte("one")
    two = select(one.c.fleet_id, func.count().label("n")).group_by(one.c.fleet_id).cte("two")
    return session.execute(select(two.c.fleet_id, two.c.n))


@statement()
def cte_named_like_a_table(session: Session) -> Any:
    pretended = select(Harbour.id, Harbour.name).cte("vessel")
    return session.execute(select(pretended.c.id, pretended.c.name))


@statement()
def cte_in_a_subquery(session: Session) -> Any:
    busy = select(Voyage.vessel_id).where(Voyage.days > 0).cte("busy")
    return session.execute(select(Vessel.id).where(Vessel.id.not_in(select(busy.c.vessel_id))))


@statement()
def cte_in_an_exists(session: Session) -> Any:
    busy = select(Sailor.fleet_id).cte("busy")
    return session.execute(
        select(Fleet.id).where(select(busy.c.fleet_id).where(busy.c.fleet_id == Fleet.id).exists())
    )


@statement()
def cte_nested_where_it_is_used(session: Session) -> Any:
    inner = select(Vessel.id).where(Vessel.tonnage > 2).cte("inner_one", nesting=True)
    outer = select(inner.c.id).cte("outer_one")
    return session.execute(select(outer.c.id))


@statement()
def cte_as_an_entity(session: Session) -> Any:
    some = aliased(Vessel, select(Vessel).where(Vessel.name != "v1").cte())
    return session.scalars(select(some))


@statement()
def recursive_cte(session: Session) -> Any:
    tree = (
        select(Vessel.id, literal(0, Integer).label("level"))
        .where(Vessel.parent_id.is_(None))
        .cte("tree", recursive=True)
    )
    child = aliased(Vessel)
    tree = tree.union_all(select(child.id, tree.c.level + 1).where(child.parent_id == tree.c.id))
    return session.execute(select(tree.c.id, tree.c.level))


@statement()
def recursive_cte_that_starts_from_a_row_of_another_tenant(session: Session) -> Any:
    tree = select(Vessel.id).where(Vessel.id == 101).cte("tree", recursive=True)
    tree = tree.union(select(Vessel.id).where(Vessel.parent_id == tree.c.id))
    return session.execute(select(tree.c.id))


@statement()
def recursive_cte_through_a_row_of_another_tenant(session: Session) -> Any:
    up = select(Vessel.id, Vessel.parent_id).where(Vessel.id == 12).cte("up", recursive=True)
    up = up.union(select(Vessel.id, Vessel.parent_id).where(Vessel.id == up.c.parent_id))
    return session.execute(select(up.c.id))


@statement()
def recursive_cte_joined_to_a_tied_table(session: Session) -> Any:
    tree = select(Vessel.id).where(Vessel.parent_id.is_(None)).cte("tree", recursive=True)
    tree = tree.union_all(select(Vessel.id).join(tree, Vessel.parent_id == tree.c.id))
    return session.execute(
        select(tree.c.id, Voyage.id).join_from(
            tree, Voyage, Voyage.vessel_id == tree.c.id, isouter=True
        )
    )


@statement()
def recursive_cte_of_numbers_against_a_table(session: Session) -> Any:
    numbers = select(literal(1, Integer).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 8))
    return session.execute(
        select(numbers.c.n, Vessel.name).join_from(
            numbers, Vessel, Vessel.id == numbers.c.n, isouter=True
        )
    )


@statement()
def cte_of_a_union(session: Session) -> Any:
    both = union_all(select(Vessel.name), select(Sailor.name)).cte("both_of_them")
    return session.execute(select(both.c.name, func.count()).group_by(both.c.name))


@statement("postgresql")
def cte_that_is_materialised(session: Session) -> Any:
    some = select(Vessel.id).cte("some_of_them").prefix_with("MATERIALIZED")
    return session.execute(select(some.c.id))


@statement("sqlite", "postgresql")
def cte_in_a_full_join(session: Session) -> Any:
    some = select(Vessel.id, Vessel.fleet_id).where(Vessel.tonnage > 2).cte()
    return session.execute(
        select(Fleet.id, some.c.id).join_from(Fleet, some, some.c.fleet_id == Fleet.id, full=True)
    )
