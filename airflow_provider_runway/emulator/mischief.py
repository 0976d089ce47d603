"""What the faults of :mod:`.faults` do to an answer. Values in, values out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from . import answers
from .answers import Reply
from .bodies import shaped
from .faults import Rule
from .files import of_kind, padded, renamed
from .history import without_fields
from .limits import reset_text

_URL_FIELDS = ("poll_url", "status_url", "response_url")
_NONSENSE = {
    "list": b'["request_id", "status", 7]',
    "types": b'{"request_id": 7, "status": ["QUEUED"], "output": 3.5, "metrics": "none", "data": {}, "credits": []}',
    "null": b"null",
    "text": b'"rate limiter is having a rest"',
    "broken": b'{"request_id": "7d4e", "status": "QUE',
}


def instead(rule: Rule, now: float, reset_format: str) -> Reply:
    """Return the answer of a fault that stands in the place of the call: nothing was accepted.

    :param reset_format: how resets are written unless the rule says otherwise.
    """
    p = rule.params
    match rule.fault:
        case "rate_limited":
            reset = reset_text(now + p["window"], p["reset_format"] or reset_format)
            return answers.too_many(reset, math.ceil(p["window"]) if p["retry_after"] else None)
        case "refuse_auth":
            text = answers.NO_KEY if p["text"] == "missing" else answers.BAD_KEY
            return answers.auth_error("unauthorized", text) if p["envelope"] == "auth" else answers.error(401, text)
        case "forbidden":
            return answers.error(403, "Model is not permitted for this account")
        case "not_found":
            return answers.no_such_path()
        case "out_of_credits":
            return answers.out_of_credits()
        case "team_limit":
            return answers.team_limit()
        case "bad_parameter":
            return answers.bad_parameter(p["name"])
        case "retired":
            return answers.error(410, "Model has been retired")
        case "no_balance":
            return answers.error(404, answers.NO_BALANCE)
        case "record_expired":
            return answers.no_such_request()
        case "server_error" | "history_down":
            return answers.server_error(p["status"], p["body"])
        case "cut_before":
            return Reply(cut="reset")
        case "redirect":
            return answers.html(p["status"]).with_headers(location=p["to"])
    # What is left are the answers that look the same whether or not the call was carried out.
    return twist(rule, Reply())


def twist(rule: Rule, reply: Reply) -> Reply:
    """Return what a fault makes of the true answer to a call that was carried out."""
    p = rule.params
    match rule.fault:
        case "error_after_accept":
            return answers.server_error(p["status"], p["body"])
        case "cut_after":
            return Reply(cut="reset")
        case "cut_body":
            named = renamed(reply, p["names"])
            return replace(named, cut="half" if p["how"] == "reset" else "close")
        case "html_200" | "output_wrong_type":
            return answers.html(200, "Please wait")
        case "empty_body":
            return Reply(headers={"content-type": "application/json"})
        case "nonsense_json":
            return Reply(200, _NONSENSE[p["body"]], {"content-type": "application/json"})
        case "output_truncated":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        case "output_kind":
            return of_kind(p["kind"])
        case "output_size":
            return replace(reply, body=padded(reply.body, p["bytes"]), told=p["told"])
    body = reply.json()
    if not isinstance(body, dict):
        return reply
    return replace(reply, body=json.dumps(_rewritten(rule, body)).encode(), status=_status(rule, reply))


def _rewritten(rule: Rule, body: dict[str, Any]) -> dict[str, Any]:
    p = rule.params
    match rule.fault:
        case "missing_request_id":
            return {name: value for name, value in body.items() if name != "request_id"}
        case "foreign_status_url":
            here = {name: body[name] for name in _URL_FIELDS if name in body}
            return body | {name: _elsewhere(url, p["host"]) for name, url in here.items()}
        case "unknown_status":
            return body | {"status": p["state"]}
        case "lost_output":
            return shaped(body, "none", 1)
        case "output_shape":
            return shaped(body, p["shape"], p["count"])
        case "history_late":
            return _late(body, p["lacks"])
        case "upload_urls":
            return {"urls": body["file_urls"], "message": body["message"]} if "file_urls" in body else body
    return body


def _late(body: dict[str, Any], lacks: str) -> dict[str, Any]:
    """Return a history answer as it is before the records have landed."""
    if "data" not in body:
        return {"error": "Request not found"} if lacks == "rows" else without_fields(body)
    if lacks == "rows":
        return body | {"data": [], "total": 0, "total_pages": 0}
    return body | {"data": [without_fields(row) for row in body["data"]]}


def _status(rule: Rule, reply: Reply) -> int:
    """Return the HTTP status that belongs to the rewritten body."""
    body = reply.json()
    if rule.fault == "history_late" and rule.params["lacks"] == "rows" and "data" not in body:
        return 404
    # An unknown state is no failure, so it does not come as 422.
    return 200 if rule.fault == "unknown_status" else reply.status


def _elsewhere(url: str, host: str) -> str:
    scheme, _, rest = url.partition("://")
    path = rest.partition("/")[2]
    return f"{host.rstrip('/')}/{path}" if scheme else url
