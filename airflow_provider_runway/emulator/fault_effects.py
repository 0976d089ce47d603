"""Fault effects: what each fault does to a response."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

from .api_responses import (
    INVALID_KEY,
    MISSING_KEY,
    NO_BALANCE_RECORD,
    ApiResponse,
    make_auth_error_response,
    make_error_response,
    make_html_response,
    make_out_of_credits_error,
    make_rate_limit_error,
    make_server_error,
    make_unknown_path_error,
    make_unknown_request_error,
    reshape_output,
)
from .fault_rules import FaultRule
from .history_rows import clear_late_fields
from .rate_limits import format_reset_time

_POLL_URL_FIELDS = ("poll_url", "status_url", "response_url")
_NONSENSE_BODIES = {
    "list": b'["request_id", "status", 7]',
    "types": b'{"request_id": 7, "status": ["QUEUED"], "output": 3.5, "metrics": "none", "data": {}, "credits": []}',
    "null": b"null",
    "text": b'"the rate limiter is not available"',
    "broken": b'{"request_id": "7d4e", "status": "QUE',
}
#: A grey image of one pixel.
_SMALL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


def build_fault_response(rule: FaultRule, now: float, reset_format: str) -> ApiResponse:
    """Return the response of a fault that replaces the call: nothing was accepted.

    :param reset_format: format of the reset time, unless the rule has its own.
    """
    params = rule.params
    match rule.fault:
        case "rate_limited":
            reset = format_reset_time(now + params["window"], params["reset_format"] or reset_format)
            return make_rate_limit_error(reset, math.ceil(params["window"]) if params["retry_after"] else None)
        case "refuse_auth":
            text = MISSING_KEY if params["text"] == "missing" else INVALID_KEY
            is_auth = params["envelope"] == "auth"
            return make_auth_error_response("unauthorized", text) if is_auth else make_error_response(401, text)
        case "forbidden":
            return make_error_response(403, "Model is not permitted for this account")
        case "not_found":
            return make_unknown_path_error()
        case "out_of_credits":
            return make_out_of_credits_error()
        case "team_limit":
            return make_error_response(406, "Team spend limit reached")
        case "bad_parameter":
            return make_error_response(406, f"Parameter not acceptable: {params['name']}")
        case "retired":
            return make_error_response(410, "Model has been retired")
        case "no_balance":
            return make_error_response(404, NO_BALANCE_RECORD)
        case "record_expired":
            return make_unknown_request_error()
        case "server_error" | "history_down":
            return make_server_error(params["status"], params["body"])
        case "cut_before":
            return ApiResponse(delivery="reset")
        case "redirect":
            return make_html_response(params["status"], headers={"location": params["to"]})
    # The remaining faults look the same whether the call was carried out or not.
    return change_response(rule, ApiResponse())


def change_response(rule: FaultRule, response: ApiResponse) -> ApiResponse:
    """Return the response to a call that was carried out, changed by a fault."""
    params = rule.params
    match rule.fault:
        case "error_after_accept":
            return make_server_error(params["status"], params["body"])
        case "proxy_status":
            return _build_proxy_response(params["status"], params["body"])
        case "drip":
            delivery = "drip" if params["send"] == "bytes" else "headers"
            return response.replace(delivery=delivery, drip_s=params["seconds"])
        case "history_form":
            return response  # the handler has used the form already
        case "cut_after":
            return ApiResponse(delivery="reset")
        case "cut_body":
            delivery = "cut_reset" if params["how"] == "reset" else "cut_close"
            return set_version_headers(response, params["names"]).replace(delivery=delivery)
        case "html_200" | "output_wrong_type":
            return make_html_response(200, "Please wait")
        case "empty_body":
            return ApiResponse(headers={"content-type": "application/json"})
        case "nonsense_json":
            return ApiResponse(200, _NONSENSE_BODIES[params["body"]], {"content-type": "application/json"})
        case "output_truncated":
            return response.replace(data=response.data[: len(response.data) // 2])
        case "output_kind":
            return build_other_file_response(params["kind"])
        case "output_size":
            delivery = "whole" if params["told"] else "chunked"
            return response.replace(data=pad_video(response.data, params["bytes"]), delivery=delivery)
    body = response.parse_json()
    if not isinstance(body, dict):
        return response
    status = _choose_status(rule, response.status, body)
    return response.replace(status=status, data=json.dumps(_change_body(rule, body)).encode())


def _change_body(rule: FaultRule, body: dict[str, Any]) -> dict[str, Any]:
    params = rule.params
    match rule.fault:
        case "missing_request_id":
            return {name: value for name, value in body.items() if name != "request_id"}
        case "foreign_status_url":
            urls = {name: body[name] for name in _POLL_URL_FIELDS if name in body}
            return body | {name: _replace_host(url, params["host"]) for name, url in urls.items()}
        case "unknown_status":
            return body | {"status": params["state"]}
        case "lost_output":
            return reshape_output(body, "none", 1)
        case "output_shape":
            return reshape_output(body, params["shape"], params["count"])
        case "history_late":
            return _make_history_late(body, params["lacks"])
        case "upload_urls":
            return {"urls": body["file_urls"], "message": body["message"]} if "file_urls" in body else body
    return body


def _build_proxy_response(status: int, body: str) -> ApiResponse:
    """Return the response of a proxy; a redirect leads to a login page."""
    response = ApiResponse(status) if body == "empty" else make_server_error(status, body)
    if 300 <= status < 400:
        response.headers["location"] = "https://login.invalid/"
    return response


def _make_history_late(body: dict[str, Any], lacks: str) -> dict[str, Any]:
    """Return a history response as it is before its rows are complete."""
    if "data" not in body:
        return {"error": "Request not found"} if lacks == "rows" else clear_late_fields(body)
    if lacks == "rows":
        return body | {"data": [], "total": 0, "total_pages": 0}
    return body | {"data": [clear_late_fields(row) for row in body["data"]]}


def _choose_status(rule: FaultRule, status: int, body: dict[str, Any]) -> int:
    """Return the HTTP status that fits the changed body."""
    if rule.fault == "history_late" and rule.params["lacks"] == "rows" and "data" not in body:
        return 404
    # An unknown status is not a failure, so it does not come as 422.
    return 200 if rule.fault == "unknown_status" else status


def _replace_host(url: str, host: str) -> str:
    scheme, _, rest = url.partition("://")
    path = rest.partition("/")[2]
    return f"{host.rstrip('/')}/{path}" if scheme else url


def set_version_headers(response: ApiResponse, names: str) -> ApiResponse:
    """Return a file whose version is identified by an ETag, a weak ETag, an old or a fresh date, or nothing."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    etag, modified = headers.get("etag"), headers.get("last-modified")
    kept = {name: value for name, value in headers.items() if name not in ("etag", "last-modified")}
    if names == "etag":
        return response
    if names == "weak" and etag is not None:
        kept["etag"] = f"W/{etag}"
    if names in ("date", "fresh_date") and modified is not None:
        kept["last-modified"] = modified
        if names == "fresh_date":
            kept["date"] = modified
    return response.replace(headers=kept)


def pad_video(video: bytes, size: int) -> bytes:
    """Return an MP4 of ``size`` bytes. The padding is an empty box at its end, which players ignore."""
    length = max(size - len(video), 8)
    return video + struct.pack(">I4s", length, b"free") + bytes(length - 8)


def build_other_file_response(kind: str) -> ApiResponse:
    """Return a small file that is not a video: a ``png``, or bytes of an ``unknown`` type."""
    if kind == "png":
        return ApiResponse(200, _SMALL_PNG, {"content-type": "image/png"})
    return ApiResponse(200, b"\x7fRAW" + bytes(range(128, 256)), {"content-type": "application/octet-stream"})
