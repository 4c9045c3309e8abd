"""A lookup for tenant directories that queries a table of tenants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asgiref.sync import sync_to_async
from sqlalchemy import (
    BigInteger,
    Boolean,
    Engine,
    Enum,
    Integer,
    Select,
    SmallInteger,
    Table,
    Uuid,
    bindparam,
    select,
)
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.orm.attributes import QueryableAttribute
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import ColumnClause, ColumnElement, Label
from sqlalchemy.types import TypeEngine

from tenantshield_mw.cache import without_event_loop
from tenantshield_mw.context import bind, unbind
from tenantshield_mw.directory import LookupResult, TenantState
from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.tenant import TenantContext, TenantId, check_tenant_id, with_plain_uuid

from ..ownership.limits import is_canonical_uuid, undecorated
from ..ownership.model import table_label, tenant_id_type
from ..ownership.registry import registry
from .table import ColumnLike, TenantTable, note_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

    Source: TypeAlias = (
        Engine | sessionmaker[Session] | AsyncEngine | async_sessionmaker[AsyncSession]
    )

__all__ = ["tenants_in"]

_ASKED: Final = "tenantshield_asked"

_SOURCES: Final = (
    "tenants_in() takes an Engine, a sessionmaker, an AsyncEngine or an async_sessionmaker: it "
    "opens a separate connection for each lookup"
)
_BLOCKING: Final = (
    "looking up a tenant with a sync engine would block the event loop that runs in this "
    "thread: give tenants_in() an AsyncEngine or an async_sessionmaker, or in_thread=True; call "
    "a WSGI app in another thread"
)


def tenants_in(
    source: Source,
    tenants: Any,
    *,
    id: ColumnLike,  # noqa: A002 - the natural name of the argument
    state: ColumnLike,
    states: Mapping[Any, TenantState] | None = None,
    tenant_id: ColumnLike | None = None,
    attributes: Iterable[ColumnLike] = (),
    in_thread: bool = False,
) -> Callable[[TenantId], LookupResult | Awaitable[LookupResult]]:
    """Return a lookup for :class:`~tenantshield_mw.TenantDirectory` that queries a table.

    ::

        directory = TenantDirectory(
            tenants_in(
                async_engine,
                Tenant,
                id=Tenant.slug,
                state=Tenant.state,
                states={"active": TenantState.ACTIVE, "deleted": TenantState.UNKNOWN},
                tenant_id=Tenant.id,
                attributes=(Tenant.name, Tenant.plan),
            )
        )

    A tenant that the directory has not cached costs one statement, on a separate connection
    that is closed afterwards. An id that the column cannot hold, or that has another type, is
    unknown without a statement. Ids are compared exactly: if the database treats "Acme" and
    "acme" as equal, "Acme" is still unknown. Database errors are not converted.

    Args:
        source: an ``Engine`` or ``sessionmaker`` for a sync lookup, an ``AsyncEngine`` or
            ``async_sessionmaker`` for an async one.
        tenants: what to select from: the mapped class or ``Table`` of the tenants, or a join
            of several. Each table in it must be marked with ``@shared_across_tenants``.
        id: the column to compare with the resolver's result; a ``String``, an ``Integer``
            or a ``Uuid``, unique for each tenant.
        state: a column or an SQL expression for the tenant's state.
        states: the meaning of the values of ``state``. Other values, including ``NULL``,
            mean suspended. May be omitted if ``state`` is a boolean that is true for active
            tenants, or an ``Enum(TenantState)``.
        tenant_id: the column with the id that the request runs under, as in the tenant
            columns; ``id`` if left out.
        attributes: columns whose values go into ``TenantContext.attributes``, under their
            keys. An expression requires a ``label()``.
        in_thread: whether to query a sync ``source`` in a thread, which makes the lookup
            async, for use with ASGI.

    Raises:
        ConfigurationError: an argument is invalid, or a table is not shared.

    The lookup raises:
        ConfigurationError: a sync ``source`` without ``in_thread`` is used in the thread of
            an event loop; or one id matches several rows; or ``tenant_id`` is invalid.
    """
    # Longer than 40 lines because of its documented parameters.
    attributes = tuple(attributes)
    question = _Question(tenants, id, state, states, tenant_id, attributes)
    lookup = _lookup(source, question, in_thread=in_thread)
    table = TenantTable(source, tenants, id, state, question.states, tenant_id, attributes)
    note_table(lookup, table)
    return lookup


def _lookup(
    source: Source, question: _Question, *, in_thread: bool
) -> Callable[[TenantId], LookupResult | Awaitable[LookupResult]]:
    # Engines have connect(), sessionmakers are called. Both return a context manager.
    opened = getattr(source, "connect", source)
    if _is_async(source):
        if in_thread:
            raise ConfigurationError(
                "in_thread=True is for an Engine or a sessionmaker; an async source does not block"
            )
        return _asking_async(opened, question)
    _check_sync(source)
    ask = _asking(opened, question)
    if in_thread:
        return sync_to_async(ask, thread_sensitive=False)

    def ask_in_place(asked: TenantId) -> LookupResult:
        if not without_event_loop():
            raise ConfigurationError(_BLOCKING)
        return ask(asked)

    return ask_in_place


def _is_async(source: object) -> bool:
    try:
        from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
    except ImportError:  # greenlet is not installed
        return False
    return isinstance(source, AsyncEngine | async_sessionmaker)


def _check_sync(source: object) -> None:
    if isinstance(source, scoped_session):
        raise ConfigurationError(f"{_SOURCES}; for a scoped_session, give its session_factory")
    if not isinstance(source, Engine | sessionmaker):
        raise ConfigurationError(_SOURCES)


def _asking(opened: Any, question: _Question) -> Callable[[TenantId], LookupResult]:
    def ask(asked: TenantId) -> LookupResult:
        if not question.may_be_listed(asked):
            return TenantState.UNKNOWN
        # Whatever is in scope: the table belongs to no tenant, and is in no tenant's place.
        binding = bind(None)
        try:
            with opened() as connection:
                rows = connection.execute(question.statement, {_ASKED: asked}).all()
        except StatementError as error:
            return _unfit(error)
        finally:
            unbind(binding)
        return question.answer(asked, rows)

    return ask


def _asking_async(
    opened: Any, question: _Question
) -> Callable[[TenantId], Awaitable[LookupResult]]:
    async def ask(asked: TenantId) -> LookupResult:
        if not question.may_be_listed(asked):
            return TenantState.UNKNOWN
        binding = bind(None)
        try:
            async with opened() as connection:
                rows = (await connection.execute(question.statement, {_ASKED: asked})).all()
        except StatementError as error:
            return _unfit(error)
        finally:
            unbind(binding)
        return question.answer(asked, rows)

    return ask


def _unfit(error: StatementError) -> TenantState:
    """Return ``UNKNOWN`` if the column's type rejected the id as a parameter.

    Raises:
        StatementError: any other error.
    """
    # Errors of the database are DBAPIErrors. The id is the only parameter.
    if isinstance(error.orig, ValueError) and not isinstance(error, DBAPIError):
        return TenantState.UNKNOWN
    raise error


class _Question:
    """The statement, the check of ids before it, and the interpretation of its rows."""

    def __init__(
        self,
        tenants: Any,
        id_: Any,
        state: Any,
        states: Mapping[Any, TenantState] | None,
        tenant_id: Any,
        attributes: tuple[Any, ...],
    ) -> None:
        asked_type = _column(id_, "id").type
        kind = undecorated(asked_type)
        self._type = tenant_id_type(asked_type, "the id= of tenants_in()")
        if isinstance(kind, Enum):
            raise ConfigurationError(
                "the id= of tenants_in() is an Enum: give a String, an Integer or a Uuid"
            )
        self._range = _range_of(asked_type, kind)
        self._is_uuid_text = self._type is str and isinstance(kind, Uuid)
        self.states = _checked_states(_column(state, "state").type, states)
        named = id_ if tenant_id is None else tenant_id
        tenant_id_type(_column(named, "tenant_id").type, "the tenant_id= of tenants_in()")
        self._keys = _keys_of(attributes)
        # Drivers reject a value outside of the column's range, although it could be compared.
        sent_as = BigInteger() if isinstance(asked_type, Integer) else asked_type
        # Type checkers disagree on the type of select() with an unknown number of columns.
        columns: Any = select(id_, state, named, *attributes)
        self._statement: Select[Any] = columns.select_from(tenants).where(
            id_ == bindparam(_ASKED, type_=sent_as)
        )
        _check_shared(self._statement)
        self._is_checked = False

    @property
    def statement(self) -> Select[Any]:
        """The statement, checked on first use."""
        if not self._is_checked:
            # Not earlier: the check configures the mappers, which may not all exist yet.
            if len(self._statement.get_final_froms()) != 1:
                raise ConfigurationError(
                    "tenants_in() has columns of a table that it does not select from: "
                    "give it a join of the tables"
                )
            self._is_checked = True
        return self._statement

    def may_be_listed(self, asked: object) -> bool:
        """Return whether the column could hold this id, and a driver could send it."""
        try:
            tenant_id = check_tenant_id(asked)
        except TenantResolutionError:
            return False
        if type(tenant_id) is not self._type:
            return False
        if isinstance(tenant_id, int):
            return tenant_id in self._range
        return not self._is_uuid_text or is_canonical_uuid(str(tenant_id))

    def answer(self, asked: TenantId, rows: Sequence[Any]) -> LookupResult:
        """Return the lookup's result for the rows."""
        # Ids that only a collation treats as equal are different tenants.
        same = [row for row in rows if isinstance(row[0], self._type) and row[0] == asked]
        if not same:
            return TenantState.UNKNOWN
        if len(same) > 1:
            raise ConfigurationError(
                "the table of tenants has several rows for one id: the id= column of "
                "tenants_in() must be unique"
            )
        _, state, tenant_id, *values = same[0]
        found = next((means for value, means in self.states if value == state), None)
        if found is not TenantState.ACTIVE:
            return TenantState.SUSPENDED if found is None else found
        # Some drivers return their own subclass.
        tenant_id = with_plain_uuid(tenant_id)
        try:
            return TenantContext(tenant_id, dict(zip(self._keys, values, strict=True)))
        except TenantResolutionError:
            raise ConfigurationError(
                "the table of tenants has a row with an invalid tenant id: the tenant_id= "
                "column of tenants_in() is NULL or malformed"
            ) from None


def _column(given: Any, name: str) -> ColumnElement[Any]:
    element = given
    while not isinstance(element, ColumnElement) and hasattr(element, "__clause_element__"):
        element = element.__clause_element__()
    if not isinstance(element, ColumnElement):
        raise ConfigurationError(
            f"the {name}= of tenants_in() is a {type(given).__name__}: give a column or an SQL "
            "expression, such as Tenant.slug"
        )
    return element


def _range_of(type_: TypeEngine[Any], kind: TypeEngine[Any]) -> range:
    """Return the integers that can be compared with a column of this type."""
    bits = 64
    # A TypeDecorator keeps its own type, and drivers enforce the range of that.
    if type_ is not kind and not isinstance(kind, BigInteger):
        bits = 16 if isinstance(kind, SmallInteger) else 32
    return range(-(2 ** (bits - 1)), 2 ** (bits - 1))


def _checked_states(
    type_: TypeEngine[Any], states: Mapping[Any, TenantState] | None
) -> tuple[tuple[Any, TenantState], ...]:
    if states is None:
        kind = undecorated(type_)
        if isinstance(kind, Boolean):
            return ((True, TenantState.ACTIVE),)
        if isinstance(kind, Enum) and kind.enum_class is TenantState:
            return tuple((each, each) for each in TenantState)
        raise ConfigurationError(
            "tenants_in() needs to know which values of state= are active: "
            'states={"active": TenantState.ACTIVE}, or a boolean, state=Tenant.state == "active"'
        )
    if not isinstance(states, Mapping) or not all(
        isinstance(means, TenantState) for means in states.values()
    ):
        raise ConfigurationError(
            "the states= of tenants_in() must be a mapping from the values of state= to TenantState"
        )
    if TenantState.ACTIVE not in states.values():
        raise ConfigurationError(
            "the states= of tenants_in() lacks TenantState.ACTIVE, so no tenant could be used"
        )
    return tuple(states.items())


def _keys_of(attributes: Sequence[Any]) -> tuple[str, ...]:
    for each in attributes:
        element = _column(each, "attributes")
        if not isinstance(each, QueryableAttribute) and not isinstance(
            element, ColumnClause | Label
        ):
            raise ConfigurationError(
                'an attribute of tenants_in() has no name: give the expression a label("plan")'
            )
    keys = tuple(str(each.key) for each in attributes)
    if len(set(keys)) < len(keys):
        raise ConfigurationError(
            "two attributes of tenants_in() have the same name: give one of them another label()"
        )
    return keys


def _check_shared(statement: Select[Any]) -> None:
    tables = dict.fromkeys(each for each in visitors.iterate(statement) if isinstance(each, Table))
    for table in tables:
        if registry.is_shared(table):
            continue
        if registry.ownership_of(table) is not None:
            raise ConfigurationError(
                f"{table_label(table)} holds tenants' rows, but tenants_in() queries it before "
                "any tenant is bound: use tables that are marked with @shared_across_tenants"
            )
        raise ConfigurationError(
            f"{table_label(table)} is queried before any tenant is bound: mark it with "
            "@shared_across_tenants"
        )
