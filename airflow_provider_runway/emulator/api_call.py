"""One call of the API, on its way through the middlewares to its handler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .fault_rules import MatchedFaults
from .response_bodies import ApiResponse, make_error_response, make_wrong_content_type_error
from .state import EmulatorState, RequestLogEntry


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


def parse_body(call: ApiCall) -> dict[str, Any] | ApiResponse:
    """Return the JSON object in the body, or an error."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return make_wrong_content_type_error()
    try:
        body = json.loads(call.body)
    except ValueError:
        return make_error_response(400, "Malformed JSON body")
    return body if isinstance(body, dict) else make_error_response(400, "Expected a JSON object")
