"""HTTP as values: a request, its response or its failure, and the base URLs that may receive the API key.

Nothing in here does I/O, or knows what a call or a response means: that is in ``api_calls``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_runway.exceptions import BadConnectionError, BadInputError
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.numbers_and_times import parse_http_date

#: Hosts and paths: the model's page names the gateway, the vendor's SDK 1.3.0 the other two.
GATEWAY_URL = "https://api.segmind.com"
STORAGE_URL = "https://workflows-api.segmind.com"
HISTORY_URL = "https://api.spotprod.segmind.com/inference-request/request-history"

#: Where a record, or an object in it, keeps its outputs, in the order of ``output_urls``.
#: ``last_frame_url`` is none of them: it is a by-product.
OUTPUT_FIELDS = ("output", "video", "images")
#: Objects in lists in objects: no documented form goes deeper than three.
_MAX_DEPTH = 6

_PATH_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as a value.

    :param call: the name of the API call, for logs and messages.
    :param idempotent: whether sending it twice has no second effect, and costs nothing twice.
    :param not_after: epoch seconds; a transport sends nothing later than this, and reports NOT_SENT.
    """

    call: str
    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    idempotent: bool = True
    not_after: float | None = None

    def has_expired(self, now: float) -> bool:
        """Is it too late to send this request?"""
        return self.not_after is not None and now > self.not_after


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: header names in lower case, the whole body, ``received_at`` in epoch seconds."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    received_at: float = 0.0

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object, or an empty one when it is anything else."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    def json(self) -> Any:
        """Return the body's JSON, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # RecursionError for endless nesting
            return None

    @property
    def is_html(self) -> bool:
        """Is the body a web page, which the API itself sends for no call?"""
        return "html" in self.headers.get("content-type", "") or self.body.lstrip()[:1] == b"<"

    @property
    def clock_offset_s(self) -> float | None:
        """The server's clock minus ours, to about a second, from the ``Date`` header; None without one."""
        server_time = parse_http_date(self.headers.get("date"))
        return None if server_time is None else server_time - self.received_at


class FailureKind(Enum):
    """Why there is no response, by what that proves about the request."""

    NOT_SENT = "no byte of the request left"
    MAYBE_SENT = "the request may have arrived"
    UNTRUSTED = "the host's certificate was not accepted, so nothing was sent"


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """A request without a response. ``detail`` is for people and holds no key."""

    kind: FailureKind
    detail: str
    received_at: float = 0.0


def make_expired_failure(request: Request, now: float) -> TransportFailure:
    """Return the failure of a request that was not sent because its ``not_after`` had passed."""
    late_s = now - (request.not_after or now)
    return TransportFailure(FailureKind.NOT_SENT, f"it was {late_s:.1f} s too late to send this request", now)


def encode_json(value: Any) -> bytes:
    """Encode a request body, the same way for sending and for fingerprints.

    :raises BadInputError: it holds what JSON has no form for, such as a date, NaN or half a character.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadInputError(f"The job's inputs are not plain JSON: {problem}. Nothing was sent.") from None


def parse_origin(url: str) -> tuple[str, str, int]:
    """Return (scheme, host, port) of an http or https URL.

    :raises BadConnectionError: the URL has another scheme, no host, a user part or an unreadable port.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise BadConnectionError(f"{url!r} is not an http(s) address, like {GATEWAY_URL}.") from None
    if not parts.hostname or parts.username is not None:
        raise BadConnectionError(
            f"The address must be https://host[:port][/path] without a user part; its host is {parts.hostname!r}."
        )
    return parts.scheme, parts.hostname, port


@dataclass(frozen=True, slots=True)
class BaseUrls:
    """The three base URLs of one connection. No other host ever receives its key."""

    gateway: str = GATEWAY_URL
    storage: str = STORAGE_URL
    history: str = HISTORY_URL

    def __post_init__(self) -> None:
        for name in ("gateway", "storage", "history"):
            url = getattr(self, name).rstrip("/")
            parse_origin(url)
            object.__setattr__(self, name, url)

    def may_receive_key(self, url: str) -> bool:
        """Is this URL on one of the connection's own hosts (same scheme, host and port)?"""
        try:
            origin = parse_origin(url)
        except BadConnectionError:
            return False
        return origin in {parse_origin(self.gateway), parse_origin(self.storage), parse_origin(self.history)}

    def make_model_url(self, version: str, slug: str) -> str:
        """Return the URL that runs a model. ``version`` is ``v1`` (blocking) or ``v2``."""
        return f"{self.gateway}/{version}/{safe_path_segment('model', slug)}"

    def make_record_url(self, request_id: str) -> str:
        """Return the URL of a job's record."""
        return f"{self.gateway}/v2/requests/{safe_path_segment('request_id', request_id)}"

    def make_history_row_url(self, request_id: str) -> str:
        """Return the URL of a job's row in the account's history."""
        return f"{self.history}/{safe_path_segment('request_id', request_id)}"


def safe_path_segment(name: str, text: object) -> str:
    """Return ``text`` as one safe path segment: it cannot lead to another path of the URL.

    :raises BadInputError: it is empty, too long, or has a character that an id or a slug never has.
    """
    if not isinstance(text, str) or not _PATH_SEGMENT.fullmatch(text) or ".." in text:
        raise BadInputError(
            f"{name}={safe_repr(text)} is not usable in an address: letters, digits, '.', '_' and '-' only, "
            "beginning with a letter or digit, at most 128 of them. Nothing was sent."
        )
    return quote(text, safe="")


def find_urls(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the http(s) URLs in a text, in an object with a ``url`` or outputs of its own, or in lists of those."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        url = value.strip()
        if url.lower().startswith(("https://", "http://")):
            yield url
    elif isinstance(value, list):
        for item in value:
            yield from find_urls(item, depth + 1)
    elif isinstance(value, dict):
        for name in ("url", *OUTPUT_FIELDS):
            yield from find_urls(value.get(name), depth + 1)
