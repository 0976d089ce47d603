"""Downloads a finished output. It is public and paid for: no key is sent, and downloading it again is free.

The file is checked by its length and its bytes. One that is not complete is downloaded again from the start.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from airflow_provider_runway import __version__
from airflow_provider_runway.exceptions import DownloadFailedError, NoUsableResponseError, OutputRejectedError
from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.outputs.media_check import Media, inspect
from airflow_provider_runway.segmind.error_mapping import map_response_to_error
from airflow_provider_runway.segmind.http import Request, Response
from airflow_provider_runway.segmind.retry import RetryPolicy, compute_retry_delay_s
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.transports.client_settings import (
    MAX_OUTPUT_BYTES,
    find_proxy,
    make_ca_bundle_error,
    no_netrc_auth,
)

if TYPE_CHECKING:
    import requests

    from airflow_provider_runway.transports.client_settings import ClientSettings, Log

CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 5
#: One attempt takes no longer than this, however slowly the bytes come: 2 GiB at 1.2 MB/s.
MAX_ATTEMPT_S = 1800.0

#: Neither the connection's key nor anything that the session would add. The bytes are wanted uncompressed, because
#: lengths are counted in them.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"airflow-provider-runway/{__version__}"}
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A complete file: its length in bytes, and what it is."""

    size: int
    media: Media


def download(
    url: str,
    sink: BinaryIO,
    settings: ClientSettings,
    log: Log,
    policy: RetryPolicy | None = None,
    *,
    max_bytes: int = MAX_OUTPUT_BYTES,
    allowlist: DownloadAllowlist | None = None,
) -> DownloadedFile:
    """Stream a file into ``sink``, which must be readable and is emptied first, and return what the file is.

    :param policy: how often and how long to try; None: the process's timing says it.
    :param allowlist: the hosts that may be asked; None: the connection's and the URL's own.
    :raises OutputRejectedError: it is too large, or its URL must not be requested. A retry would not help.
    :raises DownloadFailedError: gone, refused, or not complete within the policy. The file stays at its URL for as long
        as Segmind keeps it (7 days, by its docs).
    """
    policy = policy or get_timing().download_retry
    allowlist = allowlist or DownloadAllowlist.for_job(settings.base_urls, [url])
    attempt = _DownloadAttempt(Request("download", "GET", url), sink, settings, max_bytes, allowlist)
    started_at, attempts = time.time(), 0
    while True:
        attempts += 1
        try:
            return attempt.run()
        except NoUsableResponseError as problem:
            now = time.time()
            pause_s = compute_retry_delay_s(policy, problem, attempts, now - started_at, now, random.random())
            if pause_s is None:
                raise DownloadFailedError(f"Not downloaded in {attempts} attempts: {problem}", url=url) from problem
            log.info("%s The download starts again in %.1f s.", problem, pause_s)
        time.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class _DownloadAttempt:
    """One attempt to download a file, which may be repeated."""

    request: Request
    sink: BinaryIO
    settings: ClientSettings
    max_bytes: int
    allowlist: DownloadAllowlist

    def run(self) -> DownloadedFile:
        """Request the file, write it into the sink, and check it.

        :raises NoUsableResponseError: it did not come, or not all of it. Another attempt may help.
        """
        import requests  # where it is used: parsing a DAG file must not load it

        self.sink.seek(0)
        self.sink.truncate()
        try:
            with self._open_response() as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                self._check_head(response.status_code, headers)
                self._write_body(response)
        except requests.RequestException as error:
            # ``requests`` also raises for a body that is shorter than its Content-Length.
            host = urlsplit(self.request.url).hostname
            raise NoUsableResponseError(f"download: {type(error).__name__} at {host}.") from error
        size = self.sink.tell()
        self.sink.flush()
        media = inspect(self._read_bytes, size)
        defect = media.defect
        if media.mime is None and headers.get("content-type", "").startswith("text/"):
            defect = defect or "its content type is text"
        if defect:
            raise NoUsableResponseError(
                f"download: HTTP {response.status_code} with {size} bytes is no complete output: {defect}."
            )
        return DownloadedFile(size, media)

    def _check_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Check status and headers before the body is read."""
        if status != 200:
            raise self._make_status_error(status, headers)
        content_type = headers.get("content-type", "")
        if content_type.startswith(("text/html", "application/json")):
            raise NoUsableResponseError(f"download: HTTP {status} with {content_type} is no output.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.max_bytes:
            raise self._make_size_error(f"{int(length):,} bytes")

    def _write_body(self, response: requests.Response) -> None:
        for chunk in response.iter_content(CHUNK_BYTES):
            if self.sink.tell() + len(chunk) > self.max_bytes:
                raise self._make_size_error("more bytes than allowed (its length is not given),")
            self.sink.write(chunk)

    @contextmanager
    def _open_response(self) -> Iterator[requests.Response]:
        """Send the request, follow allowed redirects, and close everything at the end."""
        from airflow_provider_runway.transports.time_limited_session import TimeLimitedSession

        url = self.request.url
        with TimeLimitedSession() as session, session.limit_time(MAX_ATTEMPT_S):
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            rejection_reason = self._get_rejection_reason(url, redirected_from=None)
            for _ in range(MAX_REDIRECTS + 1):
                if rejection_reason:
                    raise OutputRejectedError(
                        f"The output is not downloaded: {rejection_reason}.", url=self.request.url
                    )
                with self._get(session, url) as response:
                    location = response.headers.get("location") if response.status_code in _REDIRECT_STATUSES else None
                    if location is None:
                        yield response
                        return
                    target = urljoin(url, location)
                rejection_reason = self._get_rejection_reason(target, redirected_from=url)
                url = target
        raise NoUsableResponseError(f"download: more than {MAX_REDIRECTS} redirects.")

    def _get_rejection_reason(self, url: str, redirected_from: str | None) -> str:
        try:
            return self.allowlist.get_rejection_reason(url, redirected_from)
        except (OSError, UnicodeError) as problem:
            if find_proxy(url):
                return ""  # behind a proxy, which connects by itself, names often cannot be resolved
            host = urlsplit(url).hostname
            raise NoUsableResponseError(
                f"download: {host}, where a redirect leads, was not found: {problem}."
            ) from None

    def _get(self, session: requests.Session, url: str) -> requests.Response:
        import requests

        try:
            return session.get(
                url,
                headers=dict(_HEADERS),
                stream=True,
                timeout=(self.settings.connect_timeout_s, self.settings.read_timeout_s),
                # They are followed above, where each target is checked first.
                allow_redirects=False,
                auth=no_netrc_auth,
                verify=self.settings.verify,
            )
        except requests.RequestException:
            raise
        except OSError as problem:  # what ``requests`` raises, before it connects, where a CA bundle is missing
            raise make_ca_bundle_error(problem) from None

    def _read_bytes(self, offset: int, length: int) -> bytes:
        self.sink.seek(offset)
        return self.sink.read(length)

    def _make_size_error(self, size: str) -> OutputRejectedError:
        return OutputRejectedError(
            f"The output has {size} and the limit is {self.max_bytes:,} bytes: raise max_output_bytes.",
            url=self.request.url,
        )

    def _make_status_error(self, status: int, headers: Mapping[str, str]) -> Exception:
        if status == 429 or status >= 500 or status < 300:
            return map_response_to_error(self.request, Response(status, headers, b"", received_at=time.time()))
        return DownloadFailedError(
            f"The output cannot be downloaded: HTTP {status}. Segmind keeps outputs for 7 days.", url=self.request.url
        )
