"""Async tests run in the scope of the fixture ``tenantshield_scope``, whatever runs them.

anyio runs all of a test in one task, which it starts for the first async fixture. That task has a
copy of the context of then, so a scope that a sync fixture enters afterwards would not be seen.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tenantshield_mw.context import atenant_scope
from tenantshield_mw.tenant import TenantContext

__all__ = ["pytest_pyfunc_call"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Enter the scope inside of an async test that asks for it."""
    test: Any = pyfuncitem.obj
    tenant = pyfuncitem.funcargs.get("tenantshield_scope")
    if not isinstance(tenant, TenantContext) or not inspect.iscoroutinefunction(test):
        return (yield)
    pyfuncitem.obj = _scoped(test, tenant)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test


def _scoped(test: Callable[..., Any], tenant: TenantContext) -> Callable[..., Any]:
    @functools.wraps(test)
    async def scoped(*args: Any, **kwargs: Any) -> None:
        async with atenant_scope(tenant):
            await test(*args, **kwargs)

    return scoped
