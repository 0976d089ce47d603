"""Requests and answers as values, and the error answers of the API, each in the envelope it is documented with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

#: How a connection ends early: before any byte of the answer, with half of its body sent, or the same with an
#: orderly end in place of a reset.
Cut = Literal["", "reset", "half", "close"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``base`` is this emulator's address as the caller knows it; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, and where the connection breaks while it is sent, if it does.

    ``told`` is False for a body that comes in chunks, without a Content-Length.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Cut = ""
    told: bool = True

    def with_headers(self, **headers: str) -> Reply:
        """Return the same answer with more headers (``_`` in a name stands for ``-``)."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})

    def json(self) -> Any:
        """Return the body read as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def as_json(body: Any, status: int = 200) -> Reply:
    """Return a JSON answer."""
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})


def error(status: int, text: str) -> Reply:
    """Return an error in the usual envelope."""
    return as_json({"error": text}, status)


def auth_error(code: str, text: str, status: int = 401) -> Reply:
    """Return an error in the envelope of the auth surface."""
    return as_json({"error": code, "error_description": text, "status_code": status}, status)


def html(status: int, title: str | None = None) -> Reply:
    """Return a page of HTML, as proxies and gateways send where a program expects JSON."""
    title = title or f"{status} {HTTPStatus(status).phrase}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return Reply(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


NO_KEY = "Missing Authorization or x-api-key in header"
BAD_KEY = "Unauthorized. API key is invalid or no longer active."
NO_BALANCE = "No credits found for the user"
RATE_LIMITED = "rate_limit_exceeded"


def no_key() -> Reply:
    """No key came with the request."""
    return error(401, NO_KEY)


def bad_key() -> Reply:
    """A key came, and it opens nothing."""
    return auth_error("unauthorized", BAD_KEY)


def no_such_path() -> Reply:
    """Nothing lives at this path."""
    return error(404, "Not Found")


def no_such_request() -> Reply:
    """The record was never there, or its hour is over: the API does not tell which."""
    return error(404, "Request not found or expired")


def wrong_content_type() -> Reply:
    """The body did not come as JSON."""
    return error(406, "Invalid content type")


def out_of_credits() -> Reply:
    """The balance does not cover the job."""
    return error(406, "Insufficient credits")


def team_limit() -> Reply:
    """The team's spend limit is reached."""
    return error(406, "Team spend limit reached")


def bad_parameter(name: str) -> Reply:
    """A parameter was refused before the job was taken."""
    return error(406, f"Parameter not acceptable: {name}")


def server_error(status: int, form: str) -> Reply:
    """A fault of the server, as JSON or as a page of its proxy."""
    return html(status) if form == "html" else error(status, HTTPStatus(status).phrase)


def too_many(reset: str, retry_after_s: int | None = None) -> Reply:
    """Refused before anything ran.

    :param reset: the text of ``x-rate-limit-reset-at-utc``.
    :param retry_after_s: for ``Retry-After``, which the API does not send.
    """
    reply = error(429, RATE_LIMITED).with_headers(x_rate_limit_reset_at_utc=reset)
    return reply if retry_after_s is None else reply.with_headers(retry_after=str(retry_after_s))
