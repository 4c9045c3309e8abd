"""Answer refused requests by an application of the user's.

The application decides the answer and its status, so it may redirect to a login. Headers that
caches or clients need are added if they are missing: ``Vary``, ``Cache-Control: no-store``,
and with a 401 the ``WWW-Authenticate`` that RFC 9110 section 15.5.2 requires.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import ConfigurationError
from .refusal import POLICY_VIOLATION, REFUSAL_KEY, Refusal
from .request import TENANT_KEY
from .types import ASGIApp
from .vary import adding_vary, varying_wsgi

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ASGIRefusalApp", "WSGIRefusalApp", "asgi_refusal_app", "wsgi_refusal_app"]

ASGIRefusalApp: TypeAlias = Callable[[Refusal, Any, Any, Any], Awaitable[None]]
WSGIRefusalApp: TypeAlias = "Callable[[Refusal, WSGIEnvironment, StartResponse], Iterable[bytes]]"

_UNAUTHORIZED: Final = 401


def _check_app(app: object) -> None:
    if not callable(app):
        raise ConfigurationError(
            "on_refused must be an app of the same kind as the one that the middleware wraps"
        )


def _missing_headers(refusal: Refusal, status: int, present: set[str]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in refusal.headers
        if name not in present
        and (name == "cache-control" or (name == "www-authenticate" and status == _UNAUTHORIZED))
    ]


def asgi_refusal_app(app: ASGIApp, vary: tuple[str, ...]) -> ASGIRefusalApp:
    """Wrap ``app`` to answer a refused ASGI request.

    Raises:
        ConfigurationError: ``app`` is not callable.
    """
    _check_app(app)
    add_vary = adding_vary(vary) if vary else None

    async def answer(refusal: Refusal, scope: Any, receive: Any, send: Any) -> None:
        inner = {**scope, TENANT_KEY: None, REFUSAL_KEY: refusal}
        if scope["type"] == "websocket":
            if "websocket.http.response" not in (scope.get("extensions") or ()):
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return
            inner |= _as_http(scope)
            receive, send = _receiving_http(receive), _sending_denial(send)

        def send_completed(message: Any) -> Any:
            if message["type"] == "http.response.start":
                message = add_vary(message) if add_vary is not None else message
                headers = [*message.get("headers", ())]
                present = {name.decode("latin-1").lower() for name, _ in headers}
                headers += [
                    (name.encode("ascii"), value.encode("latin-1"))
                    for name, value in _missing_headers(refusal, message["status"], present)
                ]
                message = {**message, "headers": headers}
            return send(message)

        await app(inner, receive, send_completed)

    return answer


def _as_http(scope: Any) -> dict[str, Any]:
    # RFC 6455 section 4.1: the opening handshake is a GET over HTTP.
    extensions = {
        name: options
        for name, options in scope["extensions"].items()
        if name != "websocket.http.response"
    }
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    return {"type": "http", "method": "GET", "scheme": scheme, "extensions": extensions}


def _receiving_http(receive: Any) -> Any:
    begun = False

    async def receive_http() -> dict[str, Any]:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    return receive_http


def _sending_denial(send: Any) -> Any:
    """Send a response as the messages of ASGI's "WebSocket Denial Response"."""

    def send_denial(message: Any) -> Any:
        return send({**message, "type": f"websocket.{message['type']}"})

    return send_denial


def wsgi_refusal_app(app: WSGIApplication, vary: tuple[str, ...]) -> WSGIRefusalApp:
    """Wrap ``app`` to answer a refused WSGI request.

    Raises:
        ConfigurationError: ``app`` is not callable.
    """
    _check_app(app)

    def answer(
        refusal: Refusal, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ[TENANT_KEY] = None
        environ[REFUSAL_KEY] = refusal

        def start_completed(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            present = {name.lower() for name, _ in headers}
            added = _missing_headers(refusal, int(status[:3]), present)
            return start_response(status, [*headers, *added], *exc_info)

        serve = varying_wsgi(app, vary) if vary else app
        return serve(environ, start_completed)

    return answer
