"""The buttons on a task's page: the finished video, and the account's console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import BaseOperatorLink, get_link_xcom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskInstanceKey

#: Segmind's console, where the account's requests and credits are shown.
CONSOLE_URL = "https://cloud.segmind.com"


class RunwayVideoLink(BaseOperatorLink):
    """Opens the video. Segmind keeps outputs for 7 days."""

    name = "Video"

    @property
    def xcom_key(self) -> str:
        """Stable across releases: Airflow 3 stores the link under it whenever a worker lets go of the task."""
        return "_link_runway_video"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the video's URL, or "" while there is none."""
        url = get_link_xcom(ti_key, "output_url")
        return url if isinstance(url, str) else ""


class RunwayConsoleLink(BaseOperatorLink):
    """Opens Segmind's console."""

    name = "Segmind console"

    @property
    def xcom_key(self) -> str:
        """Stable across releases."""
        return "_link_runway_console"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the console's address; it needs no job."""
        return CONSOLE_URL
