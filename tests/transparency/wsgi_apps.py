"""WSGI applications: one without a framework, and one of Flask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

from flask import Flask, Response, abort, redirect, request, send_file, send_from_directory, url_for
from flask import session as flask_session

from tenantshield_mw import TenantSessionMiddlewareWSGI, resolvers
from tenantshield_mw.adapters.flask import TenantShield

from .meeting import FILE, Meeting, digest

__all__ = ["RawWSGI", "flask_app", "variant"]

TEXT = [("Content-Type", "text/plain")]


class Body:
    """An iterator that records its end."""

    def __init__(self, note: Callable[[str], None], chunks: Iterable[bytes]) -> None:
        self._note = note
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        self._note("closed")


class RawWSGI:
    """Each path is one method of this class."""

    def __init__(self) -> None:
        self.meeting = Meeting()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name = environ["PATH_INFO"].lstrip("/").split("/")[0].replace("-", "_")
        serve = getattr(self, f"on_{name}", self.on_missing)
        body: Iterable[bytes] = serve(environ, start_response)
        return body

    def on_missing(self, environ: Any, start_response: Any) -> Any:
        start_response("404 Nothing Here", TEXT)
        return [b"nothing here"]

    def on_plain(self, environ: Any, start_response: Any) -> Any:
        length = ("Content-Length", "5")
        start_response("200 OK", [*TEXT, length, ("Allow", environ["REQUEST_METHOD"])])
        return [b"plain"]

    def on_request(self, environ: Any, start_response: Any) -> Any:
        """Show the environ, except for the tenant and what differs between connections."""
        start_response("200 OK", TEXT)
        hidden = ("REMOTE_PORT", "SERVER_PORT", "wsgi.input", "wsgi.errors")
        kinds = (str, int, bool, tuple, type(None))
        lines = [
            f"{name}: {environ[name]!r}\n"
            for name in sorted(environ)
            if name not in hidden and "tenantshield" not in name
            if isinstance(environ[name], kinds)
        ]
        return ["".join(lines).encode()]

    def on_echo(self, environ: Any, start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            parts = [*iter(lambda: stream.read(10_000), b"")]
        else:
            parts = [stream.read(int(environ["CONTENT_LENGTH"] or 0))]
        start_response("200 OK", TEXT)
        return [digest(*parts)]

    on_form = on_upload = on_echo

    def on_lines(self, environ: Any, start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        lines = [stream.readline(), next(iter(stream)), stream.readline(3), stream.read(2)]
        start_response("200 OK", TEXT)
        return [repr(lines).encode()]

    def on_unread(self, environ: Any, start_response: Any) -> Any:
        start_response("417 Expectation Failed", [*TEXT, ("Content-Length", "8")])
        return [b"not read"]

    def on_tuple(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return (b"one", b"two")

    def on_empty(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return []

    def on_stream(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"one"
        yield b"two"
        yield b"three" * 20_000

    def on_late(self, environ: Any, start_response: Any) -> Any:
        class Late:
            def __iter__(self) -> Iterator[bytes]:
                start_response("200 OK", TEXT)
                yield b"started when iterated"

        return Late()

    def on_empty_chunks(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        yield b"one"
        yield b""

    def on_iterable(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return Body(lambda note: None, [b"a", b"b"])

    def on_background(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return Body(self.meeting.noted.put, [b"a", b"b"])

    def on_write(self, environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"written")
        write(b" at once")
        return []

    def on_write_and_body(self, environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"written, ")
        return Body(lambda note: None, [b"then ", b"returned"])

    def on_exc_info(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [*TEXT, ("X-Never", "seen"), ("Vary", "Cookie")])
        try:
            raise LookupError("before anything was sent")
        except LookupError:
            start_response("500 Oh Dear", [*TEXT, ("Vary", "Origin")], sys.exc_info())
        return [b"sorry"]

    def on_exc_info_late(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [*TEXT, ("Content-Length", "100")])
        yield b"begun"
        try:
            raise LookupError("after something was sent")
        except LookupError:
            # PEP 3333: this raises, since the headers have been sent.
            start_response("500 Oh Dear", TEXT, sys.exc_info())
        yield b"never sent"

    def on_events(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        for number in range(3):
            yield b"data: %d\n\n" % number
            self.meeting.released.acquire()

    def on_file(self, environ: Any, start_response: Any) -> Any:
        length = ("Content-Length", str(FILE.stat().st_size))
        start_response("200 OK", [("Content-Type", "text/x-python"), length])
        return environ.get("wsgi.file_wrapper", FileWrapper)(FILE.open("rb"), 4096)

    def on_cookies(self, environ: Any, start_response: Any) -> Any:
        names = ["Set-Cookie", "x-same", "set-cookie", "X-Empty", "x-same", "X-High"]
        values = ["a=1; Path=/", "1", "b=2; HttpOnly", "", "1", "\xe9"]
        start_response("200 OK", [*TEXT, *zip(names, values, strict=True)])
        return [b"ok"]

    def on_no_content(self, environ: Any, start_response: Any) -> Any:
        start_response("204 No Content", [("X-One", "1")])
        return []

    def on_not_modified(self, environ: Any, start_response: Any) -> Any:
        start_response("304 Not Modified", [("ETag", '"1"')])
        return []

    def on_redirect(self, environ: Any, start_response: Any) -> Any:
        location = f"http://{environ['HTTP_HOST']}{environ['SCRIPT_NAME']}/plain"
        start_response("307 Temporary Redirect", [("Location", location)])
        return [b""]

    def on_vary(self, environ: Any, start_response: Any) -> Any:
        fields = [("vary", "Accept-Encoding,Cookie"), *TEXT, ("Vary", "Origin")]
        start_response("200 OK", [*fields, ("Content-Length", "2")])
        return [b"ok"]

    def on_vary_any(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Vary", "*"), *TEXT])
        return [b"ok"]

    def on_crash(self, environ: Any, start_response: Any) -> Any:
        raise LookupError("before the response")

    def on_crash_late(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"begun"
        raise LookupError("in the response")

    def on_listen(self, environ: Any, start_response: Any) -> Any:
        self.meeting.entered.release()
        try:
            self.meeting.noted.put(repr(environ["wsgi.input"].read()))
        except Exception as error:
            self.meeting.noted.put(repr(error))
        start_response("200 OK", TEXT)
        return []

    def on_endless(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return Body(self.meeting.noted.put, iter(lambda: b"begun" * 10_000, b""))

    def on_release(self, environ: Any, start_response: Any) -> Any:
        self.meeting.released.release()
        return self.on_empty(environ, start_response)

    def on_entered(self, environ: Any, start_response: Any) -> Any:
        self.meeting.entered.acquire()
        return self.on_empty(environ, start_response)

    def on_noted(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [self.meeting.noted.get().encode()]


def flask_app() -> Flask:  # noqa: C901
    app = Flask(__name__)
    app.secret_key = "of the tests"
    # Flask raises what a request raises where it is left to a debugger; a server answers.
    app.config["PROPAGATE_EXCEPTIONS"] = False
    meeting = Meeting()

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.route("/request", methods=["GET"])
    @app.route("/request/<path:rest>", methods=["GET"])
    def shown(rest: str = "") -> dict[str, Any]:
        return {
            "url": request.url,
            "rest": rest,
            "args": request.args.to_dict(flat=False),
            "headers": [*request.headers],
        }

    @app.post("/echo")
    def echo() -> bytes:
        return digest(request.get_data())

    @app.post("/form")
    def form() -> dict[str, Any]:
        return request.form.to_dict(flat=False)

    @app.post("/upload")
    def upload() -> list[Any]:
        file = request.files["file"]
        return [request.form, file.filename, digest(file.read()).decode()]

    @app.post("/unread")
    def unread() -> tuple[str, int]:
        return "not read", 417

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([b"one", b"two", b"three" * 20_000]))

    @app.get("/events")
    def events() -> Response:
        def numbers() -> Iterator[str]:
            for number in range(3):
                yield f"data: {number}\n\n"
                meeting.released.acquire()

        return Response(numbers(), mimetype="text/event-stream")

    @app.get("/file")
    def file() -> Response:
        return send_file(FILE)

    @app.get("/static/<path:name>", endpoint="files")
    def files(name: str) -> Response:
        return send_from_directory(FILE.parent, name)

    @app.get("/cookies")
    def cookies() -> Response:
        response = Response("ok", headers=[("X-Same", "1"), ("X-Empty", ""), ("X-Same", "1")])
        response.set_cookie("a", "1")
        response.set_cookie("b", request.cookies["b"], httponly=True)
        return response

    @app.get("/no-content")
    def no_content() -> tuple[str, int]:
        return "", 204

    @app.get("/not-modified")
    def not_modified() -> tuple[str, int]:
        return "", 304

    @app.get("/redirect")
    def to_plain() -> Any:
        return redirect(url_for("plain", _external=True))

    @app.get("/folder/")
    def folder() -> str:
        return ""

    @app.get("/vary")
    def vary() -> Response:
        response = Response("ok")
        response.vary.update(["Accept-Encoding", "Cookie"])
        return response

    @app.get("/vary-any")
    def vary_any() -> Response:
        return Response("ok", headers={"Vary": "*"})

    @app.get("/session")
    def session() -> str:
        return str(flask_session.get("user"))

    @app.get("/teapot")
    def teapot() -> str:
        abort(418)

    @app.get("/crash")
    def crash() -> str:
        raise LookupError

    @app.get("/crash-late")
    def crash_late() -> Response:
        def chunks() -> Iterator[str]:
            yield "begun"
            raise LookupError

        return Response(chunks())

    @app.get("/endless")
    def endless() -> Response:
        response = Response(iter(lambda: b"begun" * 10_000, b""))
        response.call_on_close(lambda: meeting.noted.put("closed"))
        return response

    @app.get("/background")
    def background() -> Response:
        response = Response("ok")
        response.call_on_close(lambda: meeting.noted.put("closed"))
        return response

    @app.get("/release")
    def release() -> str:
        meeting.released.release()
        return ""

    @app.get("/noted")
    def noted() -> str:
        return meeting.noted.get()

    return app


def variant(app: str, how: str) -> Any:
    """Return an app alone (``bare``), in the middleware, or with its adapter."""
    made: Any = {"raw": RawWSGI, "flask": flask_app}[app]()
    if how == "wrapped":
        return TenantSessionMiddlewareWSGI(made, resolve_tenant=resolvers.header("X-Tenant-ID"))
    if how == "adapter":
        TenantShield(made, resolve_tenant=resolvers.header("X-Tenant-ID"))
    return made
