"""Control API: the paths ``/_emulator/...`` with which a test steers an emulator, and their client.

These paths need no key, count against no rate limit, and have no faults.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .api_responses import make_error_response, make_json_response
from .emulator_state import EmulatorState
from .fault_kinds import FAULTS

CONTROL_PREFIX = "/_emulator"
HISTORY_PATH = "/inference-request/request-history"

_Action = Callable[[EmulatorState, str, Any], Any]


def make_control_app(state: EmulatorState) -> web.Application:
    """Return the application that serves the control paths."""
    app = web.Application(middlewares=[_explain_errors])
    for (method, path), action in _ACTIONS.items():
        app.router.add_route(method, f"/{path}", _make_handler(state, action))
    return app


def _make_handler(state: EmulatorState, action: _Action) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"{}")
        return make_json_response(action(state, f"{request.scheme}://{request.host}", body))

    return handle


@web.middleware
async def _explain_errors(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Turn an error into a JSON response that says what was wrong."""
    path = request.path
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPNotFound:
        known = ", ".join(dict.fromkeys(f"{CONTROL_PREFIX}/{name}" for _, name in _ACTIONS))
        return make_error_response(404, f"there is no {path}; known paths: {known}")
    except web.HTTPMethodNotAllowed as error:
        return make_error_response(405, f"{path} accepts {', '.join(sorted(error.allowed_methods))}")
    except KeyError as error:
        return make_error_response(404, f"there is no request {error}")
    except (ValueError, TypeError, AttributeError) as error:
        return make_error_response(400, str(error))
    return response


def _get_health(state: EmulatorState, base_url: str, _: Any) -> dict[str, Any]:
    options = state.options
    return {
        "status": "ok",
        "time": state.clock(),
        "storage_url": base_url,
        "history_url": base_url + HISTORY_PATH,
        "time_scale": options.time_scale,
        "requests_per_minute": options.requests_per_minute,
        "record_ttl": options.record_ttl,
    }


def _list_faults(state: EmulatorState, _: str, __: Any) -> dict[str, Any]:
    known = {name: {"about": it.about, "calls": it.calls, "params": it.params} for name, it in FAULTS.items()}
    return {"active": state.list_faults(), "known": known}


def _add_faults(state: EmulatorState, _: str, body: Any) -> list[dict[str, Any]]:
    """Add one rule (an object or its text) or a list of rules."""
    return [state.faults.add(rule).as_dict() for rule in (body if isinstance(body, list) else [body])]


def _clear_faults(state: EmulatorState, _: str, __: Any) -> dict[str, Any]:
    state.clear_faults()
    return {}


def _expire_records(state: EmulatorState, _: str, body: Any) -> dict[str, Any]:
    """Expire the record of ``{"request_id": …}``, or every record without one."""
    return {"expired": state.expire_records(body.get("request_id"))}


def _advance_time(state: EmulatorState, _: str, body: Any) -> dict[str, Any]:
    """Let ``{"seconds": …}`` pass."""
    state.advance(float(body.get("seconds", 0)))
    return {"time": state.clock()}


def _reset_state(state: EmulatorState, _: str, __: Any) -> dict[str, Any]:
    state.reset()
    return {}


_ACTIONS: dict[tuple[str, str], _Action] = {
    ("GET", "health"): _get_health,
    ("GET", "ledger"): lambda state, base_url, _: state.build_ledger(base_url),
    ("GET", "requests"): lambda state, _, __: state.list_requests(),
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "expire"): _expire_records,
    ("POST", "advance"): _advance_time,
    ("POST", "reset"): _reset_state,
}


class EmulatorControl:
    """Controls an emulator in another process over HTTP, with the methods of ``Emulator``.

    :param url: URL of the emulator.
    :param timeout_s: timeout of each request to it.
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"not an HTTP URL: {url!r}")
        self.url = url.rstrip("/")
        self.storage_url = self.url
        self.history_url = self.url + HISTORY_PATH
        self.timeout_s = timeout_s

    def health(self) -> dict[str, Any]:
        """Return the emulator's state of health and its main options."""
        return dict(self._request("GET", "health"))

    def ledger(self) -> dict[str, Any]:
        """Return the ledger, see ``Emulator.ledger``."""
        return dict(self._request("GET", "ledger"))

    def http_requests(self) -> list[dict[str, Any]]:
        """Return every request so far, see ``Emulator.http_requests``."""
        return list(self._request("GET", "requests"))

    def faults(self) -> list[dict[str, Any]]:
        """Return the active fault rules."""
        return list(self._request("GET", "faults")["active"])

    def add_fault(self, rule: str | dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Add a fault rule: a dict, its text, or its fields as keywords.

        :raises ValueError: for an unknown fault, call or parameter.
        """
        return dict(self._request("POST", "faults", fields if rule is None else rule)[0])

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self._request("DELETE", "faults")

    def expire(self, request_id: str | None = None) -> int:
        """Expire the record of one job, or of all; return how many."""
        return int(self._request("POST", "expire", {"request_id": request_id})["expired"])

    def advance(self, seconds: float) -> None:
        """Let this many seconds pass at once."""
        self._request("POST", "advance", {"seconds": seconds})

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        self._request("POST", "reset")

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url}{CONTROL_PREFIX}/{path}"
        request = urllib.request.Request(url, data, method=method)  # noqa: S310  # the constructor checks the scheme
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                text = str(json.load(error)["error"])
            raise (KeyError if error.code == 404 else ValueError)(text) from None
