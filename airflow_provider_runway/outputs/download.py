"""Fetches a finished output. It is public and paid for: no key is sent, and fetching again is free.

A transfer that breaks off goes on where it ended, where the server can name the version of the file. What
came is judged by its length and its bytes, and fetched again where they prove a loss.
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
from airflow_provider_runway.outputs.range_requests import PartialFile, part_of, total_of
from airflow_provider_runway.segmind.error_mapping import map_response_to_error
from airflow_provider_runway.segmind.http import Request, Response
from airflow_provider_runway.segmind.retry import RetryPolicy, compute_retry_delay_s
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES, ca_bundle_error, no_netrc_auth

if TYPE_CHECKING:
    import requests

    from airflow_provider_runway.transports.client_settings import ClientSettings, Log

#: What a break can lose of what had arrived already: urllib3 2 drops a chunk that it could not fill.
CHUNK_BYTES = 8 * 1024
#: Twice the usual attempts: a video that was paid for is worth insisting on.
POLICY = RetryPolicy(attempts=8, max_elapsed_s=300.0)
#: A line that brings this much between two breaks is slow, and not hopeless: the attempts are counted anew.
PROGRESS_BYTES = 1024**2
MOST_REDIRECTS = 5

#: No more than this: neither the connection's key nor anything that the session would add. The bytes are wanted
#: as they are, for lengths and ranges are counted in them.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"airflow-provider-runway/{__version__}"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A file that arrived whole: its bytes, and what it is."""

    size: int
    media: Media


def download(
    url: str,
    sink: BinaryIO,
    settings: ClientSettings,
    log: Log,
    policy: RetryPolicy = POLICY,
    *,
    most_bytes: int = MAX_OUTPUT_BYTES,
    reach: DownloadAllowlist | None = None,
) -> DownloadedFile:
    """Stream a file into ``sink``, which can be read and is emptied first, and return what it is.

    :param reach: the hosts that may be asked; None: the connection's and the URL's own.
    :raises OutputRejectedError: it is too large, or its address is none to be asked; it would be so again.
    :raises DownloadFailedError: gone, refused, or not whole within the policy. The video is still there to be
        fetched for the days that Segmind keeps it (7, by its docs).
    """
    download = _Download(url, sink, settings, most_bytes, reach or DownloadAllowlist.for_job(settings.base_urls, [url]))
    began, attempts, vain, farthest = time.time(), 0, 0, 0
    while True:
        attempts += 1
        vain += 1
        try:
            return download.attempt()
        except NoUsableResponseError as problem:
            now = time.time()
            # Farther than ever, and not only than before: a server may take back what it gave, again and again.
            if download.held_bytes >= farthest + PROGRESS_BYTES:
                began, vain, farthest = now, 1, download.held_bytes
            pause_s = compute_retry_delay_s(policy, problem, vain, now - began, now, random.random())
            if pause_s is None:
                raise DownloadFailedError(f"Not fetched in {attempts} attempts: {problem}", url=url) from problem
            going_on = f"Going on at byte {download.held_bytes}" if download.held_bytes else "Fetching it again"
            log.info("%s %s in %.1f s.", problem, going_on, pause_s)
        time.sleep(pause_s)


class _Download:
    """One file on its way, over several attempts: what is in the sink, and whether the rest can be asked for."""

    def __init__(
        self, url: str, sink: BinaryIO, settings: ClientSettings, most_bytes: int, reach: DownloadAllowlist
    ) -> None:
        self._request = Request("download", "GET", url)
        self._sink = sink
        self._settings = settings
        self._most_bytes = most_bytes
        self._reach = reach
        self._part: PartialFile | None = None
        sink.seek(0)
        sink.truncate()

    @property
    def held_bytes(self) -> int:
        """How much of the file is here, to go on from."""
        return self._part.size if self._part else 0

    def attempt(self) -> DownloadedFile:
        """Ask once for the file, or for what is lacking of it.

        :raises NoUsableResponseError: it is not whole. Asking again may help.
        """
        part = self._part
        with self._opened(_HEADERS | (part.headers() if part else {})) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            self._check(answer.status_code, headers)
            self._receive(answer, headers, part.size if part and answer.status_code == 206 else 0)
        size = self._sink.tell()
        self._sink.flush()
        media = inspect(self._read, size)
        defect = media.defect
        if media.mime is None and headers.get("content-type", "").startswith("text/"):
            defect = defect or "it says that it is text"
        if defect:
            raise NoUsableResponseError(
                f"download: HTTP {answer.status_code} with {size} bytes is no whole output: {defect}."
            )
        return DownloadedFile(size, media)

    def _check(self, status: int, headers: Mapping[str, str]) -> None:
        """Look at an answer's head, before a byte of what is held is given up for it."""
        if status == 416 or (status == 206 and not (self._part and self._part.goes_on(headers))):
            self._part = None
            raise NoUsableResponseError(f"download: HTTP {status} for another part than the one that is lacking.")
        if status not in (200, 206):
            raise self._refusal(status, headers)
        kind = headers.get("content-type", "")
        if kind.startswith(("text/html", "application/json")):
            raise NoUsableResponseError(f"download: HTTP {status} with {kind} is no output.")
        if (told := total_of(headers) or 0) > self._most_bytes:
            raise self._too_large(f"{told:,} bytes")

    def _receive(self, answer: requests.Response, headers: Mapping[str, str], start: int) -> None:
        import requests

        total = total_of(headers)
        self._part = None
        self._sink.seek(start)
        self._sink.truncate()
        try:
            for chunk in answer.iter_content(CHUNK_BYTES):
                if self._sink.tell() + len(chunk) > self._most_bytes:
                    raise self._too_large("more bytes, and does not say how many,")
                self._sink.write(chunk)
        except requests.RequestException as error:
            # ``requests`` itself raises for a body shorter than its Content-Length.
            self._part = part_of(headers, self._sink.tell(), total)
            raise self._lost(error) from error

    @contextmanager
    def _opened(self, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Send the request, follow its redirects as far as they may be followed, and close what was opened."""
        import requests  # where it is used: a DAG file that is parsed pays nothing for it

        url = self._request.url
        with requests.Session() as session:
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            rejection_reason = self._reach.rejection_reason(url)
            for _ in range(MOST_REDIRECTS + 1):
                if rejection_reason:
                    raise OutputRejectedError(f"The output is not fetched: {rejection_reason}.", url=self._request.url)
                with self._ask(session, url, headers) as answer:
                    target = answer.headers.get("location") if answer.status_code in _REDIRECTS else None
                    if target is None:
                        yield answer
                        return
                    there = urljoin(url, target)
                    rejection_reason = self._reach.rejection_reason(there, after=url)
                    url = there
        raise NoUsableResponseError(f"download: more than {MOST_REDIRECTS} redirects.")

    def _ask(self, session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
        import requests

        timeout = (self._settings.connect_timeout_s, self._settings.read_timeout_s)
        try:
            return session.get(
                url,
                headers=dict(headers),
                stream=True,
                timeout=timeout,
                # Ours to follow: every hop is judged first.
                allow_redirects=False,
                auth=no_netrc_auth,
                verify=self._settings.verify,
            )
        except requests.RequestException as error:
            raise self._lost(error) from error
        except OSError as problem:  # what ``requests`` raises, before it connects, where a bundle is missing
            raise ca_bundle_error(problem) from None

    def _read(self, offset: int, length: int) -> bytes:
        self._sink.seek(offset)
        return self._sink.read(length)

    def _lost(self, error: requests.RequestException) -> NoUsableResponseError:
        return NoUsableResponseError(f"download: {type(error).__name__} at {urlsplit(self._request.url).hostname}.")

    def _too_large(self, size: str) -> OutputRejectedError:
        return OutputRejectedError(
            f"The output has {size} and the most that is taken is {self._most_bytes:,} bytes: raise max_output_bytes.",
            url=self._request.url,
        )

    def _refusal(self, status: int, headers: Mapping[str, str]) -> Exception:
        if status == 429 or status >= 500:
            return map_response_to_error(self._request, Response(status, headers, b"", received_at=time.time()))
        return DownloadFailedError(
            f"The output cannot be fetched: HTTP {status}. Segmind keeps outputs for 7 days.", url=self._request.url
        )
