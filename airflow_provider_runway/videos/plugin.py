"""The Airflow plugin that adds the "Videos" tabs. Every Airflow process imports this file, so it imports nothing else.

Airflow reads ``fastapi_apps`` and ``external_views`` in the API server only; the pages are imported there.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_runway.videos import URL_PREFIX

#: A tab's destination -> (the last part of its address in Airflow, the page in it). Airflow fills in the braces.
#: The paths are relative to Airflow's address, so that a ``base_url`` with a path works, too.
TABS = {
    "nav": ("runway-videos", "runway-videos/"),
    "dag": ("runway-videos-dag", "runway-videos/dags/{DAG_ID}"),
    "dag_run": ("runway-videos-run", "runway-videos/dags/{DAG_ID}/runs/{RUN_ID}"),
    "task": ("runway-videos-task", "runway-videos/dags/{DAG_ID}/tasks/{TASK_ID}"),
    "task_instance": (
        "runway-videos-task-instance",
        "runway-videos/dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}/{MAP_INDEX}",
    ),
}


class RunwayVideosPlugin(AirflowPlugin):
    """Adds the pages and their tabs, where Airflow can show them to the person who asks."""

    name = "runway_videos"

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The pages."""
        if not self._is_supported():
            return []
        from airflow_provider_runway.videos.web_app import create_app

        return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "Runway videos"}]

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """The tabs, and the entry in the navigation."""
        if not self._is_supported():
            return []
        icons = {"icon": "runway-videos/static/icon.svg", "icon_dark_mode": "runway-videos/static/icon-dark.svg"}
        return [
            {"name": "Videos", "href": href, "destination": destination, "url_route": url_route}
            | icons
            | ({"category": "browse"} if destination == "nav" else {})
            for destination, (url_route, href) in TABS.items()
        ]

    @staticmethod
    def _is_supported() -> bool:
        from airflow_provider_runway.compat import has_plugin_pages

        return has_plugin_pages()
