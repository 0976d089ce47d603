"""The settings of one connection, and what both HTTP transports do alike with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_runway import __version__
from airflow_provider_runway.exceptions import BadConnectionError, UnauthorizedError
from airflow_provider_runway.segmind.exchange import GetTimeStep, LogStep, SleepStep
from airflow_provider_runway.segmind.http import BaseUrls, Request

if TYPE_CHECKING:
    from requests import PreparedRequest

DEFAULT_CONNECT_TIMEOUT_S = 10.0
#: How long the next byte of a response may take to come.
DEFAULT_READ_TIMEOUT_S = 60.0
#: The blocking v1 call responds when the video is ready; the vendor's SDK gives v2 jobs 600 s.
SYNC_READ_TIMEOUT_S = 600.0
#: A request whose bytes leave slower than this is cut; an upload has up to 22 MB.
MIN_UPLOAD_BYTES_PER_S = 50_000
#: The largest output that is stored, unless the author says otherwise: some hundred times a ten-second video.
MAX_OUTPUT_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One checked connection. The key is not in its ``repr``.

    :param verify: True, False, or the path of a file or folder of certificate authorities.
    :param requests_per_minute: the account's rate limit where it is known; None: find it out.
    :param daily_cost_limit_usd: what the account may spend in a UTC day, in USD; None: no limit.
    :param conn_id: Airflow's id of the connection, for messages.
    """

    api_key: str = field(repr=False)
    base_urls: BaseUrls = field(default_factory=BaseUrls)
    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
    verify: bool | str = True
    requests_per_minute: float | None = None
    daily_cost_limit_usd: float | None = None
    conn_id: str = ""

    def describe_host(self, url: str) -> str:
        """Return the host of a URL for an error, and whose host it is."""
        host = url.split("/")[2]
        is_own = self.conn_id and self.base_urls.may_receive_key(url)
        return f"{host}, a host of the connection {self.conn_id!r}" if is_own else host

    def name_connection(self, error: UnauthorizedError) -> UnauthorizedError:
        """Return the error of a refused key with the connection that has the key."""
        if not self.conn_id:
            return error
        return UnauthorizedError(f"The key of the connection {self.conn_id!r} is refused: {error}", **error.facts)

    def make_headers(self, request: Request) -> Mapping[str, str]:
        """Return the headers of a request. The key is among them on the connection's own hosts only."""
        headers = {"Accept": "application/json, */*", "User-Agent": f"airflow-provider-runway/{__version__}"}
        if request.body:
            headers["Content-Type"] = "application/json"
        if self.base_urls.may_receive_key(request.url):
            headers["x-api-key"] = self.api_key
        return headers

    def get_read_timeout_s(self, request: Request) -> float:
        """Return the seconds that may pass between two bytes of the response."""
        return max(self.read_timeout_s, SYNC_READ_TIMEOUT_S) if request.call == "run_sync" else self.read_timeout_s

    def get_total_timeout_s(self, request: Request) -> float:
        """Return the seconds from the start of a request to the last byte of its response.

        A response that comes a byte at a time passes every other timeout, and would hold its place for ever.
        """
        upload_s = len(request.body) / MIN_UPLOAD_BYTES_PER_S
        return self.connect_timeout_s + upload_s + 2 * self.get_read_timeout_s(request)


def no_netrc_auth(request: PreparedRequest) -> PreparedRequest:
    """Stand in for an auth object, so that ``requests`` takes none from a .netrc file."""
    return request


def find_proxy(url: str) -> str | None:
    """Return the URL of the proxy that the environment names for a URL, by the rules of ``requests``."""
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return str(prepend_scheme_if_needed(proxy, "http")) if proxy else None  # type: ignore[no-untyped-call]


def make_ca_bundle_error(problem: OSError) -> BadConnectionError:
    """Return the error for certificate authorities that cannot be read, in the same words for both transports."""
    return BadConnectionError(
        f'The certificate authorities cannot be read ({problem}). Check the connection\'s extra "verify", and the '
        "environment variables REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE. Nothing was sent."
    )


class Log(Protocol):
    """Where log lines go: a logger of the standard library, or that of an Airflow task."""

    def info(self, message: str, /, *values: Any) -> Any:
        """Log an ordinary line."""

    def warning(self, message: str, /, *values: Any) -> Any:
        """Log a line that people should notice."""


def log_step(step: SleepStep | LogStep | GetTimeStep, log: Log) -> None:
    """Log what a step of an exchange says. An ordinary pause says nothing."""
    if isinstance(step, LogStep):
        (log.warning if step.problem else log.info)("%s", step.line)
    elif isinstance(step, SleepStep) and step.because:
        log.info("%s Next request in %.1f s.", step.because, step.seconds)
