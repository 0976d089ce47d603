"""The link buttons on a task's page: the finished video, Segmind's console, and the task's Videos page.

Airflow 2 asks a link for its URL when a person opens the page. Airflow 3 asks every link of the operator's attribute
``operator_extra_links`` when a worker leaves the task, also at a deferral, and stores each result as an XCom, empty
ones too. To read a missing XCom there would log an error. So a running task gets its links one by one, each with its
URL, and a task without a job has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import BaseOperatorLink, get_config, has_plugin_pages, read_link_xcom
from airflow_provider_runway.links.batch import RunwayResultsLink, make_console_url

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


class RunwayVideosPageLink(BaseOperatorLink):
    """Opens the task's page of videos. Roles that may not see the tabs of plugins may see the page."""

    name = "Videos page"

    @property
    def xcom_key(self) -> str:
        """The key under which Airflow 3 stores the link. It never changes."""
        return "_link_runway_videos_page"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the page's URL; without ``[api] base_url`` on the worker one relative to Airflow's own pages."""
        from airflow_provider_runway.videos import URL_PREFIX
        from airflow_provider_runway.videos.page_scope import PageScope

        path = URL_PREFIX + PageScope(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index).path
        base_url = (get_config("api", "base_url") or "").rstrip("/")
        return f"{base_url}{path}" if base_url else path.removeprefix("/")


#: The links of every task of this package, where Airflow shows the pages; and the others.
TASK_LINKS: tuple[BaseOperatorLink, ...] = (
    RunwayVideoLink(),
    RunwayConsoleLink(),
    *((RunwayVideosPageLink(),) if has_plugin_pages() else ()),
)

#: The XCom of a task -> the links that can be shown from then on.
_MAKE_LINKS: Mapping[str, Callable[[str], tuple[BaseOperatorLink, ...]]] = {
    "request_id": lambda _: (RunwayConsoleLink(CONSOLE_URL), *TASK_LINKS[2:]),
    "output_url": lambda url: (RunwayVideoLink(url),),
    "result_path": lambda path: (
        RunwayResultsLink(make_console_url(path)),
        RunwayConsoleLink(CONSOLE_URL),
        *TASK_LINKS[2:],
    ),
}


def hide_links(operator: Any) -> None:
    """Take all links from a running task's operator. Its class keeps them, which is what Airflow serialises."""
    operator.operator_extra_links = ()


def add_links_for_xcom(operator: Any, xcom_key: str, value: Any) -> None:
    """Give a running task's operator the links that belong to an XCom, if there are any."""
    if xcom_key in _MAKE_LINKS and isinstance(value, str) and value:
        links = _MAKE_LINKS[xcom_key](value)
        names = {link.name for link in links}
        others = [other for other in operator.operator_extra_links if other.name not in names]
        operator.operator_extra_links = (*others, *links)
