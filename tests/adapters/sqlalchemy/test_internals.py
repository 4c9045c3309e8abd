"""SQLAlchemy's private names: the adapter refuses to start if one changes."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import sqlalchemy

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.alembic import execution as alembic_execution
from tenantshield_mw.adapters.sqlalchemy.internals import (
    INTERNALS,
    Member,
    Method,
    Name,
    Use,
    check_internals,
    function_at,
    owner_at,
    require,
)
from tests.commands import ROOT

VERSION = tuple(map(int, re.findall(r"\d+", sqlalchemy.__version__)[:3]))
TABLE = (*INTERNALS, *alembic_execution.INTERNALS)
HERE = [each for each in TABLE if each.since <= VERSION < each.until]


def label(name: Any) -> str:
    return f"{name.owner.rpartition(':')[2]}.{name.name}" if isinstance(name, Name) else str(name)


# -- what is in the table is checked ---------------------------------------------


def renamed(code: CodeType, name: str) -> CodeType:
    """Return ``code`` with ``name`` renamed."""

    def other(each: Any) -> Any:
        if isinstance(each, str):
            return f"{each}_renamed" if each == name else each
        if isinstance(each, tuple):
            return tuple(map(other, each))
        if isinstance(each, frozenset):
            return frozenset(map(other, each))
        return renamed(each, name) if isinstance(each, CodeType) else each

    arguments = code.co_argcount + code.co_kwonlyargcount
    return code.replace(
        co_names=other(code.co_names),
        co_consts=other(code.co_consts),
        co_varnames=other(code.co_varnames[:arguments]) + code.co_varnames[arguments:],
    )


def refused(name: Name) -> str:
    """Return the message that refuses a change of ``name``."""
    with pytest.raises(ConfigurationError) as caught:
        require(TABLE)
    message = str(caught.value)
    assert name.name in message
    assert "sqlalchemy>=2.0.36,<2.2" in message
    return message


def test_the_installed_version_is_as_expected() -> None:
    check_internals()


@pytest.mark.parametrize("name", HERE, ids=label)
def test_a_name_that_is_taken_away_is_an_error_that_names_it(
    name: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(name, Use):
        owner = owner_at(name.owner)
        for each in getattr(owner, "__mro__", (owner,)):
            if name.name in vars(each) and each is not object:
                monkeypatch.delattr(each, name.name)
        if name.name == "__init__":
            monkeypatch.setattr(owner, name.name, lambda self: None)
        refused(name)
        return
    for each in name.functions.split():
        function = function_at(name.owner, each)
        with monkeypatch.context() as patch:
            patch.setattr(function, "__code__", renamed(function.__code__, name.name))
            assert f"{name.name} in " in refused(name)
        owner = owner_at(name.owner)
        with monkeypatch.context() as patch:
            for base in getattr(owner, "__mro__", (owner,)):
                if each in vars(base) and base is not object:
                    patch.delattr(base, each)
            assert each in refused(name)


@pytest.mark.parametrize("name", [each for each in HERE if isinstance(each, Method)], ids=label)
def test_a_changed_signature_is_an_error_that_names_it(
    name: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = getattr(owner_at(name.owner), name.name)
    parameters = list(inspect.signature(function).parameters.values())
    last = len(name.parameters.split()) - 1
    parameters[last] = parameters[last].replace(name="renamed")
    signature = inspect.Signature(parameters)
    monkeypatch.setattr(function, "__signature__", signature, raising=False)
    refused(name)


@pytest.mark.parametrize(
    "name",
    [each for each in HERE if isinstance(each, Member) and each.kind is not object],
    ids=label,
)
def test_a_changed_kind_is_an_error_that_names_it(
    name: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_at(name.owner), name.name, staticmethod(dict))
    refused(name)


@pytest.mark.parametrize("version", ["2.0.35", "1.4.54", "2.2.0", "2.2.0b1", "3.0"])
def test_another_version_is_an_error_that_names_it(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlalchemy, "__version__", version)
    with pytest.raises(ConfigurationError, match=rf"SQLAlchemy {re.escape(version)} is not"):
        check_internals()


CHANGED_BEFOREHAND = """
from sqlalchemy.sql import elements
from sqlalchemy.sql.compiler import SQLCompiler

{change}

try:
    import {module}
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("del SQLCompiler._compose_select_body", "_compose_select_body"),
        (
            "SQLCompiler._compose_select_body = lambda self, other: None",
            "_compose_select_body",
        ),
        ("del elements._truncated_label", "_truncated_label"),
    ],
    ids=["removed", "changed", "imported"],
)
@pytest.mark.parametrize(
    "module",
    [
        "tenantshield_mw.adapters.sqlalchemy",
        "tenantshield_mw.adapters.sqlalchemy.compiler.compiler",
    ],
)
def test_the_adapter_cannot_be_imported_where_a_private_name_differs(
    change: str, name: str, module: str
) -> None:
    program = CHANGED_BEFOREHAND.format(change=change, module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ConfigurationError this version of SQLAlchemy")
    assert name in done.stdout


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


# -- what the sources use is in the table ----------------------------------------


SOURCES = ROOT / "adapters" / "sqlalchemy"


def is_private(name: str) -> bool:
    """Return whether ``name`` is private and does not have the adapter's prefix."""
    return (
        re.fullmatch(r"_[A-Za-z]\w*", name) is not None or re.match(r"__\W", name) is not None
    ) and not name.startswith("_tenantshield")


def own_names(tree: ast.AST) -> set[str]:
    """Return the private names that a source defines."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for part in body:
                    match part:
                        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                            found.add(name)
                        case ast.Assign(targets=[ast.Name("__slots__")], value=value):
                            found |= {
                                str(each.value)
                                for each in ast.walk(value)
                                if isinstance(each, ast.Constant)
                            }
                        case ast.Assign(targets=[ast.Name(name)]):
                            found.add(name)
                        case ast.AnnAssign(target=ast.Name(name)):
                            found.add(name)
                        case _:
                            pass
            case ast.FunctionDef(name="__init__") | ast.AsyncFunctionDef(name="__init__"):
                found |= {
                    part.attr
                    for part in ast.walk(node)
                    if isinstance(part, ast.Attribute)
                    and isinstance(part.ctx, ast.Store)
                    and ast.unparse(part.value) == "self"
                }
            case _:
                pass
    return found


def other_strings(tree: ast.AST) -> set[int]:
    """Return the strings that are docstrings, parts of others or ends of names."""
    found: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                found.add(id(text))
            case ast.JoinedStr(values=parts):
                found |= set(map(id, parts))
            case ast.Call(func=ast.Attribute(attr="endswith" | "removesuffix"), args=parts):
                found |= set(map(id, parts))
            case _:
                pass
    return found


def used_names(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Yield the private names that a source uses, their lines, and whether they are of ``self``."""
    skipped = other_strings(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=name, lineno=line) if is_private(name):
                yield name, line, ast.unparse(value) in ("self", "cls")
            case ast.ImportFrom(module=str(module), names=names, level=0, lineno=line):
                if module.partition(".")[0] in ("sqlalchemy", "alembic"):
                    yield from ((each.name, line, False) for each in names if is_private(each.name))
            case ast.Subscript(value=value, slice=ast.Constant(str(name)), lineno=line):
                if "stack" in ast.unparse(value) or ast.unparse(value) in ("kw", "kwargs"):
                    yield name, line, False
            case ast.Call(
                func=ast.Attribute(value=ast.Name("kw" | "kwargs"), attr="get" | "pop"),
                args=[ast.Constant(str(name)), *_],
                lineno=line,
            ):
                yield name, line, False
            case ast.Constant(value=str(name), lineno=line) if is_private(name):
                if id(node) not in skipped:
                    yield name, line, True
            case _:
                pass


def unknown_names(source: str) -> list[tuple[str, int]]:
    """Return the private names that ``source`` uses and the table lacks, with their lines."""
    tree = ast.parse(source)
    known = {each.name for each in TABLE}
    own = own_names(tree)
    return [
        (name, line)
        for name, line, may_be_own in used_names(tree)
        if not any(each == name or (name[:2] == "__" and each.startswith(name)) for each in known)
        and not (may_be_own and name in own)
    ]


# Arguments of sessions' methods, which are public and have documented names; and what is
# Python's, a database's or a driver's own.
NOT_SQLALCHEMYS = {
    "load",
    "_getframe",
    "_rowid",
    "_rowid_",
    # pg8000's
    "_client_encoding",
    "_in_transaction",
}


@pytest.mark.parametrize(
    "path",
    [each for each in sorted(SOURCES.rglob("*.py")) if each.name != "internals.py"],
    ids=lambda path: str(path.relative_to(SOURCES)),
)
def test_each_private_name_that_a_source_uses_is_in_the_table(path: Path) -> None:
    found = [each for each in unknown_names(path.read_text()) if each[0] not in NOT_SQLALCHEMYS]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "x = statement._not_there",
        "statement._not_there = 1",
        "self._not_there()",
        "super()._not_there()",
        "getattr(statement, '_not_there', None)",
        "NAMES = ('_not_there',)",
        "self.stack[-1]['not_there'] = 1",
        "kw.get('not_there')",
        "from sqlalchemy.sql.elements import _not_there",
        "name.startswith('__[NOT_THERE')",
        "class A:\n def _not_there(self): ...\nb._not_there()",
    ],
)
def test_a_private_name_that_is_not_in_the_table_is_found(source: str) -> None:
    assert len(unknown_names(source)) == 1


@pytest.mark.parametrize("name", HERE, ids=label)
def test_nothing_is_in_the_table_that_no_source_uses(name: Name) -> None:
    word = re.compile(rf"(?<!\w){re.escape(name.name.removesuffix('%s]'))}")
    assert any(
        word.search(path.read_text())
        for path in SOURCES.rglob("*.py")
        if path.name != "internals.py"
    )
