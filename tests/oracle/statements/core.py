"""Core constructs: aliases, reflected and bare tables, text that was reviewed, lambdas."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    func,
    lambda_stmt,
    select,
    table,
    type_coerce,
)
from sqlalchemy.engine import Compiled
from sqlalchemy.orm import Session

from ..schema import Berth, Fleet, Harbour, Sailor, Vessel, Voyage, boarding, remark, table_of
from .catalogue import statement

vessel, fleet = table_of(Vessel), table_of(Fleet)


@statement()
def every_column_of_a_table(session: Session) -> Any:
    return session.execute(select(vessel))


@statement()
def every_column_of_two_tables(session: Session) -> Any:
    return session.execute(select(vessel, fleet).where(vessel.c.fleet_id == fleet.c.id))


@statement()
def named_alias(session: Session) -> Any:
    v = vessel.alias("v")
    return session.execute(select(v.c.id, v.c.name).where(v.c.tonnage > 2))


@statement()
def alias_of_an_alias(session: Session) -> Any:
    v = vessel.alias().alias()
    return session.execute(select(v.c.id))


@statement()
def alias_named_like_another_table(session: Session) -> Any:
    v = vessel.alias("harbour")
    return session.execute(select(v.c.id, v.c.name))


@statement()
def shared_table_aliased_like_a_tenants(session: Session) -> Any:
    h = table_of(Harbour).alias("vessel")
    return session.execute(select(h.c.id, h.c.name))


@statement()
def alias_beside_its_table(session: Session) -> Any:
    v = vessel.alias()
    return session.execute(select(v.c.id, vessel.c.id).where(v.c.parent_id == vessel.c.id))


@statement()
def table_in_a_schema(session: Session) -> Any:
    return session.execute(select(remark).where(remark.c.stars > 0))


@statement()
def alias_of_a_table_in_a_schema(session: Session) -> Any:
    r = remark.alias()
    return session.execute(select(r.c.id, r.c.whose).order_by(r.c.body))


@statement()
def reflected_table(session: Session) -> Any:
    reflected = Table("vessel", MetaData(), autoload_with=session.connection())
    return session.execute(select(reflected.c.id, reflected.c.name))


@statement()
def reflected_tied_table(session: Session) -> Any:
    reflected = Table("voyage", MetaData(), autoload_with=session.connection())
    return session.execute(select(reflected.c.id, reflected.c.days))


@statement()
def reflected_association_table(session: Session) -> Any:
    reflected = Table("boarding", MetaData(), autoload_with=session.connection())
    return session.execute(select(reflected))


@statement()
def bare_table(session: Session) -> Any:
    bare = table("vessel", column("id", Integer), column("name", String))
    return session.execute(select(bare.c.id, bare.c.name))


@statement()
def bare_table_without_columns(session: Session) -> Any:
    return session.execute(select(func.count()).select_from(table("fleet")))


@statement()
def bare_table_in_a_left_join(session: Session) -> Any:
    bare = table("vessel", column("id", Integer), column("fleet_id", Integer))
    return session.execute(
        select(Fleet.id, bare.c.id).join_from(
            Fleet, bare, bare.c.fleet_id == Fleet.id, isouter=True
        )
    )


@statement()
def bare_tied_table(session: Session) -> Any:
    bare = table("voyage", column("id", Integer))
    return session.execute(select(bare.c.id))


@statement()
def selecting_the_tenant_column(session: Session) -> Any:
    return session.execute(select(vessel.c.org_id, func.count()).group_by(vessel.c.org_id))


@statement()
def condition_on_another_tenant(session: Session) -> Any:
    return session.execute(select(vessel.c.id).where(vessel.c.org_id == "B"))


@statement()
def condition_on_any_tenant(session: Session) -> Any:
    return session.execute(
        select(vessel.c.id).where((vessel.c.org_id == "B") | (vessel.c.org_id != "B"))
    )


@statement()
def columns_replaced_afterwards(session: Session) -> Any:
    return session.execute(select(Vessel).with_only_columns(func.count(Vessel.id)).order_by(None))


@statement()
def columns_replaced_by_another_tables(session: Session) -> Any:
    return session.execute(
        select(Harbour.id).join(Harbour.fleets).with_only_columns(Fleet.id, Fleet.name)
    )


@statement()
def lambda_statement(session: Session) -> Any:
    least = 3
    made = lambda_stmt(lambda: select(Vessel.id, Vessel.name))
    made += lambda each: each.where(Vessel.tonnage > least)
    return session.execute(made)


@statement()
def lambda_as_a_criterion(session: Session) -> Any:
    return session.execute(select(Vessel.id).where(lambda: Vessel.name == "v1"))


@statement()
def bound_parameters_given_at_execution(session: Session) -> Any:
    wanted = select(vessel.c.id).where(vessel.c.name == bindparam("name"))
    return session.execute(wanted, {"name": "v2"})


if hasattr(Compiled, "_execute_on_connection"):  # gone from SQLAlchemy 2.1

    @statement()
    def statement_compiled_beforehand(session: Session) -> Any:
        connection = session.connection()
        compiled: Any = select(vessel.c.id, vessel.c.name).compile(connection.engine)
        return connection.execute(compiled)


@statement()
def statement_on_the_connection(session: Session) -> Any:
    return session.connection().execute(select(vessel.c.id).where(vessel.c.name == "v1"))


@statement()
def same_statement_many_times(session: Session) -> Any:
    return [
        session.execute(select(vessel.c.id).where(vessel.c.id == key)).all()
        for key in (1, 101, 2, 201)
    ]


@statement()
def expanding_in(session: Session) -> Any:
    return session.execute(select(vessel.c.id).where(vessel.c.id.in_([1, 101, 2, 202])))


@statement()
def empty_in(session: Session) -> Any:
    return session.execute(select(vessel.c.id).where(vessel.c.id.not_in([])))


@statement()
def primary_keys_that_tenants_have_in_common(session: Session) -> Any:
    return session.execute(select(table_of(Berth)).where(Berth.number == 1))


@statement()
def self_correlated_table_and_association(session: Session) -> Any:
    b = boarding.alias()
    return session.execute(
        select(b.c.sailor_id).where(
            b.c.vessel_id.in_(select(boarding.c.vessel_id).where(boarding.c.sailor_id == 1))
        )
    )


@statement()
def labels_and_coerced_types(session: Session) -> Any:
    return session.execute(
        select(type_coerce(vessel.c.id, Integer).label("tenant"), vessel.c.name.label("param_1"))
    )


@statement()
def rows_in_portions(session: Session) -> Any:
    result = session.execute(
        select(Sailor.id).order_by(Sailor.id), execution_options={"yield_per": 2}
    )
    return [list(part) for part in result.partitions()]


@statement()
def tied_table_with_its_parents_condition_in_where(session: Session) -> Any:
    voyage = table_of(Voyage)
    return session.execute(
        select(voyage.c.id, vessel.c.name).where(
            voyage.c.vessel_id == vessel.c.id, vessel.c.tonnage > 1
        )
    )
