"""Updates and deletes, and inserts of rows that are selected."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from ..schema import (
    Berth,
    Bill,
    Document,
    Fleet,
    Harbour,
    Officer,
    Sailor,
    Stop,
    Vessel,
    Voyage,
    boarding,
    remark,
    table_of,
)
from .catalogue import statement

vessel, fleet, voyage = table_of(Vessel), table_of(Fleet), table_of(Voyage)
harbour = table_of(Harbour)


def count(session: Session, made: Any, **options: Any) -> int:
    return session.execute(made, **options).rowcount  # type: ignore[attr-defined,no-any-return]


@statement(writes=True)
def update_of_everything(session: Session) -> Any:
    return count(session, update(vessel).values(tonnage=1))


@statement(writes=True)
def update_with_a_condition(session: Session) -> Any:
    return count(session, update(vessel).where(vessel.c.name == "v1").values(tonnage=9))


@statement(writes=True)
def update_by_a_key_of_another_tenant(session: Session) -> Any:
    return count(session, update(vessel).where(vessel.c.id == 101).values(name="mine"))


@statement(writes=True)
def update_with_an_expression(session: Session) -> Any:
    return count(session, update(vessel).values(tonnage=vessel.c.tonnage + 1))


@statement(writes=True)
def update_with_a_correlated_subquery(session: Session) -> Any:
    days = select(func.sum(voyage.c.days)).where(voyage.c.vessel_id == vessel.c.id)
    return count(session, update(vessel).values(tonnage=days.scalar_subquery()))


@statement(writes=True)
def update_with_an_uncorrelated_subquery(session: Session) -> Any:
    most = select(func.max(Sailor.grade)).scalar_subquery()
    return count(session, update(fleet).values(size=most))


@statement(writes=True)
def update_where_in_a_subquery(session: Session) -> Any:
    some = select(fleet.c.id).where(fleet.c.size > 1)
    return count(session, update(vessel).where(vessel.c.fleet_id.in_(some)).values(name="x"))


@statement(writes=True)
def update_where_not_exists(session: Session) -> Any:
    made = update(Fleet).where(~Fleet.vessels.any()).values(size=0)
    return count(session, made, execution_options={"synchronize_session": False})


@statement(writes=True)
def update_of_a_shared_table_by_a_tenants(session: Session) -> Any:
    made = update(Harbour).where(Harbour.fleets.any()).values(depth=99)
    return count(session, made, execution_options={"synchronize_session": False})


@statement(writes=True)
def update_of_a_shared_table_from_a_subquery(session: Session) -> Any:
    users = select(func.count(Voyage.id)).where(Voyage.harbour_id == Harbour.id)
    return count(session, update(Harbour).values(depth=users.correlate(Harbour).scalar_subquery()))


@statement(writes=True)
def update_of_a_tied_table(session: Session) -> Any:
    return count(session, update(voyage).values(cost=3))


@statement(writes=True)
def update_of_a_twice_tied_table(session: Session) -> Any:
    return count(session, update(table_of(Stop)).values(hours=3))


@statement(writes=True)
def update_of_a_joined_child(session: Session) -> Any:
    return count(session, update(table_of(Bill)).values(amount=1))


@statement(writes=True)
def update_of_a_table_in_a_schema(session: Session) -> Any:
    return count(session, update(remark).where(remark.c.stars > 1).values(body="y"))


@statement(writes=True)
def update_of_a_table_whose_key_includes_the_tenant(session: Session) -> Any:
    return count(session, update(table_of(Berth)).where(Berth.number == 1).values(length=1))


@statement(writes=True)
def update_from_another_table(session: Session) -> Any:
    made = (
        update(vessel)
        .where(vessel.c.fleet_id == fleet.c.id, fleet.c.size > 1)
        .values(tonnage=fleet.c.size)
    )
    return count(session, made)


@statement(writes=True)
def update_from_an_alias_of_itself(session: Session) -> Any:
    above = vessel.alias("above")
    made = update(vessel).where(vessel.c.parent_id == above.c.id).values(tonnage=50)
    return count(session, made)


@statement(writes=True)
def update_from_a_tied_table(session: Session) -> Any:
    made = (
        update(vessel)
        .where(voyage.c.vessel_id == vessel.c.id, voyage.c.days > 1)
        .values(name="gone")
    )
    return count(session, made)


@statement("mariadb", writes=True)
def update_of_a_join(session: Session) -> Any:
    joined = vessel.join(fleet, vessel.c.fleet_id == fleet.c.id)
    return count(session, update(joined).values({vessel.c.tonnage: 3, fleet.c.size: 7}))


@statement("mariadb", writes=True)
def update_of_an_outer_join(session: Session) -> Any:
    joined = harbour.outerjoin(fleet, harbour.c.id == fleet.c.harbour_id)
    return count(session, update(joined).values({harbour.c.depth: 5, fleet.c.size: 3}))


@statement("mariadb", writes=True)
def update_of_two_tables(session: Session) -> Any:
    made = update(vessel).where(vessel.c.fleet_id == fleet.c.id)
    return count(session, made.values({vessel.c.tonnage: 3, fleet.c.size: 9}))


@statement("sqlite", "postgresql", writes=True)
def update_from_a_cte(session: Session) -> Any:
    busy = select(voyage.c.vessel_id).where(voyage.c.days > 0).cte("busy")
    made = update(vessel).where(vessel.c.id.in_(select(busy.c.vessel_id))).values(tonnage=0)
    return count(session, made)


@statement("sqlite", "postgresql", writes=True)
def update_returning(session: Session) -> Any:
    made = update(vessel).where(vessel.c.tonnage > 1).values(name="z")
    return session.execute(made.returning(vessel.c.id, vessel.c.name))


@statement("sqlite", "postgresql", writes=True)
def update_returning_objects(session: Session) -> Any:
    return session.scalars(update(Vessel).values(name="z").returning(Vessel))


@statement(writes=True)
def update_evaluated_in_the_session(session: Session) -> Any:
    held = session.scalars(select(Vessel)).all()
    made = update(Vessel).where(Vessel.tonnage > 2).values(name="e")
    session.execute(made, execution_options={"synchronize_session": "evaluate"})
    return [(each.id, each.name) for each in held]


@statement(writes=True)
def update_fetched_into_the_session(session: Session) -> Any:
    held = session.scalars(select(Vessel)).all()
    made = update(Vessel).where(Vessel.fleet.has()).values(name="f")
    session.execute(made, execution_options={"synchronize_session": "fetch"})
    return [(each.id, each.name) for each in held]


@statement(writes=True)
def update_of_a_single_table_child(session: Session) -> Any:
    return count(session, update(Officer).values(grade=8))


@statement(writes=True)
def update_many_by_primary_key(session: Session) -> Any:
    session.execute(update(Vessel), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    return None


@statement(writes=True)
def update_many_by_a_bound_key(session: Session) -> Any:
    made = update(vessel).where(vessel.c.id == bindparam("key")).values(name=bindparam("to"))
    keys = [{"key": 1, "to": "p"}, {"key": 101, "to": "q"}, {"key": 2, "to": "r"}]
    session.connection().execute(made, keys)


@statement(writes=True)
def update_by_a_flush(session: Session) -> Any:
    for each in session.scalars(select(Vessel)).all():
        each.name = f"n{each.id}"
    session.flush()


@statement(writes=True)
def update_of_a_joined_object_by_a_flush(session: Session) -> Any:
    for each in session.scalars(select(Bill)).all():
        each.title, each.amount = "new", 5
    session.flush()


@statement(writes=True)
def update_by_the_legacy_query(session: Session) -> Any:
    return session.query(Vessel).filter(Vessel.name == "v1").update({"tonnage": 3})


@statement(writes=True)
def delete_of_everything(session: Session) -> Any:
    return count(session, delete(vessel))


@statement(writes=True)
def delete_with_a_condition(session: Session) -> Any:
    return count(session, delete(vessel).where(vessel.c.tonnage > 2))


@statement(writes=True)
def delete_by_a_key_of_another_tenant(session: Session) -> Any:
    return count(session, delete(vessel).where(vessel.c.id.in_([1, 101, 201])))


@statement(writes=True)
def delete_where_exists(session: Session) -> Any:
    made = delete(fleet).where(select(vessel.c.id).where(vessel.c.fleet_id == fleet.c.id).exists())
    return count(session, made)


@statement(writes=True)
def delete_of_a_parent_by_what_its_children_say(session: Session) -> Any:
    # SQLite and MariaDB delete some before they ask for the others if there is a stop.
    stop = table_of(Stop)
    numbers = select(table_of(Berth).c.number)
    none = ~select(stop.c.id).exists()
    return count(session, delete(vessel).where(or_(vessel.c.id.in_(numbers), none)))


@statement(writes=True)
def delete_of_a_tied_table(session: Session) -> Any:
    return count(session, delete(voyage).where(voyage.c.days > 0))


@statement(writes=True)
def delete_of_a_twice_tied_table(session: Session) -> Any:
    return count(session, delete(table_of(Stop)))


@statement(writes=True)
def delete_of_an_association(session: Session) -> Any:
    return count(session, delete(boarding))


@statement(writes=True)
def delete_of_a_table_in_a_schema(session: Session) -> Any:
    return count(session, delete(remark))


@statement("postgresql", "mariadb", writes=True)
def delete_using_another_table(session: Session) -> Any:
    return count(session, delete(vessel).where(vessel.c.fleet_id == fleet.c.id, fleet.c.size > 1))


@statement("postgresql", "mariadb", writes=True)
def delete_using_a_tied_table(session: Session) -> Any:
    return count(session, delete(vessel).where(voyage.c.vessel_id == vessel.c.id))


@statement("postgresql", "mariadb", writes=True)
def delete_using_a_table_that_is_tied_to_it_by_another(session: Session) -> Any:
    stop = table_of(Stop)
    return count(session, delete(vessel).where(stop.c.id == vessel.c.id))


@statement(writes=True)
def update_from_a_table_that_is_tied_to_it_by_another(session: Session) -> Any:
    stop = table_of(Stop)
    return count(session, update(vessel).where(stop.c.id == vessel.c.id).values(tonnage=4))


@statement("sqlite", "postgresql", writes=True)
def delete_returning(session: Session) -> Any:
    return session.execute(delete(vessel).where(vessel.c.tonnage > 2).returning(vessel.c.id))


@statement(writes=True)
def delete_of_a_loaded_object(session: Session) -> Any:
    session.delete(session.get_one(Stop, 1))
    session.flush()


@statement(writes=True)
def delete_of_an_object_in_a_many_to_many(session: Session) -> Any:
    session.delete(session.get_one(Sailor, 2))
    session.flush()


@statement(writes=True)
def delete_of_a_joined_child_object(session: Session) -> Any:
    session.delete(session.get_one(Document, 3))
    session.flush()


@statement(writes=True)
def delete_by_the_legacy_query(session: Session) -> Any:
    return session.query(Vessel).filter(Vessel.name == "v2").delete()


@statement("postgresql", writes=True)
def delete_in_a_cte(session: Session) -> Any:
    gone = delete(vessel).where(vessel.c.tonnage > 2).returning(vessel.c.id).cte("gone")
    return session.execute(select(gone.c.id))


@statement("postgresql", writes=True)
def update_in_a_cte(session: Session) -> Any:
    made = update(vessel).values(name="c").returning(vessel.c.id, vessel.c.name).cte("made")
    return session.execute(select(made.c.name, func.count()).group_by(made.c.name))


@statement(writes=True)
def insert_from_a_select(session: Session) -> Any:
    other = aliased(Fleet)
    copied = select(other.id + 1000, other.tenant_id, other.name, literal(4))
    return count(session, insert(fleet).from_select(["id", "tenant_id", "name", "size"], copied))


@statement(writes=True)
def insert_of_an_object(session: Session) -> Any:
    session.add(Fleet(id=1001, tenant_id="A", name="new", harbour_id=1))
    session.flush()


@statement(writes=True)
def insert_of_a_family(session: Session) -> Any:
    made = Vessel(id=1001, org_id="A", name="new")
    session.add(made)
    made.fleet = session.get_one(Fleet, 1)
    made.crew.append(session.get_one(Sailor, 1))
    made.voyages.append(Voyage(id=1001, days=1, stops=[Stop(id=1001, label="s")]))
    session.add(Bill(id=1001, tenant_id="A", title="b", amount=3, vessel=made))
    session.flush()


@statement(writes=True)
def insert_of_many_rows(session: Session) -> Any:
    session.execute(
        insert(fleet), [{"id": 1000 + n, "tenant_id": "A", "name": f"m{n}"} for n in range(3)]
    )


@statement(writes=True)
def insert_of_several_values(session: Session) -> Any:
    rows = [{"id": 1000 + n, "tenant_id": "A", "name": f"m{n}"} for n in range(3)]
    return count(session, insert(fleet).values(rows))


@statement(writes=True)
def relationship_changed_by_a_flush(session: Session) -> Any:
    one = session.get_one(Vessel, 1)
    one.fleet = session.get_one(Fleet, 2)
    one.crew = [session.get_one(Sailor, 4)]
    session.flush()
