"""A resolver whose answers are cached by key."""

from __future__ import annotations

import asyncio
import gc
import weakref
from functools import partial
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantNotFoundError,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantUnauthenticatedError,
    TenantUnavailableError,
    resolvers,
)

from ..core.calling import Seen, as_environ, call_asgi, call_wsgi, http_scope
from .sending import Cases, Outcome, Sent, assert_outcome, each_case, malformed, missing, ran, with_


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """A resolver that counts its calls, and answers by the path."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.paths: list[str] = []

    def __call__(self, request: Any) -> Any:
        path: str = request["path" if "path" in request else "PATH_INFO"][1:]
        self.paths.append(path)
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def later(self, request: Any) -> Any:
        await asyncio.sleep(0)
        return self(request)


def by_path(request: Any) -> Any:
    return request["path" if "path" in request else "PATH_INFO"]


def remembering(resolver: Any, **options: Any) -> Any:
    arguments: Any = {"key": by_path, "ttl": 60, "clock": Clock(), **options}
    return resolvers.cached(resolver, **arguments)


def ask(resolver: Any, path: str) -> Any:
    try:
        answer = resolver(as_environ(f"/{path}"))
    except TenantResolutionError as error:
        return type(error)
    return answer.tenant_id if isinstance(answer, TenantContext) else answer


async def ask_later(resolver: Any, path: str) -> Any:
    try:
        answer = resolver(http_scope(f"/{path}"))
        if not (answer is None or isinstance(answer, TenantContext)):
            answer = await answer
    except TenantResolutionError as error:
        return type(error)
    return answer.tenant_id if isinstance(answer, TenantContext) else answer


CASES: Any = [
    ("acme", "acme", 60),
    ("nobody", None, 5),
    ("unknown", TenantNotFoundError, 5),
    ("malformed", TenantResolutionError, 5),
    ("unsigned", TenantUnauthenticatedError, 5),
    ("number", TenantResolutionError, 5),
    ("late", TenantUnavailableError, 0),
]
ANSWERS: Any = {
    "acme": "acme",
    "nobody": None,
    "unknown": TenantNotFoundError("unknown"),
    "malformed": TenantResolutionError("malformed"),
    "unsigned": TenantUnauthenticatedError("unsigned", challenge="Own"),
    "number": 1.5,
    "late": TenantUnavailableError("late"),
}


@pytest.mark.parametrize(("path", "expected", "seconds"), CASES)
async def test_the_answer_of_a_resolver_is_remembered_until_it_expires(
    path: str, expected: Any, seconds: float
) -> None:
    for later in (False, True):
        clock, asked = Clock(), Asked(**ANSWERS)
        resolver = remembering(asked.later if later else asked, clock=clock)

        async def told(resolver: Any = resolver, later: bool = later) -> Any:
            return await ask_later(resolver, path) if later else ask(resolver, path)

        assert await told() == expected
        clock.now = max(0, seconds - 0.1)
        assert await told() == expected
        assert len(asked.paths) == (1 if seconds else 2)
        clock.now = seconds
        assert await told() == expected
        assert len(asked.paths) == (2 if seconds else 3)


async def test_an_error_by_mistake_is_not_remembered() -> None:
    asked = Asked(broken=ZeroDivisionError())
    for resolver in (remembering(asked), remembering(asked.later)):
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await ask_later(resolver, "broken")
    assert len(asked.paths) == 4


def test_a_remembered_error_keeps_its_message_but_not_its_traceback() -> None:
    resolver = remembering(Asked(**ANSWERS))
    errors = []
    for _ in range(3):
        with pytest.raises(TenantUnauthenticatedError) as caught:
            resolver(as_environ("/unsigned"))
        errors.append(caught.value)
    assert [error.challenge for error in errors] == ["Own"] * 3
    assert [str(error) for error in errors] == ["unsigned"] * 3
    assert len({id(error) for error in errors}) == 3


class MovedError(TenantNotFoundError):
    """An error whose constructor takes other arguments than its message."""

    def __init__(self, tenant: str, *, to: str) -> None:
        super().__init__(f"{tenant} has moved")
        self.to = to


async def test_an_error_with_any_constructor_is_remembered() -> None:
    asked = Asked(moved=MovedError("acme", to="elsewhere.test"))
    for resolver in (remembering(asked), remembering(asked.later)):
        errors: list[MovedError] = []
        for _ in range(3):
            with pytest.raises(MovedError, match="acme has moved") as caught:
                await resolver(http_scope("/moved"))
            caught.value.add_note("this time")
            errors.append(caught.value)
        assert [error.to for error in errors] == ["elsewhere.test"] * 3
        assert len({id(error) for error in errors}) == 3
    assert asked.paths == ["moved", "moved"]


def test_a_note_on_a_remembered_error_is_not_on_the_next_one() -> None:
    error = TenantNotFoundError("unknown")
    error.add_note("by the resolver")
    resolver = remembering(Asked(unknown=error))
    for _ in range(2):
        with pytest.raises(TenantNotFoundError) as caught:
            resolver(as_environ("/unknown"))
        assert caught.value.__notes__ == ["by the resolver"]
        caught.value.add_note("by whoever caught it")


def test_a_remembered_error_does_not_keep_its_request() -> None:
    class Environ(dict[str, Any]):
        pass

    def resolver(request: Any) -> Any:
        raise TenantNotFoundError

    remembered = remembering(resolver)
    environ = Environ(as_environ("/x"))
    gone = weakref.ref(environ)
    with pytest.raises(TenantNotFoundError):
        remembered(environ)
    del environ
    gc.collect()
    assert gone() is None


def test_a_header_may_be_the_key() -> None:
    asked = Asked(**{"": "acme"})
    resolver = resolvers.cached(asked, key="Authorization", ttl=60)
    for value in (b"a", b"b", b"a", b"A"):
        resolver(http_scope("/", headers=[(b"authorization", value)]))
    assert len(asked.paths) == 3


def test_a_request_without_a_key_always_calls_the_resolver() -> None:
    asked = Asked(**{"": "acme"})
    for resolver in (
        resolvers.cached(asked, key="Authorization", ttl=60),
        resolvers.cached(asked, key=lambda request: None, ttl=60),
    ):
        assert [ask(resolver, "") for _ in range(3)] == ["acme"] * 3
    assert len(asked.paths) == 6


def test_no_more_than_maxsize_keys_are_remembered() -> None:
    asked = Asked(a="a", b="b", c="c")
    resolver = remembering(asked, maxsize=2)
    for path in ("a", "b", "c", "b", "a"):
        assert ask(resolver, path) == path
    assert asked.paths == ["a", "b", "c", "a"]


async def test_requests_at_the_same_time_make_one_call() -> None:
    asked = Asked(acme="acme")
    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=remembering(asked.later))
    await asyncio.gather(*(call_asgi(app, http_scope("/acme")) for _ in range(20)))
    assert seen.ids == ["acme"] * 20
    assert asked.paths == ["acme"]


async def test_an_async_resolver_is_refused_in_wsgi_each_time() -> None:
    resolver = remembering(Asked(acme="acme").later)
    app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="sync resolver"):
            await asyncio.to_thread(call_wsgi, app, as_environ("/acme"))
    gc.collect()


async def test_in_a_thread_it_waits_in_the_thread() -> None:
    asked = Asked(acme="acme")
    seen = Seen()
    resolver = resolvers.in_thread(remembering(asked))
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
    await asyncio.gather(*(call_asgi(app, http_scope("/acme")) for _ in range(20)))
    assert seen.ids == ["acme"] * 20
    assert asked.paths == ["acme"]


async def key_later(request: Any) -> Any:
    return by_path(request)


class KeyLater:
    async def __call__(self, request: Any) -> Any:
        return by_path(request)


async def test_an_awaitable_key_is_refused() -> None:
    asked = Asked(acme="acme")
    for key in (lambda request: key_later(request), lambda request: asyncio.Event().wait()):
        for request in (http_scope("/acme"), as_environ("/acme")):
            with pytest.raises(ConfigurationError, match="a sync callable"):
                remembering(asked, key=key)(request)
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(ConfigurationError, match="a sync callable"):
        remembering(asked, key=lambda request: done)(http_scope("/acme"))
    # A coroutine that was not closed would cause a warning here.
    gc.collect()
    assert asked.paths == []


@pytest.mark.parametrize(
    "options",
    [
        {"key": None},
        {"key": 7},
        {"key": "X Key"},
        {"key": key_later},
        {"key": KeyLater()},
        {"key": partial(key_later)},
        {"ttl": 0},
        {"ttl": 60, "failure_ttl": 61},
        {"maxsize": 0},
        {"clock": None},
        {"resolver": None},
    ],
)
def test_other_arguments_are_refused(options: dict[str, Any]) -> None:
    options = {"resolver": lambda request: "acme", "key": by_path, "ttl": 60, **options}
    with pytest.raises(ConfigurationError):
        resolvers.cached(options.pop("resolver"), **options)


OUTCOMES: Cases = {
    "cached": (
        resolvers.cached(resolvers.header("X-Tenant-ID"), key="X-Tenant-ID", ttl=60),
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (with_(x_tenant_id="acme"), ran("acme")),
            (with_(x_tenant_id="globex"), ran("globex")),
            (with_(x_tenant_id=""), malformed),
            (with_(x_tenant_id=""), malformed),
            (with_(), missing),
        ],
    ),
    "cached path prefix": (
        resolvers.cached(resolvers.path_prefix(), key="X-Key", ttl=60),
        [
            (Sent(b"/t/acme/x", ((b"x-key", b"1"),)), ran("acme", "/t/acme")),
            (Sent(b"/t/acme/x", ((b"x-key", b"1"),)), ran("acme", "/t/acme")),
        ],
    ),
}


@each_case(OUTCOMES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
