"""Autogenerate writes scripts for the policies of tables with shared rows."""

from __future__ import annotations

from pathlib import Path

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.rls import TablePolicySpec, TenantColumn
from tenantshield_mw.adapters.sqlalchemy.rls.policies import statements_to_create
from tests.adapters.sqlalchemy.alembic.project import Project
from tests.databases import Database, database

from .models import Base


def policies(here: Database) -> set[str]:
    return {
        f"{table}.{name.removeprefix('tenantshield_')}"
        for table, name in here.read("SELECT tablename, policyname FROM pg_policies")
    }


def test_policies_without_shared_rows_are_replaced_and_restored(tmp_path: Path) -> None:
    with database("postgresql") as here:
        engine = here.engine()
        with system_scope("the tables"):
            Base.metadata.create_all(engine)
        former = TablePolicySpec("sr_provider", column=TenantColumn("tenant_id"))
        here.run(*statements_to_create(former))
        before = policies(here)
        project = Project(tmp_path / "migrations", engine, Base.metadata)
        script = project.generate()
        assert "TenantColumn(name='tenant_id', shared_rows=(None,))" in script
        assert "shared_rows=('everybody',)" in script

        project.upgrade()
        project.check()
        specs = rls.specs_of(Base.metadata)
        with engine.connect() as connection:
            assert rls.find_differences(connection, specs) == []
        assert {"sr_provider.update", "sr_offer.delete", "sr_score.update"} <= policies(here)
        assert "sr_chat.update" not in policies(here)

        project.downgrade()
        assert policies(here) == before
        with engine.connect() as connection:
            assert rls.find_differences(connection, [former]) == []
        engine.dispose()
