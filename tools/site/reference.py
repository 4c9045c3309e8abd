"""The reference: every name of every ``__all__``, from its docstring.

``.. names:: MODULE`` documents the names that a module exports, where they are defined. ``.. room::
PACKAGE`` does so for the modules of a package that applications do not import, without the names
that a module of the first kind exports.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS

__all__ = ["PUBLIC", "Definition", "definition_of", "modules_of", "setup"]

_ADAPTERS: Final = "tenantshield_mw.adapters"

PUBLIC: Final = (
    "tenantshield_mw",
    "tenantshield_mw.resolvers",
    "tenantshield_mw.jobs",
    *(f"{_ADAPTERS}.{each}" for each in ("starlette", "litestar", "flask")),
    *(f"{_ADAPTERS}.{each}" for each in ("celery", "dramatiq", "rq", "taskiq")),
    *(f"{_ADAPTERS}.{each}" for each in ("opentelemetry", "structlog", "command", "testing")),
    f"{_ADAPTERS}.testing.plugin",
    f"{_ADAPTERS}.sqlalchemy",
    *(
        f"{_ADAPTERS}.sqlalchemy.{each}"
        for each in (
            "rls",
            "alembic",
            "citus",
            "comments",
            "observe",
            "doctor",
            "placements",
            "prove",
            "provisioning",
            "testing",
        )
    ),
)
"""The modules that applications import from."""

_LONGEST_VALUE: Final = 88


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a name is defined, and as what.

    Attributes:
        module: the module.
        name: its name there.
        kind: ``class``, ``function``, ``data`` or ``module``.
        value: the source of what is assigned, if it is short.
    """

    module: str
    name: str
    kind: str
    value: str = ""

    def documentation(self) -> list[str]:
        """Return the lines of the docstring below an assignment."""
        documented = ModuleAnalyzer.for_module(self.module).find_attr_docs()
        return documented.get(("", self.name), [])


@cache
def definition_of(module: str, name: str) -> Definition:
    """Follow the imports to where ``name`` is defined.

    Args:
        module: a module that defines or imports it.
        name: a name in its ``__all__``.

    Raises:
        LookupError: the module does neither.
    """
    found = _defined_in(module).get(name)
    if found is None:
        raise LookupError(f"{module} neither defines nor imports {name}")
    # A module that a package imports of itself is one.
    if isinstance(found, Definition):
        return found
    source, imported = found
    return (
        Definition(f"{source}.{imported}", "", "module")
        if source == module
        else definition_of(source, imported)
    )


@cache
def _defined_in(module: str) -> dict[str, Definition | tuple[str, str]]:
    """Return what a module defines, and where it imports the rest from, by name."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text()
    lines = source.splitlines()
    found: dict[str, Definition | tuple[str, str]] = {}
    for statement in _statements(ast.parse(source).body):
        match statement:
            case ast.ClassDef(name=name):
                found[name] = Definition(module, name, "class")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = Definition(module, name, "function")
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ):
                found.setdefault(name, Definition(module, name, "data", _short(value, lines)))
            case ast.ImportFrom(names=names):
                origin = _origin(module, statement, is_package=spec.submodule_search_locations)
                found |= {each.asname or each.name: (origin, each.name) for each in names}
            case _:
                pass
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those under a condition."""
    for each in body:
        yield each
        if isinstance(each, ast.If | ast.Try):
            yield from _statements([*each.body, *each.orelse])


def _short(value: ast.expr | None, lines: list[str]) -> str:
    """Return the source of a value, if it is on one of the module's lines and not too long."""
    if value is None or value.lineno != value.end_lineno:
        return ""
    # The columns count bytes.
    line = lines[value.lineno - 1].encode()
    shown = line[value.col_offset : value.end_col_offset].decode()
    return shown if len(shown) <= _LONGEST_VALUE else ""


def _origin(module: str, found: ast.ImportFrom, *, is_package: object) -> str:
    parts = module.split(".")
    kept = parts[: len(parts) - found.level + bool(is_package)] if found.level else []
    return ".".join([*kept, *filter(None, [found.module])])


def modules_of(package: str) -> Iterator[str]:
    """Yield the package and its modules, without the packages in it."""
    yield package
    for each in iter_modules(import_module(package).__path__, f"{package}."):
        # A program runs when it is imported.
        if not each.ispkg and not each.name.endswith(".__main__"):
            yield each.name


@cache
def _exported() -> frozenset[tuple[str, str]]:
    found = (definition_of(module, name) for module in PUBLIC for name in exports_of(module))
    return frozenset((each.module, each.name) for each in found)


def exports_of(module: str) -> list[str]:
    """Return the names in the ``__all__`` of a module."""
    return sorted(getattr(import_module(module), "__all__", ()), key=str.lower)


class Names(SphinxDirective):
    """``.. names:: MODULE``, with ``:except:`` for what is described elsewhere."""

    required_arguments = 1
    option_spec = {"except": str.split}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the nodes."""
        module = self.arguments[0]
        self._note(module)
        left_out = self.options.get("except", [])
        names = [each for each in exports_of(module) if each not in left_out]
        return self._parsed([f".. py:module:: {module}", "", *_described(module, names)])

    def _note(self, module: str) -> None:
        file = import_module(module).__file__
        assert file is not None
        self.env.note_dependency(file)

    def _parsed(self, lines: list[str]) -> list[nodes.Node]:
        section = nodes.section()
        section.document = self.state.document
        self.state.nested_parse(StringList(lines, source=self.get_location()), 0, section)
        parsed: list[nodes.Node] = section.children
        return parsed


class Room(Names):
    """``.. room:: PACKAGE``."""

    option_spec = {}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the nodes."""
        found: list[nodes.Node] = []
        for module in modules_of(self.arguments[0]):
            if module in PUBLIC:
                continue
            self._note(module)
            names = [each for each in exports_of(module) if _is_inside(module, each)]
            title = nodes.rubric("", "", nodes.literal("", module.removeprefix("tenantshield_mw.")))
            lines = [
                *_introduced(module),
                *(line for each in names for line in _in_short(module, each)),
            ]
            found += [title, *self._parsed(lines)]
        return found


def _is_inside(module: str, name: str) -> bool:
    found = definition_of(module, name)
    return found.module == module and (module, name) not in _exported()


def _introduced(module: str) -> list[str]:
    text = (import_module(module).__doc__ or "").strip().splitlines()
    # A package may export a function that has the name of its module.
    package, _, name = module.rpartition(".")
    is_hidden = (
        bool(package)
        and name in exports_of(package)
        and definition_of(package, name).kind != "module"
    )
    directive = "currentmodule" if is_hidden else "module"
    return [f".. py:{directive}:: {module}", "", *text, ""]


def _in_short(module: str, name: str) -> list[str]:
    """Return a name with the first paragraph of its docstring: the source has the rest."""
    found = definition_of(module, name)
    if found.kind == "data":
        text = found.documentation()
    else:
        text = (getattr(import_module(module), name).__doc__ or "").strip().splitlines()
    paragraph = [line.strip() for line in takewhile(str.strip, text)]
    # An example follows, which is left out.
    summary = [re.sub("::$", ".", line) for line in paragraph if line.strip() != "::"]
    # Applications meet a name such as Kind in the other part of the reference.
    hidden = ["   :no-index:"] if name in {public for _, public in _exported()} else []
    directive = f".. py:{found.kind}:: {name}"
    options = [f"   :module: {module}", "   :no-contents-entry:", *hidden]
    return [directive, *options, "", *(f"   {line}" for line in summary), ""]


def _described(module: str, names: list[str]) -> list[str]:
    lines: list[str] = []
    for name in names:
        found = definition_of(module, name)
        if found.kind == "data":
            lines += _data(module, name, found)
        elif found.kind == "class":
            is_error = isinstance(getattr(import_module(module), name), type) and issubclass(
                getattr(import_module(module), name), BaseException
            )
            directive = "autoexception" if is_error else "autoclass"
            lines += [f".. {directive}:: {module}.{name}", "   :members:", ""]
        elif found.kind == "function":
            lines += [f".. autofunction:: {module}.{name}", ""]
    return lines


def _data(module: str, name: str, found: Definition) -> list[str]:
    lines = [f".. py:data:: {name}", f"   :module: {module}"]
    if found.module != module:
        lines.append(f"   :canonical: {found.module}.{found.name}")
    if found.value:
        lines.append(f"   :value: {found.value}")
    return [*lines, "", *(f"   {line}" for line in found.documentation()), ""]


class Command(SphinxDirective):
    """``{command} NAME``: what ``tenantshield-mw NAME --help`` prints."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the text."""
        done = subprocess.run(
            [sys.executable, "-m", f"{_ADAPTERS}.command", self.arguments[0], "--help"],
            env={**os.environ, "COLUMNS": "88", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [nodes.literal_block(done.stdout, done.stdout, language="text")]


class AnchorsOfFindings(SphinxPostTransform):
    """Gives each row of a table that begins with the kind of a finding the kind as its anchor."""

    default_priority = 700

    def run(self, **kwargs: object) -> None:
        """Set the anchors of the page."""
        if self.env.docname != "doctor":
            return
        for row in self.document.findall(nodes.row):
            cell = row[0]
            assert isinstance(cell, nodes.Element)
            if cell.astext() in KINDS:
                cell["ids"].append(cell.astext())


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("names", Names)
    app.add_directive("room", Room)
    app.add_directive("command", Command)
    app.add_post_transform(AnchorsOfFindings)
    return {"version": "1", "parallel_read_safe": True}
