"""Counts, sums, groups and window functions."""

from __future__ import annotations

import warnings
from typing import Any

from sqlalchemy import Integer, Values, column, distinct, func, literal, select, tablesample, values
from sqlalchemy.exc import SADeprecationWarning
from sqlalchemy.orm import Session

from ..schema import Berth, Fleet, Harbour, Sailor, Stop, Vessel, Voyage, boarding, remark, table_of
from .catalogue import statement


@statement()
def count_of_everything(session: Session) -> Any:
    return session.scalar(select(func.count()).select_from(Vessel))


@statement()
def count_of_a_core_table(session: Session) -> Any:
    return session.scalar(select(func.count()).select_from(remark))


@statement()
def count_of_an_association_table(session: Session) -> Any:
    return session.scalar(select(func.count()).select_from(boarding))


@statement()
def literal_from_a_table(session: Session) -> Any:
    return session.execute(select(literal(1)).select_from(Sailor))


@statement()
def sums_and_extremes(session: Session) -> Any:
    return session.execute(
        select(func.sum(Vessel.tonnage), func.min(Vessel.name), func.max(Vessel.id), func.count())
    )


@statement()
def aggregates_over_no_rows(session: Session) -> Any:
    return session.execute(select(func.sum(Vessel.tonnage)).where(Vessel.id == 101))


@statement()
def count_distinct(session: Session) -> Any:
    return session.execute(
        select(func.count(distinct(Vessel.name)), func.count(Vessel.fleet_id.distinct()))
    )


@statement()
def distinct_rows(session: Session) -> Any:
    return session.execute(select(Vessel.name, Vessel.tonnage).distinct())


@statement("postgresql")
def distinct_on(session: Session) -> Any:
    with warnings.catch_warnings():
        # 2.1 wants another spelling, which 2.0 does not know.
        warnings.simplefilter("ignore", SADeprecationWarning)
        made = select(Vessel.name, Vessel.id).distinct(Vessel.name)
        return session.execute(made.order_by(Vessel.name, Vessel.id.desc())).all()


@statement()
def group_by_the_primary_key(session: Session) -> Any:
    return session.execute(
        select(Fleet.id, Fleet.name, Fleet.size, func.count(Vessel.id))
        .outerjoin(Fleet.vessels)
        .group_by(Fleet.id)
    )


@statement()
def group_by_the_primary_key_of_a_shared_table(session: Session) -> Any:
    return session.execute(
        select(Harbour.id, Harbour.name, func.count(Voyage.id))
        .outerjoin(Harbour.voyages)
        .group_by(Harbour.id)
    )


@statement()
def group_by_an_expression(session: Session) -> Any:
    parity = (Vessel.tonnage % 2).label("parity")
    return session.execute(select(parity, func.count()).group_by("parity"))


@statement()
def having(session: Session) -> Any:
    return session.execute(
        select(Vessel.name, func.sum(Vessel.tonnage))
        .group_by(Vessel.name)
        .having(func.count() > 1, func.sum(Vessel.tonnage) > 4)
    )


@statement()
def group_over_several_tables(session: Session) -> Any:
    return session.execute(
        select(Fleet.name, Harbour.name, func.sum(Voyage.cost), func.count(Stop.id.distinct()))
        .join_from(Fleet, Vessel)
        .outerjoin(Vessel.voyages)
        .outerjoin(Voyage.stops)
        .outerjoin(Harbour, Harbour.id == Voyage.harbour_id)
        .group_by(Fleet.name, Harbour.name)
    )


@statement()
def row_number(session: Session) -> Any:
    number = func.row_number().over(partition_by=Vessel.fleet_id, order_by=Vessel.id.desc())
    return session.execute(select(Vessel.id, number))


@statement()
def window_sum_of_a_group(session: Session) -> Any:
    share = func.sum(Vessel.tonnage).over(partition_by=Vessel.name)
    return session.execute(select(Vessel.id, share, func.count().over()))


@statement()
def window_frame(session: Session) -> Any:
    running = func.sum(Voyage.days).over(order_by=Voyage.id, rows=(-1, 1))
    return session.execute(select(Voyage.id, running))


@statement()
def lag_and_lead(session: Session) -> Any:
    return session.execute(
        select(
            Sailor.id,
            func.lag(Sailor.id).over(order_by=Sailor.id),
            func.lead(Sailor.name).over(order_by=Sailor.id),
        )
    )


@statement()
def top_of_each_group_by_a_window(session: Session) -> Any:
    ranked = select(
        Vessel.id,
        Vessel.name,
        func.rank()
        .over(partition_by=Vessel.fleet_id, order_by=(Vessel.tonnage.desc(), Vessel.id))
        .label("position"),
    ).subquery()
    return session.execute(select(ranked.c.id).where(ranked.c.position == 1))


@statement("sqlite", "postgresql")
def aggregate_with_a_filter(session: Session) -> Any:
    return session.execute(
        select(Vessel.name, func.count().filter(Vessel.tonnage > 4)).group_by(Vessel.name)
    )


@statement("postgresql")
def aggregate_of_a_whole_row(session: Session) -> Any:
    return session.execute(select(func.array_agg(Vessel.name.distinct())))


@statement("postgresql")
def grouping_sets(session: Session) -> Any:
    return session.execute(
        select(Vessel.name, Vessel.fleet_id, func.count()).group_by(
            func.cube(Vessel.name, Vessel.fleet_id)
        )
    )


@statement("postgresql")
def tablesample_of_all(session: Session) -> Any:
    some = tablesample(table_of(Vessel), func.bernoulli(100))
    return session.execute(select(some.c.id, some.c.org_id))


@statement("postgresql")
def tablesample_in_a_left_join(session: Session) -> Any:
    some = tablesample(table_of(Vessel), func.bernoulli(100), name="some_vessels")
    return session.execute(
        select(Fleet.id, some.c.id).join_from(
            Fleet, some, some.c.fleet_id == Fleet.id, isouter=True
        )
    )


@statement("postgresql")
def tablesample_in_a_full_join(session: Session) -> Any:
    some = tablesample(table_of(Vessel), func.bernoulli(100), name="some_vessels")
    return session.execute(
        select(Fleet.id, some.c.id).join_from(Fleet, some, some.c.fleet_id == Fleet.id, full=True)
    )


@statement("postgresql")
def whole_rows_as_json(session: Session) -> Any:
    rows: Any = table_of(Vessel).table_valued()
    return session.execute(select(func.row_to_json(rows)))


@statement("postgresql")
def values_joined_to_a_table(session: Session) -> Any:
    numbers = values(column("n", Integer), name="numbers").data([(1,), (2,), (101,)])
    return session.execute(
        select(numbers.c.n, Vessel.name).join_from(
            numbers, Vessel, Vessel.id == numbers.c.n, isouter=True
        )
    )


@statement("postgresql")
def function_as_a_table_beside_a_tenants(session: Session) -> Any:
    numbers = func.generate_series(1, 3).table_valued("n").render_derived()
    return session.execute(select(numbers.c.n, Vessel.id).where(Vessel.id == numbers.c.n))


@statement()
def limit_and_offset(session: Session) -> Any:
    return session.execute(select(Vessel.id).order_by(Vessel.id.desc()).limit(3).offset(2))


@statement()
def rows_of_a_table_whose_key_includes_the_tenant(session: Session) -> Any:
    return session.execute(select(Berth.number, Berth.label, func.count().over()))


@statement()
def for_update(session: Session) -> Any:
    return session.execute(select(Vessel.id, Vessel.name).with_for_update())


@statement("postgresql")
def for_update_of_one_table(session: Session) -> Any:
    return session.execute(
        select(Vessel.id, Fleet.id).join(Vessel.fleet).with_for_update(of=Vessel, skip_locked=True)
    )


@statement()
def extremes_of_a_tied_table(session: Session) -> Any:
    return session.execute(
        select(func.max(Stop.id), func.sum(Stop.hours), func.count(Voyage.id)).join(Stop.voyage)
    )


if hasattr(Values, "cte"):  # since SQLAlchemy 2.1

    @statement("sqlite", "postgresql")
    def values_as_a_cte(session: Session) -> Any:
        numbers: Any = values(column("n", Integer), name="numbers").data([(1,), (2,), (101,)])
        given = numbers.cte("given")
        return session.execute(
            select(given.c.n, Vessel.name).join_from(
                given, Vessel, Vessel.id == given.c.n, isouter=True
            )
        )
