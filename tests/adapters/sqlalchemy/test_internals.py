"""SQLAlchemy's private names: a change of one stops the adapter."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.sql import crud
from sqlalchemy.sql.compiler import IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.dml import InsertDMLState

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.internals import check_internals

RELIED_ON: list[tuple[Any, str]] = [
    (SQLCompiler, "process"),
    (SQLCompiler, "visit_select"),
    (SQLCompiler, "visit_insert"),
    (SQLCompiler, "visit_update"),
    (SQLCompiler, "visit_delete"),
    (SQLCompiler, "visit_join"),
    (SQLCompiler, "visit_table"),
    (SQLCompiler, "visit_alias"),
    (SQLCompiler, "visit_column"),
    (SQLCompiler, "visit_textclause"),
    (SQLCompiler, "render_literal_bindparam"),
    (SQLCompiler, "_setup_select_stack"),
    (SQLCompiler, "_compose_select_body"),
    (SQLCompiler, "_truncated_identifier"),
    (IdentifierPreparer, "quote"),
    (IdentifierPreparer, "quote_identifier"),
    (crud, "_get_crud_params"),
    (Connection, "_execute_clauseelement"),
    (Connection, "_exec_single_context"),
    (Connection, "_exec_insertmany_context"),
    (Connection, "_cursor_execute"),
    (Connection, "_handle_dbapi_exception"),
    (SessionTransaction, "_connection_for_bind"),
    (Session, "_identity_lookup"),
    (Session, "_merge"),
]


def other_signature(function: Any) -> inspect.Signature:
    """Return the signature of ``function`` with its second parameter renamed."""
    first, second, *rest = inspect.signature(function).parameters.values()
    return inspect.Signature([first, second.replace(name="renamed"), *rest])


def test_the_installed_version_is_as_expected() -> None:
    check_internals()


@pytest.mark.parametrize(("owner", "name"), RELIED_ON, ids=[each[1] for each in RELIED_ON])
def test_a_changed_signature_is_an_error_that_names_it(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = getattr(owner, name)
    monkeypatch.setattr(function, "__signature__", other_signature(function), raising=False)
    with pytest.raises(ConfigurationError) as caught:
        check_internals()
    assert name in str(caught.value)
    assert "sqlalchemy>=2.0.36,<2.2" in str(caught.value)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(SQLCompiler, "_bind_processors"), (InsertDMLState, "_no_parameters")],
    ids=["_bind_processors", "_no_parameters"],
)
def test_a_changed_kind_of_attribute_is_an_error(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "_bind_processors":
        monkeypatch.setattr(owner, name, property(lambda self: {}))
    else:
        for each in owner.__mro__:
            if name in vars(each):
                monkeypatch.delattr(each, name)
    with pytest.raises(ConfigurationError, match=owner.__name__):
        check_internals()


CHANGED_BEFOREHAND = """
import inspect
from sqlalchemy.sql.compiler import SQLCompiler

{change}

try:
    import tenantshield_mw.adapters.sqlalchemy
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    "change",
    [
        "del SQLCompiler._compose_select_body",
        "SQLCompiler._compose_select_body = lambda self, other: None",
    ],
    ids=["removed", "changed"],
)
def test_the_adapter_cannot_be_imported_where_a_private_name_differs(change: str) -> None:
    program = CHANGED_BEFOREHAND.format(change=change)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ConfigurationError this version of SQLAlchemy")
    assert "_compose_select_body" in done.stdout


def test_importing_the_adapter_again_hooks_nothing_twice() -> None:
    program = """
from sqlalchemy.engine import Connection
import tenantshield_mw.adapters.sqlalchemy.install as install
before = Connection._execute_clauseelement
install.install()
print(Connection._execute_clauseelement is before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
