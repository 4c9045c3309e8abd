"""A table stays closed whichever one of its policies is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest

from tests.adapters.sqlalchemy.shared_rows.models import SEED
from tests.adapters.sqlalchemy.shared_rows.models import Base as Shared

from .conftest import RlsDatabase, rls_database
from .models import KINDS, Base, Cellar, mark

NAMES: Final = {
    '"floor Cellar"': "name",
    "floor_bottle": "name",
    "floor_tasting": "note",
    "floor_label": "tenant_id",
    **dict.fromkeys(Shared.metadata.tables, "name"),
}
"""By table, the column of the tests' rows that says whose a row is."""

TENANTS: Final = {"acme": {"acme", "shared"}, "globex": {"globex", "glo", "shared"}, "": {"shared"}}
"""By tenant, the names of the rows that it may see."""


@pytest.fixture(scope="module")
def made() -> Iterator[RlsDatabase]:
    with rls_database() as base:
        mark()
        base.create(Base.metadata)
        base.create(Shared.metadata)
        for number, tenant in enumerate(("acme", "globex"), 1):
            base.here.run(
                f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)""",
                f"INSERT INTO floor_bottle VALUES ({number}, {number}, '{tenant}')",
                f"INSERT INTO floor_tasting VALUES ({number}, {number}, '{tenant}')",
                f"INSERT INTO floor_label VALUES ({number}, '{tenant}', {number})",
            )
        base.here.run(*SEED)
        for model, tenants in KINDS.items():
            base.here.run(
                *(
                    f"INSERT INTO {model.__tablename__} (id, tenant_id) VALUES "
                    f"({number}, '{stored(model, each)}')"
                    for number, each in enumerate(tenants, 1)
                )
            )
        yield base


def stored(model: Any, tenant: Any) -> str:
    """Return a tenant as its column holds it."""
    return tenant.hex if model.__tablename__ == "floor_by_hex" else str(tenant)


class Without:
    """A transaction without one policy, as the application's role."""

    def __init__(self, base: RlsDatabase, connection: Any, table: str, policy: str) -> None:
        connection.execute(f"DROP POLICY {policy} ON {table}")
        connection.execute(f"SET LOCAL ROLE {base.app}")
        self.connection, self.table = connection, table

    def tell(self, tenant: object, kind: str = "text") -> None:
        self.connection.execute(
            "SELECT set_config(%s, %s, true)", [f"tenantshield.{kind}", str(tenant)]
        )

    def values(self, column: str) -> set[Any]:
        rows = self.connection.execute(f'SELECT "{column}" FROM {self.table}')
        return {value for (value,) in rows}

    def refused(self, sql: str) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), self.connection.transaction():
            self.connection.execute(sql)


def each_policy(base: RlsDatabase) -> list[tuple[str, str]]:
    rows = base.here.read(
        "SELECT quote_ident(tablename), policyname FROM pg_policies ORDER BY 1, 2"
    )
    return [(table, policy) for table, policy in rows]


def test_each_tenant_reads_its_own_rows_at_most(made: RlsDatabase) -> None:
    policies = [each for each in each_policy(made) if each[0] in NAMES]
    assert len(policies) > 40
    with made.here.dbapi() as connection:
        for table, policy in policies:
            with connection.transaction(force_rollback=True):
                one = Without(made, connection, table, policy)
                for tenant, names in TENANTS.items():
                    one.tell(tenant)
                    assert one.values(NAMES[table]) <= names, (table, policy, tenant)


def test_each_tenant_changes_its_own_rows_at_most(made: RlsDatabase) -> None:
    with made.here.dbapi() as connection:
        for table, policy in each_policy(made):
            if table not in NAMES:
                continue
            with connection.transaction(force_rollback=True):
                one = Without(made, connection, table, policy)
                one.tell("acme")
                column = NAMES[table]
                if column == "tenant_id":
                    changed = connection.execute(f"UPDATE {table} SET id = id RETURNING tenant_id")
                else:
                    changed = connection.execute(
                        f"UPDATE {table} SET {column} = {column} RETURNING {column}"
                    )
                assert {value for (value,) in changed} <= {"acme"}, (table, policy)


def test_no_tenant_writes_a_row_of_another(made: RlsDatabase) -> None:
    attempts = {
        '"floor Cellar"': [
            """INSERT INTO "floor Cellar" VALUES (9, 'globex', 'x', NULL)""",
            """UPDATE "floor Cellar" SET "Tenant Id" = 'globex'""",
        ],
        "floor_bottle": [
            "INSERT INTO floor_bottle VALUES (9, 2, 'x')",
            "UPDATE floor_bottle SET cellar_id = 2",
        ],
        "sr_template": [
            "INSERT INTO sr_template VALUES (9, 'everybody', 'x')",
            "INSERT INTO sr_template VALUES (9, 'globex', 'x')",
        ],
        "sr_offer": ["INSERT INTO sr_offer VALUES (9, 1, 'x')"],
    }
    with made.here.dbapi() as connection:
        for table, policy in each_policy(made):
            for sql in attempts.get(table, ()):
                with connection.transaction(force_rollback=True):
                    one = Without(made, connection, table, policy)
                    one.tell("acme")
                    if sql.startswith("UPDATE") and policy == "tenantshield_access":
                        # Without the only permissive policy, there is no row to change.
                        assert connection.execute(sql).rowcount == 0
                    else:
                        one.refused(sql)


@pytest.mark.parametrize("model", KINDS)
def test_a_tenant_column_of_each_type_stays_compared(made: RlsDatabase, model: Any) -> None:
    mine, _ = KINDS[model]
    kind = {str: "text", int: "integer"}.get(type(mine), "uuid")
    with made.here.dbapi() as connection:
        for table, policy in each_policy(made):
            if table != model.__tablename__:
                continue
            with connection.transaction(force_rollback=True):
                one = Without(made, connection, table, policy)
                one.tell(mine, kind)
                assert one.values("id") <= {1}, policy
                one.tell("", kind)
                assert one.values("id") == set(), policy


def test_a_policy_that_is_true_exposes_nothing(made: RlsDatabase) -> None:
    """Restrictive policies apply in addition to one that somebody adds."""
    table = Cellar.__tablename__
    with made.here.dbapi() as connection, connection.transaction(force_rollback=True):
        connection.execute(f'CREATE POLICY open ON "{table}" USING (true)')
        one = Without(made, connection, f'"{table}"', "tenantshield_access")
        one.tell("acme")
        assert one.values("name") == {"acme"}
