"""The guarded dialect of an engine: shared state, renewal and refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from tenantshield_mw import ConfigurationError, TenantShieldError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.compiler.compiler import GuardedCompiler
from tenantshield_mw.adapters.sqlalchemy.execution.dialects import guarded_dialect, is_guarded
from tests.commands import ROOT, STRICT
from tests.databases import memory_engine

from ..letters import LETTER, METADATA, Letter, seed
from ..watching import execute, fill, rows, sent


@contextmanager
def compiled(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str], None, None]:
    """Yield the statements that are compiled from now on."""
    texts: list[str] = []
    original = SQLCompiler.__init__

    def counting(self: SQLCompiler, *args: Any, **kw: Any) -> None:
        original(self, *args, **kw)
        texts.append(self.string)

    with monkeypatch.context() as patch:
        patch.setattr(SQLCompiler, "__init__", counting)
        yield texts


# An application whose first table has no column that may be set alone, and is set whole.
FIRST = """
from sqlalchemy import Column, Computed, ForeignKeyConstraint, Integer, MetaData, String, Table
from sqlalchemy import create_engine, insert, select, update

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

metadata = MetaData()
tenant = lambda: Column("tenant_id", String(20), nullable=False)
link = tenant_aware(
    Table(
        "link", metadata, Column("a", Integer), Column("b", Integer), tenant(),
        Column("c", Integer, Computed("1 + 1")),
        ForeignKeyConstraint(["a", "b"], ["end.a", "end.b"]),
    )
)
end = tenant_aware(
    Table("end", metadata, Column("a", Integer, primary_key=True), Column("b", Integer), tenant())
)
engine = create_engine("sqlite://")
metadata.create_all(engine)
with engine.begin() as connection:
    for name, number in (("acme", 1), ("globex", 2)):
        with tenant_scope(name):
            connection.execute(insert(end).values(a=number, b=number))
            connection.execute(insert(link).values(a=number, b=number))
    with tenant_scope("acme"):
        assert connection.execute(select(link.c.a)).all() == [(1,)]
        assert connection.execute(update(link).values(a=None, b=None)).rowcount == 1
engine.dispose()
"""


def test_it_does_not_matter_which_table_is_declared_first() -> None:
    finished = subprocess.run(
        [sys.executable, *STRICT, "-c", FIRST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


# -- the guarded dialect --------------------------------------------------------------------


def test_the_guarded_dialect_shares_the_state_of_the_plain_one(
    engine: Engine,
) -> None:
    guarded = guarded_dialect(engine.dialect)
    assert is_guarded(guarded)
    assert not is_guarded(engine.dialect)
    assert isinstance(guarded, type(engine.dialect))
    changed: Any = engine.dialect
    changed.server_version_info = (99, 0)
    assert guarded.server_version_info == (99, 0)


def test_the_guarded_dialect_stays_the_same_until_the_registry_changes(engine: Engine) -> None:
    first = guarded_dialect(engine.dialect)
    assert guarded_dialect(engine.dialect) is first
    tenant_aware(Table("dial_new", MetaData(), Column("tenant_id", String)))
    second = guarded_dialect(engine.dialect)
    assert second is not first
    # A statement may be running with the earlier dialect.
    assert is_guarded(second)
    assert is_guarded(first)


def test_statements_marked_as_reviewed_have_a_guarded_dialect_of_their_own(engine: Engine) -> None:
    assert guarded_dialect(engine.dialect, reviewed=True) is not guarded_dialect(engine.dialect)


def test_the_engine_keeps_its_own_dialect(engine: Engine) -> None:
    plain = engine.dialect
    execute(engine, "acme", select(LETTER))
    assert engine.dialect is plain
    assert type(plain) is SQLiteDialect_pysqlite
    with engine.connect() as connection, tenant_scope("acme"):
        connection.execute(select(LETTER))
        assert type(connection.engine.dialect) is SQLiteDialect_pysqlite


def test_an_engine_that_never_connected_is_guarded_from_its_first_statement() -> None:
    engine = memory_engine()
    with tenant_scope("acme"), engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dial_first (id INTEGER, tenant_id TEXT)")
    first = tenant_aware(
        Table("dial_first", MetaData(), Column("id", Integer), Column("tenant_id", String))
    )
    fill(engine, "INSERT INTO dial_first VALUES (1, 'acme'), (2, 'globex')")
    assert execute(engine, "acme", select(first.c.id)) == [(1,)]


def test_an_engine_copied_with_options_is_guarded(engine: Engine) -> None:
    other = engine.execution_options(isolation_level="SERIALIZABLE")
    assert execute(other, "acme", select(LETTER.c.id)) == [(1,)]


# -- caching ---------------------------------------------------------------------


def test_one_compilation_serves_all_tenants_and_all_executions(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(engine, "acme", select(LETTER.c.id).where(LETTER.c.id == 0))
    with compiled(monkeypatch) as texts:
        for tenant, expected in (("acme", [(1,)]), ("globex", [(2,)])) * 5:
            statement = select(LETTER.c.id).where(LETTER.c.id > 0)
            assert execute(engine, tenant, statement) == expected
    assert len(texts) == 1


def test_inserts_and_flushes_are_compiled_once_for_all_tenants(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(engine, "acme", insert(LETTER), {"id": 10})
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Letter(id=11, body="first"))
        session.commit()
    with compiled(monkeypatch) as texts:
        for number, tenant in enumerate(["acme", "globex", "initech"] * 3, start=20):
            execute(engine, tenant, insert(LETTER), {"id": number})
            with tenant_scope(tenant), Session(engine) as session:
                session.add(Letter(id=number + 100, body=tenant))
                session.commit()
    assert texts == []
    stamped = rows(engine, "SELECT count(*) FROM inst_letter WHERE id >= 100 AND tenant_id = body")
    assert stamped == [(9,)]


def test_orm_reads_and_lazy_lookups_are_compiled_once_for_all_tenants(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(tenant: str) -> Any:
        with tenant_scope(tenant), Session(engine) as session:
            found = session.scalars(select(Letter).where(Letter.id < 9)).all()
            assert session.get(Letter, 77) is None
            return [each.id for each in found]

    read("acme")
    with compiled(monkeypatch) as texts:
        assert read("globex") == [2]
        assert read("acme") == [1]
    assert texts == []


def test_no_tenant_is_compiled_in(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with compiled(monkeypatch) as texts:
        execute(engine, "acme", select(LETTER).where(LETTER.c.id == 5))
        execute(engine, "acme", insert(LETTER).values(id=50))
    assert texts
    assert not any("acme" in each for each in texts)


def test_guarded_and_unguarded_compilations_never_mix(engine: Engine) -> None:
    statement = select(LETTER.c.id).order_by(LETTER.c.id)
    for _ in range(3):
        assert execute(engine, "acme", statement) == [(1,)]
        with system_scope("look at all of them"), engine.connect() as connection:
            assert connection.execute(statement).all() == [(1,), (2,)]
        with tenant_scope("globex"), engine.connect() as connection:
            assert connection.execute(statement).all() == [(2,)]
            with system_scope("in between, on the same connection"):
                assert connection.execute(statement).all() == [(1,), (2,)]
            assert connection.execute(statement).all() == [(2,)]


def test_a_reviewed_compilation_never_serves_a_statement_that_is_not(engine: Engine) -> None:
    from sqlalchemy import text

    statement = text("SELECT id FROM inst_letter ORDER BY id")
    reviewed = statement.execution_options(tenantshield_reviewed=True)
    assert execute(engine, "acme", reviewed) == [(1,), (2,)]
    with pytest.raises(TenantShieldError):
        execute(engine, "acme", statement)
    assert execute(engine, "acme", reviewed) == [(1,), (2,)]


def test_a_subclass_of_a_tested_dialect_is_guarded() -> None:
    class Own(SQLiteDialect_pysqlite):
        supports_statement_cache = True

    engine = memory_engine()
    seed(engine)
    own: Any = Own()
    own.__dict__.update(
        {key: each for key, each in vars(engine.dialect).items() if "tenantshield" not in key}
    )
    engine.dialect = own
    assert execute(engine, "acme", select(LETTER.c.id)) == [(1,)]


def test_a_dialect_object_with_a_compiler_of_its_own_is_refused() -> None:
    engine = memory_engine()
    METADATA.create_all(engine)
    dialect: Any = memory_engine().dialect
    dialect.__dict__.update(
        {key: each for key, each in vars(engine.dialect).items() if "tenantshield" not in key}
    )
    dialect.statement_compiler = type("Own", (dialect.statement_compiler,), {})
    engine.dialect = dialect
    with (
        sent(engine) as statements,
        pytest.raises(ConfigurationError, match=r"statement_compiler of its own.*dialect class"),
    ):
        execute(engine, "acme", select(LETTER))
    assert statements == []


def test_a_compiler_given_to_the_dialect_after_its_first_use_is_refused_too(
    engine: Engine,
) -> None:
    assert execute(engine, "acme", select(LETTER.c.id)) == [(1,)]
    dialect: Any = engine.dialect
    dialect.statement_compiler = dialect.statement_compiler
    with sent(engine) as statements, pytest.raises(ConfigurationError, match="statement_compiler"):
        execute(engine, "acme", select(LETTER.c.id, LETTER.c.tenant_id))
    assert statements == []


def test_a_guard_without_effect_is_noticed_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = memory_engine()
    METADATA.create_all(engine)
    other = memory_engine(creator=engine.raw_connection)
    monkeypatch.setattr(GuardedCompiler, "_compose_select_body", SQLCompiler._compose_select_body)
    with (
        sent(other) as statements,
        pytest.raises(ConfigurationError, match=r"no effect on select.*nothing is executed"),
    ):
        execute(other, "acme", select(LETTER))
    assert statements == []


def test_a_dialect_class_whose_compiler_leaves_out_the_condition_is_noticed() -> None:
    plain: Any = SQLiteDialect_pysqlite.statement_compiler

    class Forgetful(plain):  # type: ignore[misc]
        def _compose_select_body(self, text: Any, select: Any, *args: Any, **kw: Any) -> Any:
            bare = select._clone()
            bare._where_criteria = ()
            return super()._compose_select_body(text, bare, *args, **kw)

    class Own(SQLiteDialect_pysqlite):
        supports_statement_cache = True
        statement_compiler = Forgetful

    engine = memory_engine()
    METADATA.create_all(engine)
    own: Any = Own()
    own.__dict__.update(
        {key: each for key, each in vars(engine.dialect).items() if "tenantshield" not in key}
    )
    engine.dialect = own
    with (
        sent(engine) as statements,
        pytest.raises(ConfigurationError, match=r"no effect on select"),
    ):
        execute(engine, "acme", select(LETTER))
    assert statements == []
