"""All private names of SQLAlchemy that the adapter uses, and the check that they exist.

The guard overrides methods of the compiler, completes compile states and hooks into sessions
where there is no event. If such a name changed, the adapter would override a method that is no
longer called, or set an attribute that is no longer read, and rows could leak. So all of them are
listed in :data:`INTERNALS` and checked before the rest of the adapter is imported; the import
fails if one is not as expected. A test searches the adapter's sources for private names that are
not listed.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy
from sqlalchemy import util
from sqlalchemy.orm import strategies

from .bytecode import mentioned_in
from .errors import ConfigurationError

__all__ = [
    "HOOKS",
    "INTERNALS",
    "LAZY_LOADER",
    "Member",
    "Method",
    "Name",
    "Use",
    "check_internals",
    "function_at",
    "hook",
    "owner_at",
    "require",
]

Version: TypeAlias = tuple[int, ...]

LOWEST: Final[Version] = (2, 0, 36)
BEYOND: Final[Version] = (2, 2)
_2_1: Final[Version] = (2, 1)

# private: the strategy classes got an underscore in 2.1.
LAZY_LOADER: Final[Any] = getattr(
    strategies, "_LazyLoader", getattr(strategies, "LazyLoader", None)
)


@dataclass(frozen=True)
class Name:
    """A private name.

    Attributes:
        owner: the class or module that has it, as ``module:Class`` or ``module``; a leading dot
            means ``sqlalchemy``.
        name: the name.
        since: the first version that has it.
        until: the first version that no longer has it.
    """

    owner: str
    name: str
    since: Version = field(default=LOWEST, kw_only=True)
    until: Version = field(default=BEYOND, kw_only=True)

    def wrong(self, mentions: Callable[[Any], frozenset[str]]) -> Iterator[str]:
        """Yield what is not as expected.

        Args:
            mentions: returns the names that a function mentions.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Method(Name):
    """A function that is overridden, replaced or called.

    Attributes:
        parameters: the names of its first parameters.
    """

    parameters: str

    def wrong(self, mentions: Callable[[Any], frozenset[str]]) -> Iterator[str]:
        function = getattr(owner_at(self.owner), self.name, None)
        expected = self.parameters.split()
        if (
            not callable(function)
            or list(inspect.signature(function).parameters)[: len(expected)] != expected
        ):
            yield f"{_label(self.owner)}.{self.name}"


@dataclass(frozen=True)
class Member(Name):
    """Something that the owner must have.

    Attributes:
        kind: the type that it must have, if that matters.
    """

    kind: type[Any] = object

    def wrong(self, mentions: Callable[[Any], frozenset[str]]) -> Iterator[str]:
        found = inspect.getattr_static(owner_at(self.owner), self.name, None)
        if found is None or not isinstance(found, self.kind):
            yield f"{_label(self.owner)}.{self.name}"


@dataclass(frozen=True)
class Use(Name):
    """An attribute, key or argument that functions of SQLAlchemy must mention.

    A name cannot be looked up on a class if other code sets it, if it is accessed through a
    string, or if it has a default when missing. So SQLAlchemy's own code is searched for it.

    Attributes:
        functions: the functions of the owner that read or write it.
    """

    functions: str

    def wrong(self, mentions: Callable[[Any], frozenset[str]]) -> Iterator[str]:
        for function in self.functions.split():
            if self.name not in mentions(function_at(self.owner, function)):
                yield f"{self.name} in {_label(self.owner)}.{function}"


_COMPILER: Final = ".sql.compiler:SQLCompiler"
_PREPARER: Final = ".sql.compiler:IdentifierPreparer"
_CONNECTION: Final = ".engine.base:Connection"
_SESSION: Final = ".orm.session:Session"
_CRUD: Final = ".sql.crud"
_WRITES: Final = "visit_insert visit_update visit_delete"

INTERNALS: Final[tuple[Name, ...]] = (
    # -- the whole statement: Compiled.__init__() renders it with one call of process().
    Method(_COMPILER, "process", "self obj"),
    # The processors of parameters, which fill in the tenant at execution.
    Member(_COMPILER, "_bind_processors", util.memoized_property),
    Method(".sql.type_api:TypeEngine", "_cached_bind_processor", "self dialect"),
    # The values of an execution, before they are converted for the driver.
    Method(_COMPILER, "construct_params", "self params"),
    # A parameter that would be written into the text.
    Method(_COMPILER, "render_literal_bindparam", "self bindparam"),
    # What is cut out of the text for INSERTs in batches still has the marks.
    Use(_COMPILER, "_insertmanyvalues", "visit_insert _deliver_insertmanyvalues_batches"),
    Member(".sql.compiler:_InsertManyValues", "_replace"),
    Member(".sql.compiler:_InsertManyValues", "single_values_expr"),
    Member(".sql.compiler:_InsertManyValues", "insert_crud_params"),
    # -- SELECT
    # What stands in FROM, before any part of the statement is rendered.
    Method(_COMPILER, "_setup_select_stack", "self select compile_state"),
    # Renders FROM, WHERE and the following clauses; gets a statement with the criteria.
    Method(_COMPILER, "_compose_select_body", "self text select"),
    Use(_COMPILER, "_where_criteria", "_compose_select_body visit_update visit_delete"),
    # If the statement groups by a key, its tables do not become derived tables.
    Use(_COMPILER, "_group_by_clauses", "_compose_select_body"),
    Use(_COMPILER, "_having_criteria", "_compose_select_body"),
    Use(_COMPILER, "_order_by_clauses", "_compose_select_body"),
    Member(".sql.selectable:Select", "_distinct"),
    # Set operations, and what keeps a subquery apart from the statement around it.
    Method(_COMPILER, "visit_compound_select", "self cs"),
    Method(_COMPILER, "for_update_clause", "self select"),
    Use(_COMPILER, "_has_row_limiting_clause", "_compose_select_body visit_compound_select"),
    # The columns of a subquery, with their names.
    Use(_COMPILER, "columns_plus_names", "visit_select"),
    # Raw SQL after the criteria, and hints on tables.
    Use(_COMPILER, "_suffixes", "visit_select"),
    Use(_COMPILER, "_statement_hints", "visit_select"),
    Use(_COMPILER, "_hints", "visit_select visit_update visit_delete"),
    # The clauses of syntax extensions.
    Use(
        _COMPILER,
        "_post_criteria_clause",
        "_compose_select_body update_post_criteria_clause delete_post_criteria_clause",
        since=_2_1,
    ),
    Use(_COMPILER, "_post_body_clause", "visit_select", since=_2_1),
    # -- the stack of statements that are being rendered
    Use(_COMPILER, "stack", f"_setup_select_stack current_executable {_WRITES}"),
    Use(_COMPILER, "selectable", f"_setup_select_stack current_executable {_WRITES}"),
    # The tables to which a subquery may correlate; the guard adds the table of an upsert.
    Use(_COMPILER, "correlate_froms", f"_setup_select_stack {_WRITES}"),
    Use(_COMPILER, "correlate_froms", "_enclosing_correlate_froms", since=_2_1),
    Use(_COMPILER, "correlate_froms", "_display_froms_for_select", until=_2_1),
    Member(_COMPILER, "current_executable", property),
    # -- elements, and the arguments that describe their place
    Method(_COMPILER, "visit_join", "self join"),
    Method(_COMPILER, "visit_table", "self table asfrom"),
    Method(_COMPILER, "visit_alias", "self alias asfrom"),
    Method(_COMPILER, "visit_cte", "self cte asfrom"),
    Method(_COMPILER, "visit_column", "self column"),
    Method(_COMPILER, "escape_literal_column", "self text"),
    Use(
        _COMPILER,
        "escape_literal_column",
        "visit_column visit_custom_op_binary visit_custom_op_unary_operator "
        "visit_custom_op_unary_modifier",
    ),
    Method(_COMPILER, "visit_textclause", "self textclause"),
    Method(_COMPILER, "visit_tstring", "self tstring", since=_2_1),
    Method(_COMPILER, "visit_custom_op_binary", "self element operator"),
    Method(_COMPILER, "visit_custom_op_unary_operator", "self element operator"),
    Method(_COMPILER, "visit_custom_op_unary_modifier", "self element operator"),
    Use(_COMPILER, "asfrom", "_compose_select_body visit_join visit_table visit_alias"),
    Use(_COMPILER, "ashint", "_setup_select_hints visit_alias"),
    Use(_COMPILER, "iscrud", "visit_alias update_tables_clause delete_table_clause"),
    Use(_COMPILER, "enclosing_alias", "visit_alias"),
    Use(_COMPILER, "within_tstring", "visit_tstring", since=_2_1),
    Use(_COMPILER, "include_table", "visit_column"),
    # An alias of a common table expression is also one.
    Use(_COMPILER, "_cte_alias", "visit_cte"),
    # A schema that is known only at execution.
    Use(_PREPARER, "__[SCHEMA_%s]", "_with_schema_translate"),
    Use(_PREPARER, "_none", "_with_schema_translate"),
    Method(_PREPARER, "_render_schema_translates", "self statement schema_translate_map"),
    # The name with which the columns of an anonymous alias are rendered.
    Method(_COMPILER, "_truncated_identifier", "self ident_class name"),
    Member(".sql.elements", "_truncated_label"),
    # -- INSERT, UPDATE and DELETE: their compile states are completed before rendering
    Method(_COMPILER, "visit_insert", "self insert_stmt"),
    Method(_COMPILER, "visit_update", "self update_stmt"),
    Method(_COMPILER, "visit_delete", "self delete_stmt"),
    Use(_COMPILER, "_compile_state_factory", _WRITES),
    Use(_COMPILER, "statement", _WRITES),
    Member(".sql.dml:Insert", "_compile_state_factory"),
    Member(".sql.dml:Update", "_compile_state_factory"),
    Member(".sql.dml:Delete", "_compile_state_factory"),
    Use(_COMPILER, "visiting_cte", _WRITES),
    Use(_COMPILER, "visited_bindparam", "visit_insert"),
    # The rendered columns and values of an INSERT or UPDATE.
    Method(_CRUD, "_get_crud_params", "compiler stmt compile_state toplevel"),
    Use(_COMPILER, "_get_crud_params", "visit_insert visit_update"),
    Use(_COMPILER, "single_params", "visit_insert visit_update"),
    Use(_CRUD, "_dict_parameters", "_get_crud_params"),
    Use(_CRUD, "_no_parameters", "_get_crud_params"),
    Use(_CRUD, "_multi_parameters", "_get_crud_params"),
    Use(_CRUD, "_has_multi_parameters", "_get_crud_params"),
    Use(_CRUD, "_select_names", "_get_crud_params _scan_insert_from_select_cols"),
    # 2.0 keeps the arguments of ordered_values() in a second place.
    Use(_CRUD, "_ordered_values", "_get_crud_params", until=_2_1),
    # The further tables of UPDATE ... FROM and DELETE ... USING.
    Use(_COMPILER, "_extra_froms", "visit_update visit_delete"),
    # The clauses after VALUES, and whether the statement returns rows or implicit keys.
    Use(_COMPILER, "_post_values_clause", "visit_insert"),
    Use(_COMPILER, "_prefixes", "visit_insert"),
    Use(_CRUD, "_returning", "_get_returning_modifiers"),
    Use(_CRUD, "_return_defaults", "_get_returning_modifiers"),
    Use(_CRUD, "_supports_implicit_returning", "_get_returning_modifiers"),
    # -- elements that are copied, rendered on their own or compared
    Method(".sql.elements:ClauseElement", "_clone", "self"),
    Method(".sql.elements:BindParameter", "_clone", "self maintain_key"),
    Member(".sql.elements:ClauseElement", "_compiler_dispatch"),
    # The types that replace a type on some databases.
    Use(".sql.type_api:TypeEngine", "_variant_mapping", "with_variant"),
    # -- identifiers, and the cache of quoted ones
    Method(_PREPARER, "quote", "self ident"),
    Method(_PREPARER, "quote_identifier", "self value"),
    Method(_PREPARER, "format_table", "self table"),
    Method(_PREPARER, "format_alias", "self alias"),
    Use(_PREPARER, "_strings", "__init__ quote"),
    # -- connections: every execution goes through one of these
    Method(".engine.base:Engine", "connect", "self"),
    Method(
        _CONNECTION, "_execute_clauseelement", "self elem distilled_parameters execution_options"
    ),
    Use(_CONNECTION, "_execution_options", "_execute_clauseelement"),
    Method(_CONNECTION, "_execute_ddl", "self ddl distilled_parameters execution_options"),
    Method(_CONNECTION, "_execute_default", "self default distilled_parameters execution_options"),
    Method(
        _CONNECTION,
        "_execute_compiled",
        "self compiled distilled_parameters execution_options",
        until=_2_1,
    ),
    Method(_CONNECTION, "_begin_impl", "self transaction"),
    Method(_CONNECTION, "_begin_twophase_impl", "self transaction"),
    Method(_CONNECTION, "exec_driver_sql", "self statement parameters execution_options"),
    Method(_CONNECTION, "_exec_single_context", "self dialect context statement parameters"),
    Method(_CONNECTION, "_exec_insertmany_context", "self dialect context"),
    Method(_CONNECTION, "_cursor_execute", "self cursor statement parameters context"),
    Method(_CONNECTION, "_handle_dbapi_exception", "self e statement parameters cursor context"),
    Method(_CONNECTION, "_is_autocommit_isolation", "self"),
    # -- sessions: their answers with and without SQL
    Method(
        ".orm.session:SessionTransaction", "_connection_for_bind", "self bind execution_options"
    ),
    Method(_SESSION, "_identity_lookup", "self mapper primary_key_identity"),
    Method(_SESSION, "_flush", "self objects"),
    Method(_SESSION, "_merge", "self state state_dict"),
    Method(_SESSION, "_bulk_save_mappings", "self mapper mappings"),
    # The foreign key of an object that no longer refers to another.
    Method(".orm.sync", "clear", "dest dest_mapper synchronize_pairs", until=_2_1),
    Method(".orm.sync", "_clear", "dest dest_mapper synchronize_pairs", since=_2_1),
    # A relationship that is loaded on access.
    Method(".orm.strategies:LazyLoader", "_load_for_state", "self state passive", until=_2_1),
    Method(".orm.strategies:_LazyLoader", "_load_for_state", "self state passive", since=_2_1),
    # -- rows that become objects
    Method(".orm.loading", "instances", "cursor context"),
    Method(".engine.result:ChunkedIteratorResult", "__init__", "self cursor_metadata chunks"),
    Use(".engine.result:ChunkedIteratorResult", "_yield_per", "yield_per"),
    # Takes some objects out of a session, and not those to which they refer.
    Method(_SESSION, "_expunge_states", "self states"),
    # A change to an object that left its session raises.
    Method(".orm.state:InstanceState", "_modified_event", "self dict_ attr"),
    Use(".orm.attributes", "_modified_event", "flag_modified"),
    Use(".orm.attributes:ScalarAttributeImpl", "_modified_event", "set delete", until=_2_1),
    Use(".orm.attributes:_ScalarAttributeImpl", "_modified_event", "set delete", since=_2_1),
    # Tells whether an object was read again.
    Use(".orm.loading", "runid", "_instance_processor"),
    # The classes of a base, also those that are not mapped yet.
    Use(".orm:registry", "_managers", "_add_manager"),
    # Recognizes an ordinary query, whose objects prove that their rows are the tenant's.
    Member(".orm.context", "ORMSelectCompileState", until=_2_1),
    Member(".orm.context", "_ORMSelectCompileState", since=_2_1),
    Use(".orm.context:ORMSelectCompileState", "_entities", "_setup_for_generate", until=_2_1),
    Use(".orm.context:_ORMSelectCompileState", "_entities", "_setup_for_generate", since=_2_1),
    Use(".sql.base:Executable", "_with_options", "options"),
    Use(".sql.selectable:SelectState", "_memoized_select_entities", "__init__"),
)
"""Private names, and public names on whose use by SQLAlchemy the adapter relies."""


def check_internals() -> None:
    """Check that this version of SQLAlchemy is supported and has the expected internals.

    Raises:
        ConfigurationError: it is not supported, or an internal has changed, so that the guard
            could have no effect.
    """
    require(INTERNALS)


def require(names: tuple[Name, ...], package: str = "SQLAlchemy") -> None:
    """Check that each of ``names`` is as expected.

    Args:
        names: the names that the adapter uses.
        package: the package that they belong to.

    Raises:
        ConfigurationError: one is not as expected, or this SQLAlchemy is not supported.
    """
    version = _version(sqlalchemy.__version__)
    if not LOWEST <= version < BEYOND:
        raise ConfigurationError(
            f"SQLAlchemy {sqlalchemy.__version__} is not supported, since the guard could have no "
            "effect; install sqlalchemy>=2.0.36,<2.2"
        )
    known: dict[Any, frozenset[str]] = {}

    def mentions(function: Any) -> frozenset[str]:
        if function not in known:
            code = getattr(function, "__code__", None)
            known[function] = frozenset() if code is None else frozenset(mentioned_in(code))
        return known[function]

    wrong = [
        each
        for name in names
        if name.since <= version < name.until
        for each in name.wrong(mentions)
    ]
    if wrong:
        raise ConfigurationError(
            f"this version of {package} is not supported, since the guard could have no effect: "
            f"{', '.join(wrong)} changed; install sqlalchemy>=2.0.36,<2.2 and packages that fit it"
        )


def _version(text: str) -> Version:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


def _label(owner: str) -> str:
    return owner.rpartition(":")[2].lstrip(".")


def owner_at(path: str) -> Any:
    """Return the class or module at ``path``; ``None`` if it does not exist."""
    module, _, name = path.partition(":")
    found = importlib.import_module(f"sqlalchemy{module}" if module[0] == "." else module)
    return getattr(found, name, None) if name else found


def function_at(owner: str, name: str) -> Any:
    """Return a function, or a property's function, without the adapter's hooks."""
    found = inspect.getattr_static(owner_at(owner), name, None)
    found = getattr(found, "__func__", getattr(found, "fget", found))
    return inspect.unwrap(found) if callable(found) else None


HOOKS: Final[list[tuple[Any, Callable[..., Any]]]] = []
"""The hooked classes and modules, each with the function whose ``__wrapped__`` is the method."""


def hook(owner: Any, function: Callable[..., Any]) -> None:
    setattr(owner, function.__name__, function)
    HOOKS.append((owner, function))
