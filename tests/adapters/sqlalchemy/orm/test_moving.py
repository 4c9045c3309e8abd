"""A session goes on in another scope: what is the new scope's stays, and nothing is lost."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, create_engine, func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    make_transient,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.attributes import flag_modified

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import rls, shared_across_tenants, tenant_aware
from tests.databases import Database, database, require
from tests.policy_database import PolicyDatabase, policy_database

from ..watching import sent

Where = Literal["sqlite", "postgresql", "mariadb", "policies"]
WHERE: tuple[Where, ...] = ("sqlite", "postgresql", "mariadb", "policies")


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Plan(Base):
    __tablename__ = "move_plan"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(20))
    users: Mapped[list[User]] = relationship(back_populates="plan")


@shared_across_tenants
class Company(Base):
    """The tenants."""

    __tablename__ = "move_company"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@tenant_aware
class User(Base):
    __tablename__ = "move_user"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("move_company.id"))
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("move_plan.id"))
    name: Mapped[str] = mapped_column(String(20))
    plan: Mapped[Plan | None] = relationship(back_populates="users")
    orders: Mapped[list[Order]] = relationship(back_populates="user", cascade="all")


@tenant_aware
class Order(Base):
    __tablename__ = "move_order"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("move_user.id"))
    user: Mapped[User | None] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")


class Line(Base):
    """Tied to its order."""

    __tablename__ = "move_line"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int] = mapped_column(ForeignKey("move_order.id"))
    text: Mapped[str] = mapped_column(String(20))
    order: Mapped[Order] = relationship(back_populates="lines")


@tenant_aware
class Note(Base):
    __tablename__ = "move_note"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))


Plan.number = column_property(
    select(func.count(User.id)).where(User.plan_id == Plan.id).scalar_subquery()
)

SEED = (
    "INSERT INTO move_company VALUES ('a', 'A'), ('b', 'B')",
    "INSERT INTO move_plan VALUES (1, 'free')",
    "INSERT INTO move_user VALUES (1, 'a', 1, 'ann'), (2, 'b', 1, 'bob')",
    "INSERT INTO move_order VALUES (11, 'a', 1), (12, 'b', 2)",
    "INSERT INTO move_note VALUES (21, 'a'), (22, 'b')",
    "INSERT INTO move_line VALUES (111, 11, 'la'), (112, 12, 'lb')",
)


@pytest.fixture(params=WHERE)
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    where: Where = request.param
    with ExitStack() as stack:
        if where == "policies":
            require("postgresql")
            made = stack.enter_context(policy_database())
            assert isinstance(made, PolicyDatabase)
            superuser = create_engine(made.url)
            stack.callback(superuser.dispose)
            with system_scope("make the tables"), superuser.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL ROLE {made.owner}")
                Base.metadata.create_all(connection)
                rls.create_policies(connection, Base.metadata)
            made.grant()
        else:
            require(where)
            made = stack.enter_context(database(where))
            engine = made.engine()
            stack.callback(engine.dispose)
            Base.metadata.create_all(engine)
        made.run(*SEED)
        yield made


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    yield engine
    engine.dispose()


def names(here: Database) -> list[Any]:
    return [name for (name,) in here.read("SELECT name FROM move_user ORDER BY id")]


# -- the user is looked up first ---------------------------------------------------------------


def test_a_user_of_a_system_scope_is_changed_in_its_tenants(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            user = session.get_one(User, 1)
        with tenant_scope(user.tenant_id), sent(engine) as statements:
            assert session.scalars(select(User.name)).all() == ["ann"]
            assert session.get(User, 1) is user
            assert [order.id for order in user.orders] == [11]
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]
    kinds = [each.split()[0] for each in statements if "set_config" not in each]
    assert kinds == ["SELECT", "SELECT", "UPDATE"]


def test_loaded_collections_move_with_their_objects(here: Database, engine: Engine) -> None:
    everything = select(User).options(selectinload(User.orders).selectinload(Order.lines))
    with Session(engine) as session:
        with system_scope("look"):
            ann, bob = session.scalars(everything.order_by(User.id)).all()
        with tenant_scope("a"):
            assert session.get(User, 1) is ann
            assert [order.id for order in ann.orders] == [11]
            ann.orders[0].lines[0].text = "changed"
            with pytest.raises(ScopeMismatchError):
                bob.orders[0].user_id = 1
            session.commit()
        with tenant_scope("b"):
            assert [user.id for user in session.scalars(everything)] == [2]
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


class Folder(Base):
    """Tied to its user; its files tell whose they are."""

    __tablename__ = "move_folder"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("move_user.id"))
    files: Mapped[list[File]] = relationship(back_populates="folder", cascade="all")


@tenant_aware
class File(Base):
    __tablename__ = "move_file"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    folder_id: Mapped[int] = mapped_column(ForeignKey("move_folder.id"))
    name: Mapped[str] = mapped_column(String(20))
    folder: Mapped[Folder] = relationship(back_populates="files")


@pytest.mark.parametrize("loads_back", [True, False])
def test_an_object_stays_though_what_refers_to_it_leaves(
    here: Database, engine: Engine, loads_back: bool
) -> None:
    here.run(
        "INSERT INTO move_folder VALUES (31, 1)",
        "INSERT INTO move_file VALUES (41, 'a', 31, 'old')",
    )
    with Session(engine) as session:
        with system_scope("look"):
            file = session.get_one(File, 41)
            folder = session.get_one(Folder, 31)
            assert folder.files == [file]
            if loads_back:
                assert file.folder is folder
        with tenant_scope("a"):
            session.get(User, 1)
            file.name = "new"
            assert file.folder.id == 31
            session.commit()
    assert here.read("SELECT name FROM move_file") == [("new",)]


def test_a_question_in_between_loses_nothing(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        user = session.get_one(User, 1)
        with system_scope("is the name taken"):
            assert session.scalar(select(func.count(User.id))) == 2
        user.name = "changed"
        session.commit()
    assert names(here) == ["changed", "bob"]


def test_pending_work_is_flushed_in_its_own_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        session.get_one(User, 1).name = "changed"
        session.add(User(id=3, name="new"))
        with system_scope("is the name taken"):
            assert session.scalar(select(func.count(User.id))) == 3
        session.commit()
    assert here.read("SELECT tenant_id, name FROM move_user ORDER BY id") == [
        ("a", "changed"),
        ("b", "bob"),
        ("a", "new"),
    ]


def test_a_change_before_the_first_query_of_the_scope_is_written(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            user = session.get_one(User, 1)
        with tenant_scope("a"):
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


def test_a_new_tenant_is_written_together_with_its_first_rows(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        company = Company(id="c", name="C")
        session.add(company)
        session.flush()
        with tenant_scope(company.id):
            session.add(User(id=3, name="cid"))
            session.flush()
            company.name = "renamed"
            assert [user.name for user in session.scalars(select(User))] == ["cid"]
            session.commit()
    assert here.read("SELECT id, name FROM move_company ORDER BY id") == [
        ("a", "A"),
        ("b", "B"),
        ("c", "renamed"),
    ]
    assert here.read("SELECT tenant_id FROM move_user WHERE id = 3") == [("c",)]


def test_one_session_visits_all_tenants(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        found = []
        for tenant in ("a", "b", "a"):
            with tenant_scope(tenant):
                (user,) = session.scalars(select(User)).all()
                user.name += "!"
                session.flush()
                found.append(user)
        assert [user.tenant_id for user in found] == ["a", "b", "a"]
        with tenant_scope("a"):
            session.commit()
    assert names(here) == ["ann!!", "bob!"]


def test_an_outer_transaction_holds_tests_with_several_tenants(
    here: Database, engine: Engine
) -> None:
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            for tenant in ("a", "b"):
                with tenant_scope(tenant):
                    session.add(User(id=7 if tenant == "a" else 8, name=tenant))
                    session.commit()
                    assert len(session.scalars(select(User)).all()) == 2
                    session.add(User(id=9, name="undone"))
                    session.flush()
                    session.rollback()
                    assert len(session.scalars(select(User)).all()) == 2
        outer.rollback()
    assert names(here) == ["ann", "bob"]


def test_a_savepoint_that_is_undone_takes_no_scope_along(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        assert len(session.scalars(select(User)).all()) == 1
        savepoint = session.begin_nested()
        with tenant_scope("b"):
            assert [user.name for user in session.scalars(select(User))] == ["bob"]
            savepoint.rollback()
            assert [user.name for user in session.scalars(select(User))] == ["bob"]
        assert [user.name for user in session.scalars(select(User))] == ["ann"]


# -- what has left the session -----------------------------------------------------------------


CHANGES: dict[str, Callable[[User], Any]] = {
    "set": lambda user: setattr(user, "name", "lost"),
    "delete": lambda user: delattr(user, "name"),
    "append": lambda user: user.orders.append(Order(id=13)),
    "remove": lambda user: user.orders.clear(),
    "relate": lambda user: setattr(user, "plan", None),
    "flag": lambda user: flag_modified(user, "name"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_to_an_object_that_has_left_raises(
    here: Database, engine: Engine, change: str
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
            assert user.orders
            assert user.plan is not None
        with tenant_scope("b"):
            assert session.get(User, 2) is not None
            assert user not in session
            with pytest.raises(ScopeMismatchError, match=r"load (it|the object) again"):
                CHANGES[change](user)
            session.rollback()
        # What it has loaded can still be read.
        assert (user.name, [order.id for order in user.orders]) == ("ann", [11])
    assert names(here) == ["ann", "bob"]


def test_it_says_why_it_loads_no_more(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            with pytest.raises(ScopeMismatchError, match="load it again in the scope"):
                _ = user.orders


def test_it_may_come_back_in_its_own_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            with pytest.raises(CrossTenantAccessError):
                session.add(user)
        with tenant_scope("a"):
            session.add(user)
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


def test_it_may_become_a_new_object(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan_of, user = 1, session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            make_transient(user)
            user.id, user.tenant_id, user.plan_id = 3, "b", plan_of
            session.add(user)
            session.commit()
    assert here.read("SELECT tenant_id, name FROM move_user WHERE id = 3") == [("b", "ann")]


def test_a_tied_object_of_a_system_scope_leaves(engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("look"):
            lines = session.scalars(select(Line).order_by(Line.id)).all()
        with tenant_scope("a"):
            session.get(User, 1)
            for line in lines:
                with pytest.raises(ScopeMismatchError):
                    line.text = "lost"
            assert session.get(Line, 112) is None


def test_a_tied_object_stays_through_a_system_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        line = session.get_one(Line, 111)
        with system_scope("look"):
            session.scalar(select(func.count(User.id)))
        line.text = "changed"
        session.commit()
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


def test_a_tied_object_of_another_tenant_leaves_after_a_system_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            line = session.get_one(Line, 112)
        with system_scope("look"):
            session.scalar(select(func.count(User.id)))
            assert line in session
        with tenant_scope("a"):
            session.get(User, 1)
            assert line not in session
            assert session.get(Line, 112) is None


def test_a_tied_object_that_went_to_another_tenant_leaves(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        with system_scope("move it"):
            line = session.get_one(Line, 111)
            line.order_id = 12
            session.flush()
        session.get(User, 1)
        assert line not in session
        assert session.get(Line, 111) is None


ENTER: dict[str, Callable[[Session, Line], Any]] = {
    "add": lambda session, line: session.add(line),
    "unpickled": lambda session, line: session.add(pickle.loads(pickle.dumps(line))),
    "merge": lambda session, line: session.merge(line),
}


@pytest.mark.parametrize("enter", ENTER)
def test_a_tied_object_from_a_cache_is_read_again(engine: Engine, enter: str) -> None:
    with tenant_scope("b"), Session(engine) as session:
        line, again = session.get_one(Line, 112), pickle.loads(pickle.dumps(session.get(Line, 112)))
        session.expunge_all()
    with tenant_scope("a"), Session(engine, autoflush=False) as session:
        ENTER[enter](session, line)
        assert enter == "merge" or session.get(Line, 112) is None
    with tenant_scope("b"), Session(engine) as session:
        ENTER[enter](session, again)
        assert session.get_one(Line, 112).text == "lb"


def test_an_own_tied_object_is_changed_elsewhere_and_added(here: Database, engine: Engine) -> None:
    with tenant_scope("a"), Session(engine) as session:
        line = session.get_one(Line, 111)
    line.text = "changed"
    with tenant_scope("a"), Session(engine) as session:
        session.add(line)
        session.commit()
    line.text = "lost"
    with tenant_scope("b"), Session(engine) as session:
        session.add(line)
        with pytest.raises(Exception, match=r"matched|not present"):
            session.commit()
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


def test_a_tied_object_is_not_merged_without_loading(engine: Engine) -> None:
    with tenant_scope("b"), Session(engine) as session:
        line = session.get_one(Line, 112)
    with (
        tenant_scope("a"),
        Session(engine) as session,
        pytest.raises(CrossTenantAccessError, match="load=True"),
    ):
        session.merge(line, load=False)


def test_what_was_added_before_any_scope_does_not_answer(engine: Engine) -> None:
    with tenant_scope("b"), Session(engine) as session:
        user, line = session.get_one(User, 2), session.get_one(Line, 112)
        session.expunge_all()
    with Session(engine) as session:
        session.add_all([user, line])
        with tenant_scope("a"):
            assert session.get(User, 2) is None
            assert session.get(Line, 112) is None


# -- what stays in memory ----------------------------------------------------------------------


def test_a_shared_object_forgets_tenants_rows(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan = session.get_one(Plan, 1)
            assert [user.name for user in plan.users] == ["ann"]
            assert plan.number == 1  # type: ignore[attr-defined]
        with system_scope("look"):
            session.get(User, 2)
            assert sorted(user.name for user in plan.users) == ["ann", "bob"]
            assert plan.number == 2  # type: ignore[attr-defined]
        with tenant_scope("b"):
            session.get(User, 2)
            assert session.get(Plan, 1) is plan
            assert [user.name for user in plan.users] == ["bob"]
            assert plan.number == 1  # type: ignore[attr-defined]


STRANGE: dict[str, Callable[[Any], Any]] = {
    "from_statement": lambda rows: select(Company).from_statement(rows),
    "adapt_on_names": lambda rows: select(aliased(Company, rows.subquery(), adapt_on_names=True)),
}


@pytest.mark.parametrize("how", STRANGE)
def test_a_shared_object_forgets_what_was_computed_from_tenants_rows(
    engine: Engine, how: str
) -> None:
    own = select(Company.id, User.name.label("name")).join(User, User.tenant_id == Company.id)
    with Session(engine) as session:
        with tenant_scope("a"):
            company = session.scalars(STRANGE[how](own)).one()
            assert company.name == "ann"
        with tenant_scope("b"):
            session.get(User, 2)
            assert session.get_one(Company, "a") is company
            assert company.name == "A"


class Ordering:
    """Mapped to a join."""

    number: int


_USERS, _ORDERS = Base.metadata.tables["move_user"], Base.metadata.tables["move_order"]
Base.registry.map_imperatively(
    Ordering,
    _USERS.join(_ORDERS),
    properties={
        "user_number": [_USERS.c.id, _ORDERS.c.user_id],
        "number": _ORDERS.c.id,
        "user_tenant": _USERS.c.tenant_id,
        "order_tenant": _ORDERS.c.tenant_id,
    },
)


def test_a_class_mapped_to_a_join_is_not_answered_without_a_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            assert session.get_one(Ordering, (2, 12)).number == 12
        with pytest.raises(MissingTenantContextError, match="Ordering"):
            session.get(Ordering, (2, 12))
        with tenant_scope("a"):
            assert session.get(Ordering, (2, 12)) is None


def test_a_change_to_a_shared_object_is_written_in_any_scope(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan = session.get_one(Plan, 1)
            plan.name = "one"
        with tenant_scope("b"):
            session.get(User, 2)
            plan.name += " two"
            session.commit()
    assert here.read("SELECT name FROM move_plan") == [("one two",)]


def test_an_expired_object_is_read_in_the_new_scope_or_not_found(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            ann, bob = session.get_one(User, 1), session.get_one(User, 2)
            session.commit()
        with tenant_scope("a"):
            assert ann.name == "ann"
            with pytest.raises(Exception, match=r"has been deleted|not present"):
                _ = bob.name
            ann.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


@pytest.mark.parametrize("forget", ["commit", "expire", "rollback"])
@pytest.mark.parametrize("model", [User, Line])
def test_an_expired_object_is_changed_after_another_scope(
    here: Database, engine: Engine, model: Any, forget: str
) -> None:
    number, attribute = (1, "name") if model is User else (111, "text")
    with Session(engine) as session:
        with tenant_scope("a"):
            held = session.get_one(model, number)
            if forget == "expire":
                session.expire(held)
            else:
                getattr(session, forget)()
        with tenant_scope("b"):
            assert session.get(User, 2) is not None
        with tenant_scope("a"):
            setattr(held, attribute, "changed")
            session.commit()
    assert (here.read(f"SELECT {attribute} FROM {model.__tablename__} WHERE id = {number}")) == [
        ("changed",)
    ]


def test_an_expired_object_of_another_tenant_is_not_changed(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            bob = session.get_one(User, 2)
            session.commit()
        with tenant_scope("a"):
            session.get(User, 1)
            bob.name = "lost"
            with pytest.raises(Exception, match=r"matched|not present|tenant"):
                session.commit()
    assert names(here) == ["ann", "bob"]


# SQLAlchemy itself only warns.
@pytest.mark.filterwarnings("ignore:DELETE statement on table")
def test_an_expired_object_of_another_tenant_is_not_deleted(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            note = session.get_one(Note, 22)
            session.commit()
        with tenant_scope("a"):
            session.get(User, 1)
            session.delete(note)
            with pytest.raises(InvalidRequestError, match="Could not refresh"):
                session.commit()
    assert here.read("SELECT id FROM move_note ORDER BY id") == [(21,), (22,)]


def test_after_the_scope_what_is_loaded_can_be_read_and_nothing_is_lost(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        assert user.name == "ann"
        with pytest.raises(MissingTenantContextError):
            _ = user.orders
        user.name = "changed"
        with pytest.raises(MissingTenantContextError):
            session.commit()
        with tenant_scope("a"):
            user.name = "again"
            session.commit()
    assert names(here) == ["again", "bob"]


# -- the same with AsyncSession ----------------------------------------------------------------


Program = Callable[[AsyncSession], Awaitable[Any]]


async def _login(session: AsyncSession) -> None:
    with system_scope("login"):
        user = await session.get_one(User, 1)
    with tenant_scope(user.tenant_id):
        assert (await session.scalars(select(User.name))).all() == ["ann"]
        user.name = "changed"
        await session.commit()


async def _question(session: AsyncSession) -> None:
    with tenant_scope("a"):
        user = await session.get_one(User, 1)
        user.name = "changed"
        with system_scope("is the name taken"):
            assert await session.scalar(select(func.count(User.id))) == 2
        await session.commit()


async def _loop(session: AsyncSession) -> None:
    for tenant in ("a", "b"):
        with tenant_scope(tenant):
            (user,) = (await session.scalars(select(User))).all()
            if tenant == "a":
                user.name = "changed"
            await session.flush()
    with tenant_scope("b"):
        await session.commit()


@pytest.mark.parametrize("program", [_login, _question, _loop])
async def test_an_async_session_goes_on_in_another_scope(here: Database, program: Program) -> None:
    engine = here.async_engine()
    try:
        async with AsyncSession(engine) as session:
            await program(session)
    finally:
        await engine.dispose()
    assert names(here) == ["changed", "bob"]
