"""HTTP server of the emulator: routes and middlewares.

The middlewares run in this order: request log, key check, rate limit, fault injection; then the handler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from email.utils import formatdate

from aiohttp import web

from . import handlers, media_files
from .api_call import ApiCall, Handler
from .control_api import CONTROL_PREFIX, HISTORY_PATH, make_control_app
from .fault_effects import build_fault_response, change_response
from .rate_limits import format_reset_time
from .response_bodies import (
    ApiResponse,
    make_html_response,
    make_invalid_key_error,
    make_missing_key_error,
    make_rate_limit_error,
    make_unknown_path_error,
)
from .response_sender import send_response
from .state import EmulatorState

log = logging.getLogger("airflow_provider_runway.emulator")

#: An upload is base64 text. 64 MiB is more than enough for the largest image of a model (16 MB).
MAX_BODY_BYTES = 64 * 1024**2

#: (name of the call, methods, path, handler)
ROUTES: tuple[tuple[str, tuple[str, ...], str, Handler], ...] = (
    ("credits", ("GET",), "/v1/get-user-credits", handlers.get_credits),
    ("status", ("GET",), "/v2/requests/{argument}/status", handlers.get_status),
    ("result", ("GET",), "/{version:v[12]}/requests/{argument}", handlers.get_result),
    ("upload", ("POST",), "/upload-asset", media_files.upload_assets),
    ("history", ("GET",), HISTORY_PATH, handlers.list_history),
    ("history_one", ("GET",), HISTORY_PATH + "/{argument}", handlers.get_history_row),
    ("submit", ("POST",), "/v2/{argument}", handlers.submit_job),
    ("sync", ("POST",), "/v1/{argument:(?!get-user-credits$)[^/]+}", handlers.run_blocking),
    ("output", ("GET", "HEAD"), "/outputs/{argument}", media_files.get_output),
    ("asset", ("GET", "HEAD"), "/assets/{argument}", media_files.get_asset),
)
#: Calls that need no key and count against no rate limit.
PUBLIC_CALLS = ("output", "asset")

STATE = web.AppKey("state", EmulatorState)
#: The call that the middlewares and the handler of the current request work on; None for all other paths.
_current_call: ContextVar[ApiCall | None] = ContextVar("current_call", default=None)

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


def _make_route_handler(handler: Handler) -> _Next:
    async def run(_: web.Request) -> web.StreamResponse:
        return await handler(_get_current_call())

    return run


def _get_current_call() -> ApiCall:
    call = _current_call.get()
    assert call is not None
    return call


@web.middleware
async def handle_and_log(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Log a request and its response, and send the response."""
    if request.path.startswith(f"{CONTROL_PREFIX}/"):
        _current_call.set(None)
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
    _current_call.set(call if is_call else None)
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


@web.middleware
async def check_key(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Find the account of the request's key, or refuse the request."""
    call = _current_call.get()
    if call is None:
        return await handler(request)
    if call.name in ("submit", "sync"):
        call.state.store.post_count += 1
    if call.name not in PUBLIC_CALLS:
        key = request.headers.get("x-api-key")
        if not key:
            # A key sent as a bearer token is refused as invalid, not as missing.
            return make_invalid_key_error() if "authorization" in request.headers else make_missing_key_error()
        account = call.state.options.find_account(key)
        if account is None:
            return make_invalid_key_error()
        call.account = account
    return await handler(request)


@web.middleware
async def apply_rate_limit(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Count the request, or refuse it with a 429."""
    call = _current_call.get()
    if call is None or call.name in PUBLIC_CALLS:
        return await handler(request)
    state = call.state
    reset_time = state.rate_limits.count_request(call.account, state.clock())
    if reset_time is None:
        return await handler(request)
    retry_after_s = math.ceil(reset_time - state.clock()) if state.options.retry_after else None
    return make_rate_limit_error(format_reset_time(reset_time, state.options.reset_format), retry_after_s)


@web.middleware
async def inject_faults(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Apply the matching fault rules to the call."""
    call = _current_call.get()
    if call is None:
        return await handler(request)
    state = call.state
    call.faults = state.faults.match_request(call.name, f"{request.path} {call.body.decode(errors='replace')}")
    call.log_entry.fault = call.faults.names
    delay, fault = call.faults.delay_rule, call.faults.response_rule
    delay_s = float(delay.params["seconds"]) if delay else 0.0
    is_delayed_first = delay is not None and delay.params["accept"] == "after"
    if is_delayed_first:
        await asyncio.sleep(delay_s)
    if fault and fault.replaces_call:
        if fault.fault == "rate_limited" and fault.params["hold"]:
            state.rate_limits.block_account(call.account, state.clock() + fault.params["window"])
        response = build_fault_response(fault, state.clock(), state.options.reset_format)
    else:
        result = await handler(request)
        assert isinstance(result, ApiResponse)
        response = change_response(fault, result) if fault else result
    if delay and not is_delayed_first:
        await asyncio.sleep(delay_s)
    return response
