"""The hooks by which every session checks the scope before it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from sqlalchemy import Column
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction, loading, sync
from sqlalchemy.orm.attributes import instance_state

from tenantshield_mw.context import bind, current_binding, unbind

from ..internals import LAZY_LOADER, hook
from ..ownership.model import ColumnOwnership
from ..ownership.registry import registry
from ..transactions import HELD, PLACED, hold
from ..uses import begin_use, end_use
from .flush import begin_flush, end_flush
from .loaded import note_load
from .mappers import info_of
from .moving import forget_computed
from .placed import note_router
from .sessions import (
    flush_scope,
    refuse_moved,
    refuse_review_of_all,
    same_scope,
    serve,
    serve_lookup,
    serve_merge,
    serve_object,
)

__all__ = ["hook_sessions"]


def hook_sessions() -> None:
    """Have every session call :func:`serve` before it answers."""
    _hook_connections()
    _hook_memory()
    _hook_writes()
    _hook_references()
    _hook_loading()


def _hook_connections() -> None:
    connection_for_bind = SessionTransaction._connection_for_bind

    # private: every statement, flush and bulk operation of a session gets its connection
    # here. The public event, do_orm_execute, misses bulk operations and makes each query
    # compute its options twice.
    @functools.wraps(connection_for_bind)
    def serving_connection(
        self: SessionTransaction, bind: Any, execution_options: Any
    ) -> Connection:
        session: Any = self.session
        refuse_review_of_all(session)
        binding = current_binding()
        if binding is None:
            if session._tenantshield_routers:
                serve(session)
        elif binding[0] is not session._tenantshield_serves:
            serve(session)
        router = bind.dialect.__dict__.get(PLACED) if isinstance(bind, Engine) else None
        if router is None:
            connection = connection_for_bind(self, bind, execution_options)
        else:
            # A session knows its connections by their engines.
            with router.engine_for(bind) as engine:
                connection = connection_for_bind(self, engine, execution_options)
        # Here as well as before each statement, since the caller may open a cursor.
        transactions = connection.dialect.__dict__.get(HELD)
        if transactions is not None:
            note_router(session, transactions)
            use = begin_use(connection)
            try:
                hold(connection, transactions)
            finally:
                end_use(connection, use)
        return connection

    hook(SessionTransaction, serving_connection)


def _hook_memory() -> None:
    identity_lookup = Session._identity_lookup
    merge = Session._merge
    iterate = Session.__iter__

    # private: get() and many-to-one loading look here first, and send no SQL on a hit.
    @functools.wraps(identity_lookup)
    def serving_lookup(self: Any, mapper: Mapper[Any], *args: Any, **kw: Any) -> Any:
        serve_lookup(self, mapper)
        serves = self._tenantshield_serves
        found = identity_lookup(self, mapper, *args, **kw)
        refuse_moved(self, serves)
        return found

    # private: merge() takes what it finds in the identity map.
    @functools.wraps(merge)
    def serving_merge(self: Any, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        load = kw.get("load", True)
        serve_merge(self, state, load=load)
        serves = self._tenantshield_serves
        merged = merge(self, state, *args, **kw)
        refuse_moved(self, serves)
        # merge() copies what the given object has.
        own = instance_state(merged)
        if not info_of(own.mapper).is_owned:
            forget_computed(self, own, relationships=not load)
        return merged

    # A session iterates over the objects that it has in memory.
    @functools.wraps(iterate)
    def serving_iteration(self: Session) -> Iterator[object]:
        serve(self)
        return iterate(self)

    hook(Session, serving_lookup)
    hook(Session, serving_merge)
    hook(Session, serving_iteration)


def _hook_writes() -> None:
    # An error in a transaction would roll it back together with the session's pending work,
    # so both are called before one begins.
    flush = Session._flush
    bulk = Session._bulk_save_mappings

    # private: a flush that has something to do. The public event, before_flush, makes each
    # flush compute twice what there is to do.
    @functools.wraps(flush)
    def serving_flush(self: Any, *args: Any, **kw: Any) -> Any:
        refuse_review_of_all(self)
        binding = current_binding()
        own = None
        if binding is None or binding[0] is not self._tenantshield_serves:
            own = flush_scope(self)
            if own is None:
                serve(self)
        entered = None if own is None else bind(own)
        begin_flush(self)
        try:
            return flush(self, *args, **kw)
        finally:
            if self._tenantshield_flush is not None:
                end_flush(self)
            if self._tenantshield_written is not None:
                # It failed before they were checked.
                self._tenantshield_written = None
            if entered is not None:
                unbind(entered)

    # private: the bulk operations.
    @functools.wraps(bulk)
    def serving_bulk(self: Session, *args: Any, **kw: Any) -> Any:
        refuse_review_of_all(self)
        serve(self)
        return bulk(self, *args, **kw)

    hook(Session, serving_flush)
    hook(Session, serving_bulk)


def _hook_references() -> None:
    # private: it got an underscore in 2.1.
    clear: Any = getattr(sync, "_clear", getattr(sync, "clear", None))

    # private: sets the foreign key of an object to NULL that no longer refers to another. A
    # foreign key that includes the tenant would take the row from its tenant; NULL in its other
    # columns is enough.
    @functools.wraps(clear)
    def clearing(dest: Any, dest_mapper: Mapper[Any], synchronize_pairs: Any) -> None:
        others = [pair for pair in synchronize_pairs if not _is_tenant_column(pair[1])]
        clear(dest, dest_mapper, others or synchronize_pairs)

    hook(sync, clearing)


def _is_tenant_column(column: Column[Any]) -> bool:
    table: Any = column.table
    ownership = None
    if not registry.is_empty and not registry.is_observed(table):
        ownership = registry.ownership_of(table)
    return isinstance(ownership, ColumnOwnership) and column.name == ownership.column


def _hook_loading() -> None:
    load_lazily = LAZY_LOADER._load_for_state
    instances: Callable[[Any, Any], Any] = loading.instances

    # private: loads a relationship on access.
    @functools.wraps(load_lazily)
    def serving_lazy_load(self: Any, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        serve_object(state)
        return load_lazily(self, state, *args, **kw)

    # private: turns a cursor's rows into objects, chunk by chunk, as they are read.
    @functools.wraps(instances)
    def serving_instances(cursor: Any, context: Any) -> Any:
        result: Any = instances(cursor, context)
        note_load(cursor, context)
        check, chunks = same_scope(context.session), result.chunks
        result.chunks = functools.partial(_checked, chunks, check)
        if result._yield_per:
            result.iterator = chain.from_iterable(_checked(chunks, check, result._yield_per))
        else:
            # Keep the generator, since discarding one costs more than making one. Its first row
            # comes when all of them are objects.
            rows = result.iterator
            first = map(functools.partial(_after, check), islice(rows, 1))
            result.iterator = chain(iter(check, None), first, rows)
        return result

    hook(LAZY_LOADER, serving_lazy_load)
    hook(loading, serving_instances)


def _checked(
    chunks: Callable[[int | None], Iterator[Any]], check: Callable[[], None], size: int | None
) -> Iterator[Any]:
    """Return ``chunks(size)`` with a ``check`` before and after each chunk: what the application
    does when an object is loaded may have used the session in another scope.
    """
    if size:
        return _each_checked(chunks(size), check)
    # All rows come in one chunk. An iterator that calls the check and then ends stands
    # before it, which saves a generator.
    return chain(iter(check, None), map(functools.partial(_after, check), chunks(size)))


def _each_checked(chunks: Iterator[Any], check: Callable[[], None]) -> Iterator[Any]:
    while True:
        check()
        for chunk in chunks:
            check()
            yield chunk
            break
        else:
            return


def _after(check: Callable[[], None], loaded: Any) -> Any:
    check()
    return loaded
