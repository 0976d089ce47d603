"""The link buttons on a task's page: the finished video, and Segmind's console.

Airflow 2 asks a link for its URL when somebody opens the page. Airflow 3 asks every link of the operator's attribute
``operator_extra_links`` when a worker leaves the task, also at a deferral, and stores each answer as an XCom, empty
ones too. To read a missing XCom there would log an error. So a running task gets its links one by one, each with its
URL, and a task without a job has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_runway.compat import BaseOperatorLink, read_link_xcom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskInstanceKey

#: Segmind's console, where the account's requests and credits are shown. No address of a single request is documented.
CONSOLE_URL = "https://cloud.segmind.com"


class RunwayVideoLink(BaseOperatorLink):
    """Opens the video. Segmind keeps outputs for 7 days.

    :param url: its URL where it is known; "": the task's XCom has it (Airflow 2).
    """

    name = "Video"

    def __init__(self, url: str = "") -> None:
        self.url = url

    @property
    def xcom_key(self) -> str:
        """The key under which Airflow 3 stores the link. It never changes."""
        return "_link_runway_video"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the video's URL, or "" while there is none."""
        url = self.url or read_link_xcom(ti_key, "output_url")
        return url if isinstance(url, str) else ""


class RunwayConsoleLink(BaseOperatorLink):
    """Opens Segmind's console, where there is a job.

    :param url: the console's URL where the job is known; "": the task's XCom tells whether there is one (Airflow 2).
    """

    name = "Segmind console"

    def __init__(self, url: str = "") -> None:
        self.url = url

    @property
    def xcom_key(self) -> str:
        """The key under which Airflow 3 stores the link. It never changes."""
        return "_link_runway_console"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the console's URL, or "" where there is no job."""
        return self.url or (CONSOLE_URL if read_link_xcom(ti_key, "request_id") else "")


class RunwayResultsLink(BaseOperatorLink):
    """Opens the folder of a batch's results, in the console of its storage where there is one.

    :param url: its URL where it is known; "": the task's XCom tells (Airflow 2).
    """

    name = "Results"

    def __init__(self, url: str = "") -> None:
        self.url = url

    @property
    def xcom_key(self) -> str:
        """The key under which Airflow 3 stores the link. It never changes."""
        return "_link_runway_results"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the folder's URL, or "" before the batch has begun."""
        if self.url:
            return self.url
        path = read_link_xcom(ti_key, "result_path")
        return make_console_url(path) if isinstance(path, str) else ""


def make_console_url(path: str) -> str:
    """Return where a browser shows a folder of an object store; of another storage the path itself."""
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    bucket, key = quote(bucket.rpartition("@")[2]), quote(f"{key.strip('/')}/".lstrip("/"))
    if scheme in ("s3", "s3a", "s3n") and rest:
        return f"https://s3.console.aws.amazon.com/s3/buckets/{bucket}?prefix={key}"
    if scheme in ("gs", "gcs") and rest:
        return f"https://console.cloud.google.com/storage/browser/{bucket}/{key}"
    return path


#: The XCom of a task -> the link that can be shown from then on.
_MAKE_LINK: Mapping[str, Callable[[str], BaseOperatorLink]] = {
    "request_id": lambda _: RunwayConsoleLink(CONSOLE_URL),
    "output_url": RunwayVideoLink,
    "result_path": lambda path: RunwayResultsLink(make_console_url(path)),
}


def hide_links(operator: Any) -> None:
    """Take all links from a running task's operator. Its class keeps them, which is what Airflow serialises."""
    operator.operator_extra_links = ()


def show_link(operator: Any, xcom_key: str, value: Any) -> None:
    """Give a running task's operator the link that belongs to an XCom, if there is one."""
    if xcom_key in _MAKE_LINK and isinstance(value, str) and value:
        link = _MAKE_LINK[xcom_key](value)
        others = [other for other in operator.operator_extra_links if other.name != link.name]
        operator.operator_extra_links = (*others, link)
