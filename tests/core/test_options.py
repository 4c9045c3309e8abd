"""The keyword arguments that the adapters pass to the middlewares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tenantshield_mw.options import ASGIOptions, WSGIOptions, reusable

MIDDLEWARES = [
    (TenantSessionMiddleware, ASGIOptions),
    (TenantSessionMiddlewareWSGI, WSGIOptions),
]


@pytest.mark.parametrize(("middleware", "options"), MIDDLEWARES)
def test_the_options_are_those_of_the_middleware(
    middleware: Callable[..., Any], options: Any
) -> None:
    parameters = inspect.signature(middleware).parameters.values()
    assert {name: kind.__forward_arg__ for name, kind in options.__annotations__.items()} == {
        each.name: each.annotation
        for each in parameters
        if each.name not in {"app", "resolve_tenant"}
    }
    assert options.__required_keys__ == frozenset()


@pytest.mark.parametrize(("middleware", "options"), MIDDLEWARES)
class TestReusable:
    def test_the_items_of_an_iterator_are_kept(
        self, middleware: Callable[..., Any], options: object
    ) -> None:
        kept = reusable(
            middleware,
            resolve_tenant=resolvers.header("X-Tenant-ID"),
            exempt=iter(["/health"]),
            vary=(name for name in ["X-Other"]),
        )
        assert (kept["exempt"], kept["vary"]) == (("/health",), ("X-Other",))

    def test_an_iterator_of_declared_headers_is_kept(
        self, middleware: Callable[..., Any], options: object
    ) -> None:
        class Mine:
            varies_on: Iterable[str] = iter(["X-Mine"])

            def __call__(self, request: object) -> str:
                return "acme"

        kept = reusable(middleware, resolve_tenant=Mine(), vary=None)
        assert kept["vary"] == ("X-Mine",)

    def test_a_predicate_stays_a_predicate(
        self, middleware: Callable[..., Any], options: object
    ) -> None:
        def is_exempt(request: object) -> bool:
            return True

        kept = reusable(
            middleware, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_exempt
        )
        assert kept["exempt"] is is_exempt

    @pytest.mark.parametrize("wrong", [{"exempt": "/health"}, {"exempt": 3}, {"vary": "X-Other"}])
    def test_a_wrong_argument_is_an_error(
        self, middleware: Callable[..., Any], options: object, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(ConfigurationError):
            reusable(middleware, resolve_tenant=resolvers.header("X-Tenant-ID"), **wrong)

    def test_an_unknown_argument_is_a_type_error(
        self, middleware: Callable[..., Any], options: object
    ) -> None:
        with pytest.raises(TypeError, match="exempted"):
            reusable(
                middleware, resolve_tenant=resolvers.header("X-Tenant-ID"), exempted=["/health"]
            )
