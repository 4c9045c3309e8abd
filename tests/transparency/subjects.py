"""The combinations of applications, servers and forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tenantshield_mw import TenantSessionMiddleware, resolvers
from tenantshield_mw.adapters import starlette as starlette_adapter
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from .forms import HTTP, WEBSOCKET
from .frameworks import fastapi_app, litestar_app, starlette_app
from .raw_asgi import RawASGI
from .wsgi_apps import variant

__all__ = ["CASES", "GUNICORN", "Case", "make"]


@dataclass(frozen=True)
class Case:
    """A form that an app is asked in, through a server, with the middleware around it.

    ``how`` is ``wrapped`` for the middleware itself, ``adapter`` for the framework's own.
    """

    app: str
    server: str
    how: str
    form: str

    def __str__(self) -> str:
        return f"{self.app}-{self.server}-{self.how}-{self.form}"

    @property
    def is_answered_outside(self) -> bool:
        """Whether the response comes from outside the middleware.

        What nobody caught in the app is answered by the server, or by the framework
        around all of the app's middleware.
        """
        if self.form != "crash":
            return False
        if self.how == "adapter":
            return self.app in ("starlette", "fastapi")
        return self.app in ("raw_asgi", "raw")


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.replace("\n", " ").split(",")} - {""}


# The forms that every application here supports.
_ALL = _words("""
    plain, query, encoded path, head, options, wrong method, missing, chunked request, upload,
    expect, expect in vain, stream, events, file, head of a file, fields, cookies, no content,
    redirect, vary, vary *, crash, crash in a stream, gone in the response, after the response,
    pipelined, kept alive, HTTP/1.0, stream over HTTP/1.0, malformed
""")
_RANGES = _words("""
    range, range from the end, several ranges, range that is not there, file that is known
""")
_STATIC = _words("static, range of a static, static that is not there, static above the folder")
_ASGI_WAYS = _words("options *, state of the lifespan, gone in the body, head of a stream")
_WSGI_WAYS = _words("""
    tuple, empty list, iterable, starts late, empty chunks, write, write and body, exc_info,
    exc_info too late, lines of the request, gone in the body, head of a stream, not modified, form
""")
_MOUNTED = _words("""
    mounted by asgiref, stream mounted by asgiref, upload mounted by asgiref,
    mounted by a2wsgi, stream mounted by a2wsgi, upload mounted by a2wsgi
""")
_STARLETTE = (_ALL | _RANGES | _STATIC | _ASGI_WAYS | _MOUNTED | {*WEBSOCKET}) | _words(
    "not modified, redirect to the slash, refused by the app"
)

FORMS = {
    "raw_asgi": (_ALL | _ASGI_WAYS | {"form", "no headers", "not modified", *WEBSOCKET})
    - {"file", "head of a file"},
    "starlette": (_STARLETTE | {"session"}) - {"websocket that fails when it is open"},
    "fastapi": (_STARLETTE | {"invalid"}) - {"websocket that fails when it is open"},
    "litestar": (_ALL | _STATIC | {"form", "invalid", "refused by the app", *WEBSOCKET})
    - {"websocket that the app denies", "websocket that fails when it is open"}
    | {"state of the lifespan", "file that is known"},
    "raw": _ALL | _WSGI_WAYS,
    "flask": _ALL
    | _RANGES
    | _STATIC
    | {"form", "not modified", "session"}
    | {"redirect to the slash", "refused by the app"},
}

# The forms that need a different server.
_ELSEWHERE = {"granian": {"file by its path"}}
_NOT = {
    # It closes each connection after a response, and waits for the rest of the request.
    "werkzeug": {"pipelined", "kept alive"},
    # It reads the whole request before it calls the app.
    "waitress": {"expect in vain", "gone in the body"},
    # It sends the fields of both calls of start_response, where the second replaces the first.
    "gunicorn": {"exc_info"},
    # It answers 500 to a start without headers, which ASGI allows; with Vary it has some.
    "granian": {"no headers"},
}

SERVERS = {
    "raw_asgi": ("uvicorn", "uvicorn_wsproto", "hypercorn", "granian"),
    "starlette": ("uvicorn",),
    "fastapi": ("uvicorn",),
    "litestar": ("uvicorn",),
    "raw": ("werkzeug", "waitress", "gunicorn"),
    "flask": ("werkzeug", "gunicorn"),
}
ADAPTED = ("starlette", "fastapi", "litestar", "flask")


def _cases() -> Iterator[Case]:
    for app, servers in SERVERS.items():
        for server in servers:
            forms = FORMS[app] - _NOT.get(server, set()) | _ELSEWHERE.get(server, set())
            if server == "uvicorn_wsproto":
                # It differs from uvicorn only in this.
                forms = {*WEBSOCKET}
            for how in ("wrapped", "adapter") if app in ADAPTED else ("wrapped",):
                yield from (Case(app, server, how, form) for form in sorted(forms))


CASES = [*_cases()]
assert {case.form for case in CASES} == {*HTTP, *WEBSOCKET}


def make(app: str, how: str) -> Any:
    """Return an app alone (``bare``), in the middleware, or with its adapter."""
    if app in ("raw", "flask"):
        return variant(app, how)
    if app == "litestar":
        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
        made: Any = litestar_app(plugin) if how == "adapter" else litestar_app()
    else:
        made = {"raw_asgi": RawASGI, "starlette": starlette_app, "fastapi": fastapi_app}[app]()
        if how == "adapter":
            starlette_adapter.install(made, resolve_tenant=resolvers.header("X-Tenant-ID"))
    if how == "wrapped":
        return TenantSessionMiddleware(made, resolve_tenant=resolvers.header("X-Tenant-ID"))
    return made


GUNICORN = "tests.transparency.wsgi_apps:variant({app!r}, {how!r})"
