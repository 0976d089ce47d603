"""Fetches a finished video. It is public and paid for: no key is sent, and fetching again is free."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, BinaryIO

import requests

from airflow_provider_runway.exceptions import DownloadFailed, Unanswered
from airflow_provider_runway.segmind.refusals import error_for
from airflow_provider_runway.segmind.retry import RetryPolicy, pause_after
from airflow_provider_runway.segmind.wire import Answer, Request
from airflow_provider_runway.transports.blocking import leave_headers_alone

if TYPE_CHECKING:
    from airflow_provider_runway.transports.settings import Log, Settings

CHUNK_BYTES = 256 * 1024
#: Twice the usual attempts: a video that was paid for is worth insisting on.
POLICY = RetryPolicy(attempts=8, patience_s=300.0)


def fetch(url: str, sink: BinaryIO, settings: Settings, log: Log, policy: RetryPolicy = POLICY) -> int:
    """Stream a file into ``sink``, which is emptied before each attempt, and return its bytes.

    :raises DownloadFailed: gone, refused, or not whole within the policy. The video is still there to be
        fetched for the days that Segmind keeps it (7, by its docs).
    """
    request = Request("download", "GET", url)
    began = time.time()
    attempt = 0
    while True:
        attempt += 1
        try:
            return _stream(request, sink, settings)
        except Unanswered as problem:
            now = time.time()
            pause_s = pause_after(policy, problem, attempt, now - began, now, random.random())
            if pause_s is None:
                raise DownloadFailed(f"Not fetched in {attempt} attempts: {problem}", url=url) from problem
            log.info("%s Fetching it again in %.1f s.", problem, pause_s)
        time.sleep(pause_s)


def _stream(request: Request, sink: BinaryIO, settings: Settings) -> int:
    sink.seek(0)
    sink.truncate()
    timeout = (settings.connect_timeout_s, settings.read_timeout_s)
    try:
        with (
            requests.Session() as session,
            session.get(
                request.url, stream=True, timeout=timeout, verify=settings.verify, auth=leave_headers_alone
            ) as answer,
        ):
            if answer.status_code != 200:
                raise _refusal(request, answer)
            kind = answer.headers.get("content-type", "")
            if kind.startswith(("text/html", "application/json")):
                raise Unanswered(f"download: HTTP 200 with {kind} is no video.")
            for chunk in answer.iter_content(CHUNK_BYTES):
                sink.write(chunk)
    except requests.RequestException as error:
        # ``requests`` itself raises for a body shorter than its Content-Length.
        raise Unanswered(f"download: {type(error).__name__} at {request.url.split('/')[2]}.") from error
    size = sink.tell()
    if size == 0:
        raise Unanswered("download: HTTP 200 with an empty body is no video.")
    sink.flush()
    return size


def _refusal(request: Request, answer: requests.Response) -> Exception:
    if answer.status_code == 429 or answer.status_code >= 500:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return error_for(request, Answer(answer.status_code, headers, b"", at=time.time()))
    return DownloadFailed(
        f"The video cannot be fetched: HTTP {answer.status_code}. Segmind keeps outputs for 7 days.", url=request.url
    )
