"""The tables and policies of a test database."""

from __future__ import annotations

from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.testing import tables
from tests.adapters.sqlalchemy.prove.tables import Base, Firm
from tests.policy_database import PolicyDatabase, policy_database


def test_they_are_there_for_the_block() -> None:
    engine = create_engine("sqlite://")
    with tables(engine, Base.metadata):
        assert "prove_firm" in inspect(engine).get_table_names()
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_they_have_policies_and_the_role_may_use_them() -> None:
    with policy_database() as db:
        assert isinstance(db, PolicyDatabase)
        db.run(f"ALTER ROLE {db.owner} LOGIN")
        owner, app = (create_engine(db.url.set(username=role)) for role in (db.owner, db.app))
        rls.enforce(app)
        with tables(owner, Base.metadata, role=db.app):
            with tenant_scope("acme"), Session(app) as session:
                session.add(Firm(id="acme", name="a"))
                session.commit()
            with tenant_scope("globex"), Session(app) as session:
                assert session.scalars(select(Firm)).all() == []
                cursor = session.connection().connection.cursor()
                assert cursor.execute("SELECT * FROM prove_firm").fetchall() == []
            with system_scope("see"), owner.connect() as connection:
                assert rls.find_differences(connection, rls.specs_of(Base.metadata)) == []
        assert db.read("SELECT 1 FROM pg_class WHERE relname = 'prove_firm'") == []
        app.dispose()
        owner.dispose()
