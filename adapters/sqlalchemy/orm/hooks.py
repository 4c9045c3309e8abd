"""Every session asks whom it serves before it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction, loading

from tenantshield_mw.context import current_binding

from ..internals import LAZY_LOADER, hook
from .flush import begin_flush, end_flush
from .loaded import note_load
from .sessions import same_scope, serve, serve_lookup, serve_merge, serve_object

__all__ = ["hook_sessions"]


def hook_sessions() -> None:
    """Have every session ask :func:`serve` before it answers."""
    connection_for_bind = SessionTransaction._connection_for_bind
    identity_lookup = Session._identity_lookup
    flush = Session._flush
    merge = Session._merge
    bulk = Session._bulk_save_mappings
    load_lazily = LAZY_LOADER._load_for_state
    instances: Callable[[Any, Any], Any] = loading.instances

    # private: every statement, flush and bulk operation of a session gets its
    # connection here. The public event for it, do_orm_execute, misses bulk operations
    # and makes each query work out its options twice.
    @functools.wraps(connection_for_bind)
    def serving_connection(
        self: SessionTransaction, bind: Any, execution_options: Any
    ) -> Connection:
        session: Any = self.session
        binding = current_binding()
        if binding is not None and binding[0] is not session._tenantshield_serves:
            serve(session)
        return connection_for_bind(self, bind, execution_options)

    # private: get() and many-to-one loading look here, and send no SQL on a hit.
    @functools.wraps(identity_lookup)
    def serving_lookup(self: Session, mapper: Mapper[Any], *args: Any, **kw: Any) -> Any:
        serve_lookup(self, mapper)
        return identity_lookup(self, mapper, *args, **kw)

    # private: a flush that has something to do. The public event, before_flush, makes each
    # flush work out twice what there is to do. Before it begins a transaction, which an
    # error in it would roll back together with what is pending in the session.
    @functools.wraps(flush)
    def serving_flush(self: Any, *args: Any, **kw: Any) -> Any:
        binding = current_binding()
        if binding is not None and binding[0] is not self._tenantshield_serves:
            serve(self)
        begin_flush(self)
        try:
            return flush(self, *args, **kw)
        finally:
            if self._tenantshield_flush is not None:
                end_flush(self)

    # private: merge() takes what it finds in the identity map.
    @functools.wraps(merge)
    def serving_merge(self: Session, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        serve_merge(self, state, load=kw.get("load", True))
        return merge(self, state, *args, **kw)

    # private: the bulk operations, before they begin a transaction, which an error in it
    # would roll back together with what is pending in the session.
    @functools.wraps(bulk)
    def serving_bulk(self: Session, *args: Any, **kw: Any) -> Any:
        serve(self)
        return bulk(self, *args, **kw)

    # private: a relationship that is loaded when it is asked for.
    @functools.wraps(load_lazily)
    def serving_lazy_load(self: Any, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        serve_object(state)
        return load_lazily(self, state, *args, **kw)

    # private: turns a cursor's rows into objects, a chunk at a time, as they are read.
    @functools.wraps(instances)
    def serving_instances(cursor: Any, context: Any) -> Any:
        result: Any = instances(cursor, context)
        note_load(cursor, context)
        check, chunks = same_scope(), result.chunks
        result.chunks = functools.partial(_checked, chunks, check)
        if result._yield_per:
            result.iterator = chain.from_iterable(_checked(chunks, check, result._yield_per))
        else:
            # Not made anew, for it costs more to throw a generator away than to make one.
            result.iterator = chain(iter(check, None), result.iterator)
        return result

    hook(LAZY_LOADER, serving_lazy_load)
    hook(loading, serving_instances)
    hook(SessionTransaction, serving_connection)
    hook(Session, serving_lookup)
    hook(Session, serving_flush)
    hook(Session, serving_merge)
    hook(Session, serving_bulk)


def _checked(
    chunks: Callable[[int | None], Iterator[Any]], check: Callable[[], None], size: int | None
) -> Iterator[Any]:
    """Return ``chunks(size)`` with a ``check`` before each chunk is made."""
    if size:
        return _each_checked(chunks(size), check)
    # All rows come in one chunk. An iterator that calls the check and is at its end then
    # stands before it, which takes no generator of ours.
    return chain(iter(check, None), chunks(size))


def _each_checked(chunks: Iterator[Any], check: Callable[[], None]) -> Iterator[Any]:
    while True:
        check()
        for chunk in chunks:
            yield chunk
            break
        else:
            return
