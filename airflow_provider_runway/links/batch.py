"""The link button of a batch's task: the folder of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_runway.compat import BaseOperatorLink, read_link_xcom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskInstanceKey


class RunwayResultsLink(BaseOperatorLink):
    """Opens the folder of a batch's results, in the console of its storage where there is one.

    :param url: its URL where it is known; "": the task's XCom has the folder (Airflow 2).
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
    bucket, _, folder = rest.partition("/")
    bucket, folder = quote(bucket.rpartition("@")[2]), quote(f"{folder.strip('/')}/".lstrip("/"))
    if scheme in ("s3", "s3a", "s3n") and rest:
        return f"https://s3.console.aws.amazon.com/s3/buckets/{bucket}?prefix={folder}"
    if scheme in ("gs", "gcs") and rest:
        return f"https://console.cloud.google.com/storage/browser/{bucket}/{folder}"
    return path
