"""Applications of Starlette, FastAPI and Litestar, with the features that are special to each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import fastapi
import litestar
from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from litestar.background_tasks import BackgroundTask as LitestarTask
from litestar.datastructures import Cookie, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException as LitestarError
from litestar.params import Body, FromQuery
from litestar.response import File, Redirect, ServerSentEvent
from litestar.response import Stream as LitestarStream
from litestar.static_files import create_static_files_router
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from .meeting import FILE, AsyncMeeting, digest
from .wsgi_apps import RawWSGI

__all__ = ["fastapi_app", "litestar_app", "starlette_app"]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncGenerator[dict[str, Any]]:
    yield {"pool": "made at startup"}


async def chunks() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"
    yield b"three" * 20_000


async def breaking() -> AsyncIterator[bytes]:
    yield b"begun"
    raise LookupError("in the response")


async def numbers(meeting: AsyncMeeting) -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"data: %d\n\n" % number
        await meeting.released.acquire()


async def endless(meeting: AsyncMeeting) -> AsyncIterator[bytes]:
    try:
        yield b"begun"
        await meeting.released.acquire()
    finally:
        meeting.noted.put_nowait("ended")


class Views:
    """The common part of Starlette and FastAPI."""

    def __init__(self) -> None:
        self.meeting = AsyncMeeting()

    def routes(self) -> list[BaseRoute]:
        names = [name for name in vars(Views) if name.startswith(("get_", "post_"))]
        routes: list[BaseRoute] = []
        for name in names:
            method, _, rest = name.partition("_")
            path = "/" + rest.replace("_", "-")
            routes.append(Route(path, getattr(self, name), methods=[method.upper()]))
        return [
            *routes,
            Route("/request/{rest}", self.get_request),
            Route("/folder/", self.get_plain),
            Mount("/static", StaticFiles(directory=FILE.parent, packages=[])),
            Mount("/asgiref", WsgiToAsgi(RawWSGI())),  # type: ignore[no-untyped-call]
            Mount("/a2wsgi", WSGIMiddleware(RawWSGI())),  # type: ignore[arg-type]
            WebSocketRoute("/echo", self.echo),
            WebSocketRoute("/closing", self.closing),
            WebSocketRoute("/rejecting", self.rejecting),
            WebSocketRoute("/denying", self.denying),
            WebSocketRoute("/failing", self.failing),
        ]

    async def get_plain(self, request: Request) -> Response:
        return PlainTextResponse("plain")

    async def get_request(self, request: Request) -> Response:
        return JSONResponse(
            {
                "url": str(request.url),
                "path": request.path_params,
                "query": request.query_params.multi_items(),
                "headers": request.headers.items(),
                "host": request.client and request.client.host,
            }
        )

    async def post_echo(self, request: Request) -> Response:
        return Response(digest(*[part async for part in request.stream()]))

    async def post_upload(self, request: Request) -> Response:
        return Response(digest(await request.body()))

    async def post_unread(self, request: Request) -> Response:
        return PlainTextResponse("not read", 417)

    async def get_stream(self, request: Request) -> Response:
        return StreamingResponse(chunks())

    async def get_events(self, request: Request) -> Response:
        return StreamingResponse(numbers(self.meeting), media_type="text/event-stream")

    async def get_file(self, request: Request) -> Response:
        return FileResponse(FILE)

    async def get_cookies(self, request: Request) -> Response:
        response = PlainTextResponse("ok", headers={"X-Empty": ""})
        response.set_cookie("a", "1")
        response.set_cookie("b", request.cookies["b"], httponly=True)
        response.headers.append("X-Same", "1")
        response.headers.append("X-Same", "1")
        return response

    async def get_no_content(self, request: Request) -> Response:
        return Response(status_code=204)

    async def get_not_modified(self, request: Request) -> Response:
        return Response(status_code=304, headers={"ETag": '"1"'})

    async def get_redirect(self, request: Request) -> Response:
        return RedirectResponse(request.url_for("get_plain"))

    async def get_vary(self, request: Request) -> Response:
        return PlainTextResponse("ok", headers={"Vary": "Accept-Encoding,Cookie"})

    async def get_vary_any(self, request: Request) -> Response:
        return PlainTextResponse("ok", headers={"Vary": "*"})

    async def get_session(self, request: Request) -> Response:
        return PlainTextResponse(str(request.session.get("user")))

    async def get_teapot(self, request: Request) -> Response:
        raise HTTPException(418, headers={"X-Pot": "tea"})

    async def get_crash(self, request: Request) -> Response:
        raise LookupError("before the response")

    async def get_crash_late(self, request: Request) -> Response:
        return StreamingResponse(breaking())

    async def post_listen(self, request: Request) -> Response:
        self.meeting.entered.release()
        try:
            await request.body()
        except Exception as error:
            await self.meeting.noted.put(repr(error))
        return Response()

    async def get_endless(self, request: Request) -> Response:
        return StreamingResponse(endless(self.meeting))

    async def get_background(self, request: Request) -> Response:
        task = BackgroundTask(self.meeting.noted.put, "done after the response")
        return PlainTextResponse("ok", background=task)

    async def get_state(self, request: Request) -> Response:
        return PlainTextResponse(request.state.pool)

    async def get_release(self, request: Request) -> Response:
        self.meeting.released.release()
        return Response()

    async def get_entered(self, request: Request) -> Response:
        await self.meeting.entered.acquire()
        return Response()

    async def get_noted(self, request: Request) -> Response:
        return PlainTextResponse(await self.meeting.noted.get())

    async def echo(self, socket: WebSocket) -> None:
        offered = socket.scope["subprotocols"]
        await socket.accept(offered[-1] if offered else None, [(b"x-one", b"1")])
        while (message := await socket.receive())["type"] == "websocket.receive":
            await socket.send({**message, "type": "websocket.send"})
        await self.meeting.noted.put(repr(sorted(message.items())))

    async def closing(self, socket: WebSocket) -> None:
        await socket.accept("wamp")
        await socket.send_json({"text": "goodbye"})
        await socket.close(4002, "done")

    async def rejecting(self, socket: WebSocket) -> None:
        await socket.close(4003, "no")

    async def denying(self, socket: WebSocket) -> None:
        await socket.send_denial_response(PlainTextResponse("denied", 451))

    async def failing(self, socket: WebSocket) -> None:
        raise LookupError("before the accept")


def starlette_app() -> Starlette:
    # The former adds Vary: Accept-Encoding to every response.
    middleware = [
        Middleware(GZipMiddleware, minimum_size=0),
        Middleware(SessionMiddleware, secret_key="of the tests"),
    ]
    return Starlette(routes=Views().routes(), lifespan=lifespan, middleware=middleware)


def fastapi_app() -> fastapi.FastAPI:
    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/invalid")
    async def invalid(number: int, name: Annotated[str, fastapi.Query()] = "") -> int:
        return number

    @app.get("/plain")
    async def plain(response: fastapi.Response, task: fastapi.BackgroundTasks) -> dict[str, str]:
        response.set_cookie("a", "1")
        return {"plain": "json"}

    app.router.routes.extend(Views().routes())
    return app


def litestar_app(*plugins: Any) -> litestar.Litestar:  # noqa: C901
    meeting = AsyncMeeting()

    @litestar.get("/plain")
    async def plain() -> dict[str, str]:
        return {"plain": "json"}

    @litestar.get(["/request", "/request/{rest:str}"])
    async def shown(request: litestar.Request[Any, Any, Any]) -> dict[str, Any]:
        return {
            "url": str(request.url),
            "path": request.path_params,
            "query": [*request.query_params.multi_items()],
            "headers": [*request.headers.multi_items()],
        }

    @litestar.post("/echo")
    async def echo(request: litestar.Request[Any, Any, Any]) -> bytes:
        return digest(*[part async for part in request.stream()])

    @litestar.post("/form")
    async def form(request: litestar.Request[Any, Any, Any]) -> list[Any]:
        return [*(await request.form()).multi_items()]

    @litestar.post("/upload")
    async def upload(
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> list[str]:
        file: UploadFile = data["file"]
        return [data["title"], file.filename, digest(await file.read()).decode()]

    @litestar.post("/unread", status_code=417)
    async def unread() -> str:
        return "not read"

    @litestar.get("/stream")
    async def stream() -> LitestarStream:
        return LitestarStream(chunks())

    @litestar.get("/events")
    async def events() -> ServerSentEvent:
        async def counted() -> AsyncIterator[str]:
            for number in range(3):
                yield str(number)
                await meeting.released.acquire()

        return ServerSentEvent(counted())

    @litestar.get("/file")
    async def file() -> File:
        return File(FILE)

    @litestar.get(
        "/cookies", response_cookies=[Cookie(key="a", value="1"), Cookie(key="b", value="2")]
    )
    async def cookies() -> str:
        return "ok"

    @litestar.get("/no-content", status_code=204)
    async def no_content() -> None:
        return None

    @litestar.get("/redirect")
    async def redirect(request: litestar.Request[Any, Any, Any]) -> Redirect:
        return Redirect(str(request.base_url) + "plain")

    @litestar.get("/vary")
    async def vary() -> litestar.Response[str]:
        return litestar.Response("ok", headers={"Vary": "Accept-Encoding,Cookie"})

    @litestar.get("/vary-any")
    async def vary_any() -> litestar.Response[str]:
        return litestar.Response("ok", headers={"vary": "*"})

    @litestar.get("/invalid")
    async def invalid(number: FromQuery[int]) -> int:
        return number

    @litestar.get("/teapot")
    async def teapot() -> None:
        raise LitestarError(status_code=418, headers={"X-Pot": "tea"})

    @litestar.get("/crash")
    async def crash() -> None:
        raise LookupError("before the response")

    @litestar.get("/crash-late")
    async def crash_late() -> LitestarStream:
        return LitestarStream(breaking())

    @litestar.get("/endless")
    async def without_end() -> LitestarStream:
        return LitestarStream(endless(meeting))

    @litestar.get("/background")
    async def background() -> litestar.Response[str]:
        task = LitestarTask(meeting.noted.put, "done after the response")
        return litestar.Response("ok", background=task)

    @litestar.get("/state")
    async def state(request: litestar.Request[Any, Any, Any]) -> str:
        return str(request.app.state.pool)

    @litestar.get("/release")
    async def release() -> None:
        meeting.released.release()

    @litestar.get("/noted")
    async def noted() -> str:
        return await meeting.noted.get()

    @litestar.websocket("/echo")
    async def echo_socket(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        offered = socket.scope["subprotocols"]
        await socket.accept(offered[-1] if offered else None, {"x-one": "1"})
        message: Any = await socket.receive()
        while message["type"] == "websocket.receive":
            echoed: Any = {**message, "type": "websocket.send"}
            await socket.send(echoed)
            message = await socket.receive()
        await meeting.noted.put(repr(sorted(message.items())))

    @litestar.websocket("/closing")
    async def closing(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept("wamp")
        await socket.send_json({"text": "goodbye"})
        await socket.close(4002, "done")

    @litestar.websocket("/rejecting")
    async def rejecting(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.close(4003, "no")

    @litestar.websocket("/failing")
    async def failing(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        raise LookupError("before the accept")

    async def start(app: litestar.Litestar) -> None:
        app.state.pool = "made at startup"

    handlers = [value for value in locals().values() if hasattr(value, "opt")]
    files = create_static_files_router("/static", [FILE.parent])
    return litestar.Litestar(
        [*handlers, files],
        on_startup=[start],
        plugins=plugins,
        openapi_config=None,
        logging_config=None,
    )
