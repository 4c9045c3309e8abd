"""A plugin for pytest that runs a framework's own suite with the middleware around its apps.

It is loaded by name into the suite's process, where another package is called ``tests``. The
environment says what to wrap.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import _pytest.monkeypatch
import pytest

from tenantshield_mw import TenantSessionMiddleware, TenantSessionMiddlewareWSGI

# Flask's suite uses the name that pytest had until 9.1.
if not hasattr(_pytest.monkeypatch, "notset"):
    _pytest.monkeypatch.notset = _pytest.monkeypatch.NOTSET  # type: ignore[attr-defined]


def resolve(request: Any) -> str:
    return "acme"


def wsgi(app: Any) -> Any:
    return TenantSessionMiddlewareWSGI(app, resolve_tenant=resolve)


def wrap_flask() -> None:
    from flask import Flask

    def call(self: Flask, environ: Any, start_response: Any) -> Any:
        return wsgi(self.wsgi_app)(environ, start_response)

    Flask.__call__ = call  # type: ignore[method-assign]


def wrap_flask_adapter() -> None:
    from flask import Flask

    from tenantshield_mw.adapters.flask import TenantShield

    create: Any = Flask.__init__

    @wraps(create)
    def create_wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        TenantShield(self, resolve_tenant=resolve)

    Flask.__init__ = create_wrapped  # type: ignore[method-assign]


def wrap_werkzeug() -> None:
    import werkzeug.test

    run: Any = werkzeug.test.run_wsgi_app

    @wraps(run)
    def run_wrapped(app: Any, *args: Any, **kwargs: Any) -> Any:
        return run(wsgi(app), *args, **kwargs)

    werkzeug.test.run_wsgi_app = run_wrapped


def wrap_starlette() -> None:
    from starlette import testclient

    transport: Any = testclient._TestClientTransport
    create: Any = transport.__init__

    @wraps(create)
    def create_wrapped(self: Any, app: Any, *args: Any, **kwargs: Any) -> None:
        create(self, TenantSessionMiddleware(app, resolve_tenant=resolve), *args, **kwargs)

    transport.__init__ = create_wrapped


WRAP: dict[str, Callable[[], None]] = {
    "flask": wrap_flask,
    "flask adapter": wrap_flask_adapter,
    "werkzeug": wrap_werkzeug,
    "starlette": wrap_starlette,
    "": lambda: None,
}


def pytest_configure(config: pytest.Config) -> None:
    # Of pytest-timeout, which Werkzeug's suite uses.
    config.addinivalue_line("markers", "timeout(seconds)")
    WRAP[os.environ["TENANTSHIELD_WRAP"]]()
