"""What both transports share: what they must know of a connection, and how a flow's lines are logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_runway import __version__
from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.exchange import GetTime, LogLine, Sleep
from airflow_provider_runway.segmind.http import BaseUrls, Request

if TYPE_CHECKING:
    from requests import PreparedRequest

#: Seconds. Connecting is quick or hopeless; a submit carries at most 16 MB, an upload a third more.
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
#: The blocking v1 call answers when the video is there; the vendor's SDK gives v2 jobs 600 s.
SYNC_READ_TIMEOUT_S = 600.0
#: The largest output taken unless the author says otherwise: some hundred times a ten second video.
MAX_OUTPUT_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One connection, checked. The key is not in its ``repr``.

    :param verify: True, False, or the path of a file or folder of certificate authorities.
    :param requests_per_minute: the account's budget where it is known; None: find out.
    """

    api_key: str = field(repr=False)
    base_urls: BaseUrls = field(default_factory=BaseUrls)
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S
    verify: bool | str = True
    requests_per_minute: float | None = None

    def headers_for(self, request: Request) -> Mapping[str, str]:
        """Return the headers of a request; the key is among them on the connection's own hosts only."""
        headers = {"Accept": "application/json, */*", "User-Agent": f"airflow-provider-runway/{__version__}"}
        if request.body:
            headers["Content-Type"] = "application/json"
        if self.base_urls.may_receive_key(request.url):
            headers["x-api-key"] = self.api_key
        return headers

    def read_timeout_for(self, request: Request) -> float:
        """Return the seconds that may pass between two bytes of the answer."""
        return max(self.read_timeout_s, SYNC_READ_TIMEOUT_S) if request.call == "run_sync" else self.read_timeout_s


def no_netrc_auth(request: PreparedRequest) -> PreparedRequest:
    """Stand in for an auth object, so that ``requests`` does not take one from a .netrc file."""
    return request


def ca_bundle_error(problem: OSError) -> BadConnectionError:
    """Return the error for certificate authorities that cannot be read, in the same words for both transports."""
    return BadConnectionError(
        f'The certificate authorities cannot be read ({problem}). Look at the connection\'s extra "verify", and at '
        "the variables REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE. Nothing was sent."
    )


class Log(Protocol):
    """Where a flow's lines go: a logger of the standard library, or an Airflow task's."""

    def info(self, message: str, /, *values: Any) -> Any:
        """Write a line of the ordinary course."""

    def warning(self, message: str, /, *values: Any) -> Any:
        """Write a line that people should notice."""


def log_step(step: Sleep | LogLine | GetTime, log: Log) -> None:
    """Write a flow's line into the log; an ordinary pause has none."""
    if isinstance(step, LogLine):
        (log.warning if step.problem else log.info)("%s", step.line)
    elif isinstance(step, Sleep) and step.because:
        log.info("%s Next request in %.1f s.", step.because, step.seconds)
