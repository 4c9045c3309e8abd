"""Switch report mode on, and let through what it observes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy import inspect as inspect_mapping
from sqlalchemy.engine import Compiled, Connection
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, loading

from tenantshield_mw.context import SystemContext, current_bound

from ..errors import ConfigurationError
from ..execution.dialects import dialect_for_ddl, guarded_dialect_of
from ..ownership.model import table_label
from ..ownership.registry import registry
from ..raw_sql.checks import REVIEWED, RawText, Source, check
from ..transactions import HELD
from .examining import IS_EXAMINING, REFUSALS, Finding, examine
from .places import Place, current_place
from .plain import reaches_only_observed
from .reports import OnReport, Report, Reports, log

__all__ = ["Observation", "observe", "running"]


class Observation:
    """Report mode, until :meth:`stop`.

    Attributes:
        tables: the tables that are observed; ``None`` for all.
    """

    def __init__(
        self,
        tables: tuple[Table, ...] | None,
        file: str | os.PathLike[str] | None,
        on_report: OnReport | None,
    ) -> None:
        self.tables = tables
        self._reports = Reports(file, on_report)
        self._replaced: list[tuple[Any, str, Any]] = []

    @property
    def reports(self) -> list[Report]:
        """What was reported so far in this process, by file and line."""
        return self._reports.all

    def stop(self) -> None:
        """Protect all tables again."""
        if self not in _RUNNING:
            return
        _RUNNING.clear()
        registry.observe([])
        while self._replaced:
            setattr(*self._replaced.pop())

    def start(self) -> None:
        """Observe from now on.

        Raises:
            ConfigurationError: something is already observed.
        """
        if _RUNNING:
            raise ConfigurationError(
                "observe() was called before: stop() that observation, or name all tables in one "
                "call"
            )
        registry.observe(self.tables)
        _RUNNING.append(self)
        for observing in (self._statement, self._compiled, self._ddl, self._driver_sql):
            observing()
        if self.tables is None:
            # Results are read on in any scope.
            self._replace(loading, "instances", loading.instances.__wrapped__)  # type: ignore[attr-defined]
        what = "all tables" if self.tables is None else ", ".join(map(table_label, self.tables))
        log.warning(
            "report mode: %s: statements run as they are, and tenants are NOT kept apart", what
        )

    def _replace(self, owner: Any, name: str, function: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)

    def _report(self, findings: list[Finding], place: Place) -> None:
        for each in dict.fromkeys(findings):
            self._reports.add(place, each.table, each.operation, each.effect, each.detail)

    def _run(
        self, guarded: Any, connection: Connection, executed: Any, parameters: Any, options: Any
    ) -> Any:
        """Execute a statement as it was if all its tables are observed, else under the guard."""
        statement = executed.statement if isinstance(executed, Compiled) else executed
        if statement is None or _is_as_usual(connection):
            return guarded(connection, executed, parameters, options)
        rows = [parameters] if isinstance(parameters, dict) else list(parameters or ())
        place = current_place()
        verdict = examine(connection, statement, rows, options, follows=place.follows)
        if not verdict.is_observed:
            return guarded(connection, executed, parameters, options)
        self._report(verdict.findings, place)
        result = guarded.__wrapped__(connection, executed, parameters, options)
        self._report(verdict.look_again(result.context.compiled_parameters), place)
        return result

    # -- in place of the guard's hooks, each of which has what it replaced as __wrapped__ --------

    def _statement(self) -> None:
        guarded: Any = Connection._execute_clauseelement

        @functools.wraps(guarded)
        def observed(connection: Connection, elem: Any, parameters: Any, options: Any) -> Any:
            return self._run(guarded, connection, elem, parameters, options)

        self._replace(Connection, "_execute_clauseelement", observed)

    def _compiled(self) -> None:
        # private: missing in 2.1, which no longer executes compiled statements.
        guarded: Any = getattr(Connection, "_execute_compiled", None)
        if guarded is None:
            return

        @functools.wraps(guarded)
        def observed(connection: Connection, compiled: Any, parameters: Any, options: Any) -> Any:
            return self._run(guarded, connection, compiled, parameters, options)

        self._replace(Connection, "_execute_compiled", observed)

    def _ddl(self) -> None:
        guarded: Any = Connection._execute_ddl

        @functools.wraps(guarded)
        def observed(connection: Connection, element: Any, parameters: Any, options: Any) -> Any:
            if registry.observes_all and not _is_as_usual(connection):
                try:
                    dialect_for_ddl(connection, element, options)
                except REFUSALS as error:
                    self._report([Finding("", "DDL", "refused", str(error))], current_place())
                    return guarded.__wrapped__(connection, element, parameters, options)
            return guarded(connection, element, parameters, options)

        self._replace(Connection, "_execute_ddl", observed)

    def _driver_sql(self) -> None:
        guarded: Callable[..., Any] = Connection.exec_driver_sql

        @functools.wraps(guarded)
        def observed(
            connection: Connection,
            statement: str,
            parameters: Any = None,
            execution_options: Any = None,
        ) -> Any:
            dialect = guarded_dialect_of(connection)
            try:
                if not (execution_options or {}).get(REVIEWED):
                    check(RawText(statement, Source.DRIVER_SQL, dialect))
            except REFUSALS as error:
                # Asked now and not before: SQLAlchemy itself sends some that name no table while
                # it connects, and would leave the connection open if that raised.
                is_observed = registry.observes_all or reaches_only_observed(statement, dialect)
                if not _is_as_usual(connection) and is_observed:
                    self._report([Finding("", "raw SQL", "refused", str(error))], current_place())
                    plain: Any = guarded
                    return plain.__wrapped__(connection, statement, parameters, execution_options)
            return guarded(connection, statement, parameters, execution_options)

        self._replace(Connection, "exec_driver_sql", observed)


_RUNNING: Final[list[Observation]] = []
"""The observation of this process, if there is one."""


def running() -> Observation | None:
    """Return the observation of this process; ``None`` if nothing is observed."""
    return next(iter(_RUNNING), None)


def _is_as_usual(connection: Connection) -> bool:
    """Return whether nothing is observed here: by a look-up of the guard, or in a system scope."""
    if HELD in connection.engine.dialect.__dict__:
        raise ConfigurationError(
            "observe() is switched on, and this engine sends the tenant to policies, which "
            "enforce it, or has Placements: leave out either rls.enforce() and Placements(), or "
            "observe()"
        )
    return IS_EXAMINING.get() or registry.is_empty or isinstance(current_bound(), SystemContext)


def observe(
    *tables: Any,
    file: str | os.PathLike[str] | None = None,
    on_report: OnReport | None = None,
) -> Observation:
    """Report what the guard would do instead of doing it: for an application that moves in.

    Call it once at start-up. Statements whose tenant-aware tables are all observed run as they
    were. Each that would be refused, or be confined although it does not itself compare the
    tenant, is reported once for each line of the application: to the logger
    ``tenantshield_mw.observe`` at level WARNING, to ``file`` and to ``on_report``.

    Nothing keeps tenants apart on observed tables. The tenant is not filled in either, and
    sessions keep their objects when the scope changes.

    Args:
        tables: the models or tables to observe; all if there are none. A statement that also
            concerns a table which is not observed is confined or refused as a whole.
        file: gets a line of JSON for each report, after what it has; ``tenantshield-mw report``
            shows it.
        on_report: called once for each report, in the thread or task that executes the
            statement, with a :class:`Report`.

    Returns:
        The observation, with its ``reports`` so far, and ``stop()``.

    Raises:
        ConfigurationError: something is already observed, or is neither a mapped class nor a
            ``Table``. Executing a statement raises it if the engine sends the tenant to policies.
        OSError: ``file`` cannot be written.
    """
    named = tuple(table for each in tables for table in _tables_of(each)) if tables else None
    observation = Observation(named, file, on_report)
    observation.start()
    return observation


def _tables_of(target: Any) -> list[Table]:
    if isinstance(target, Table):
        return [target]
    try:
        mapper = inspect_mapping(target)
    except NoInspectionAvailable:
        mapper = None
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(
            f"observe() takes mapped classes and tables, not a {type(target).__name__}"
        )
    return [each for each in mapper.tables if isinstance(each, Table)]
