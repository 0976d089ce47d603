"""Middlewares: each call of the API passes the key check, the rate limit and the fault injection before its handler."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .api_responses import (
    ApiResponse,
    make_error_response,
    make_invalid_key_error,
    make_missing_key_error,
    make_rate_limit_error,
    make_wrong_content_type_error,
)
from .emulator_state import EmulatorState, RequestLogEntry
from .fault_effects import build_fault_response, change_response
from .fault_rules import MatchedFaults
from .rate_limits import format_reset_time

#: Calls that need no key and count against no rate limit.
PUBLIC_CALLS = ("output", "asset")


@dataclass(slots=True)
class ApiCall:
    """One call of the API: the request, and what the middlewares found out about it.

    ``argument`` is the request id, slug or file name in the path; ``body`` is the request's body.
    """

    request: web.Request
    state: EmulatorState
    name: str
    argument: str
    body: bytes
    log_entry: RequestLogEntry
    account: str = ""
    faults: MatchedFaults = field(default_factory=MatchedFaults)

    @property
    def base_url(self) -> str:
        """The emulator's URL as the client knows it."""
        return f"{self.request.scheme}://{self.request.host}"

    def has_fault(self, *names: str) -> bool:
        """Tell whether one of these faults changes the response."""
        return self.faults.response_rule is not None and self.faults.response_rule.fault in names


Handler = Callable[[ApiCall], Awaitable[ApiResponse]]
NextHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: The call that the middlewares and the handler of the current request work on; None for all other paths.
current_call: ContextVar[ApiCall | None] = ContextVar("current_call", default=None)


def parse_body(call: ApiCall) -> dict[str, Any] | ApiResponse:
    """Return the JSON object in the body, or an error."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return make_wrong_content_type_error()
    try:
        body = json.loads(call.body)
    except ValueError:
        return make_error_response(400, "Malformed JSON body")
    return body if isinstance(body, dict) else make_error_response(400, "Expected a JSON object")


@web.middleware
async def check_key(request: web.Request, handler: NextHandler) -> web.StreamResponse:
    """Find the account of the request's key, or refuse the request."""
    call = current_call.get()
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
async def apply_rate_limit(request: web.Request, handler: NextHandler) -> web.StreamResponse:
    """Count the request, or refuse it with a 429."""
    call = current_call.get()
    if call is None or call.name in PUBLIC_CALLS:
        return await handler(request)
    state = call.state
    reset_time = state.rate_limits.count_request(call.account, state.clock())
    if reset_time is None:
        return await handler(request)
    retry_after_s = math.ceil(reset_time - state.clock()) if state.options.retry_after else None
    return make_rate_limit_error(format_reset_time(reset_time, state.options.reset_format), retry_after_s)


@web.middleware
async def inject_faults(request: web.Request, handler: NextHandler) -> web.StreamResponse:
    """Apply the matching fault rules to the call."""
    call = current_call.get()
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
