"""HTTP server of the emulator: the routes, the request log, and how a response is sent, or its connection broken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator
from email.utils import formatdate

from aiohttp import web

from . import history_handlers, job_handlers, media_handlers
from .api_responses import ApiResponse, make_html_response, make_unknown_path_error
from .control_api import CONTROL_PREFIX, HISTORY_PATH, make_control_app
from .emulator_state import EmulatorState
from .middlewares import (
    ApiCall,
    Handler,
    NextHandler,
    apply_rate_limit,
    check_key,
    current_call,
    inject_faults,
)

log = logging.getLogger("airflow_provider_runway.emulator")

#: An upload is base64 text. 64 MiB is more than enough for the largest image of a model (16 MB).
MAX_BODY_BYTES = 64 * 1024**2

#: (name of the call, methods, path, handler)
ROUTES: tuple[tuple[str, tuple[str, ...], str, Handler], ...] = (
    ("credits", ("GET",), "/v1/get-user-credits", job_handlers.get_credits),
    ("status", ("GET",), "/v2/requests/{argument}/status", job_handlers.get_status),
    ("result", ("GET",), "/{version:v[12]}/requests/{argument}", job_handlers.get_result),
    ("upload", ("POST",), "/upload-asset", media_handlers.upload_assets),
    ("history", ("GET",), HISTORY_PATH, history_handlers.list_history),
    ("history_one", ("GET",), HISTORY_PATH + "/{argument}", history_handlers.get_history_row),
    ("submit", ("POST",), "/v2/{argument}", job_handlers.submit_job),
    ("sync", ("POST",), "/v1/{argument:(?!get-user-credits$)[^/]+}", job_handlers.run_blocking),
    ("output", ("GET", "HEAD"), "/outputs/{argument}", media_handlers.get_output),
    ("asset", ("GET", "HEAD"), "/assets/{argument}", media_handlers.get_asset),
)
#: Half of a body gets this long to reach the client before the connection is reset.
FLUSH_S = 0.05
#: A response that never ends checks this often whether its client has gone.
DISCONNECT_CHECK_S = 0.1

STATE = web.AppKey("state", EmulatorState)


@contextlib.asynccontextmanager
async def open_http_server(state: EmulatorState, host: str, port: int) -> AsyncIterator[str]:
    """Serve the emulator while the context is open; yields its URL.

    :raises OSError: if the address cannot be used.
    """
    # Closing does not wait for slow responses: their clients are gone.
    runner = web.AppRunner(make_app(state), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_port = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound_port}"
    finally:
        await runner.cleanup()


def make_app(state: EmulatorState) -> web.Application:
    """Return the web application of an emulator."""
    middlewares = [handle_and_log, check_key, apply_rate_limit, inject_faults]
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=middlewares)
    app[STATE] = state
    for name, methods, path, handler in ROUTES:
        resource = app.router.add_resource(path, name=name)
        for method in methods:
            resource.add_route(method, _make_route_handler(handler))
    app.add_subapp(CONTROL_PREFIX, make_control_app(state))
    return app


def _make_route_handler(handler: Handler) -> NextHandler:
    async def run(_: web.Request) -> web.StreamResponse:
        return await handler(_get_current_call())

    return run


def _get_current_call() -> ApiCall:
    call = current_call.get()
    assert call is not None
    return call


@web.middleware
async def handle_and_log(request: web.Request, handler: NextHandler) -> web.StreamResponse:
    """Log a request and its response, and send the response."""
    if request.path.startswith(f"{CONTROL_PREFIX}/"):
        current_call.set(None)
        return await handler(request)
    state = request.app[STATE]
    body = await request.read()
    has_key = "x-api-key" in request.headers or "authorization" in request.headers
    entry = state.log_request(request.method, request.path, has_key=has_key)
    match = request.match_info
    is_call = match.http_exception is None
    if is_call:
        entry.call = match.route.name or ""
        call = ApiCall(request, state, entry.call, match.get("argument", ""), body, entry)
    current_call.set(call if is_call else None)
    try:
        response = await handler(request)
    except web.HTTPMethodNotAllowed as error:
        response = make_html_response(405, headers={"allow": ", ".join(sorted(error.allowed_methods))})
    except web.HTTPNotFound:
        response = make_unknown_path_error()
    assert isinstance(response, ApiResponse)
    entry.status = None if response.delivery == "reset" else response.status
    entry.sent = response.sent_bytes
    # Neither the key nor the body is logged: a prompt is private too.
    log.info(
        "%s %s %s -> %s in %.0f ms%s",
        entry.call,
        request.method,
        request.rel_url.raw_path,
        response.status if response.delivery in ("whole", "chunked", "drip") else response.delivery,
        (state.clock() - entry.at) * 1000,
        f" [{entry.fault}]" if entry.fault else "",
    )
    response.headers.setdefault("date", formatdate(state.clock(), usegmt=True))
    return await send_response(request, response)


async def send_response(request: web.Request, response: ApiResponse) -> web.StreamResponse:
    """Send a response, or break the connection, as its ``delivery`` says."""
    if response.delivery == "whole":
        return response
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    if response.delivery == "chunked":
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client may have closed the connection
            await stream.write(response.data)
        return stream
    if response.delivery in ("drip", "headers"):
        await _drip_response(request, response, stream)
        return stream
    if response.delivery in ("cut_reset", "cut_close"):
        stream.content_length = len(response.data)
        await stream.prepare(request)
        await stream.write(response.data[: response.sent_bytes])
    if response.delivery == "cut_close" and request.transport is not None:
        request.transport.close()  # what was written is still sent
        return stream
    if response.delivery == "cut_reset":
        await asyncio.sleep(FLUSH_S)
    _reset_connection(request)
    return stream


async def _drip_response(request: web.Request, response: ApiResponse, stream: web.StreamResponse) -> None:
    """Send a byte at a time, or nothing after the headers, until the client closes the connection."""
    stream.content_length = max(len(response.data), 1)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        for index in range(stream.content_length):
            await asyncio.sleep(response.drip_s)
            if response.delivery == "headers":
                await _wait_for_disconnect(request)
                return
            await stream.write(response.data[index : index + 1])


async def _wait_for_disconnect(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(DISCONNECT_CHECK_S)


def _reset_connection(request: web.Request) -> None:
    """Close the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    raw_socket = transport.get_extra_info("socket")
    if raw_socket is not None:
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
