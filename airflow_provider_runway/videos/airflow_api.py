"""Reads Airflow's public REST API as the person who opened the page, in the same process.

So what a person may see is decided by Airflow alone. The request goes to Airflow's own application with the caller's
cookie or token, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_runway.videos.page_scope import ALL, PageScope, quote_segment
from airflow_provider_runway.videos.result_cache import ResultCache
from airflow_provider_runway.videos.tiles import read_text

if TYPE_CHECKING:
    from starlette.requests import Request

#: Where :class:`~airflow_provider_runway.videos.web_app.MountedApp` leaves Airflow's application.
AIRFLOW_APP = "runway_airflow_app"
#: Where it leaves the results that the pages keep.
RESULT_CACHE = "runway_result_cache"
#: Requests of one page at a time. Airflow answers each in a thread and with a database connection of its pool.
MAX_CONCURRENT_REQUESTS = 6
#: Nothing goes over a network here, so only a database that hangs takes this long.
REQUEST_TIMEOUT_S = 60.0
#: The XCom under which a task keeps what it waits for (``task_deferral`` pushes it).
WAITING_JOB_KEY = "runway_job"
_ERROR_LEVELS = ("error", "critical")


class NotLoggedInError(Exception):
    """The caller has no session, or one that has ended."""


class NotVisibleError(Exception):
    """It does not exist, or the caller may not read it. Nobody learns which."""


class AirflowApiError(Exception):
    """Airflow's API answered something else than expected."""


class AirflowApi:
    """Airflow's REST API for one caller, as an async context manager.

    :param request: the request of the caller to the plugin.
    """

    def __init__(self, request: Request) -> None:
        transport = httpx.ASGITransport(
            app=request.scope[AIRFLOW_APP],
            raise_app_exceptions=False,
            # so that Airflow's access log has the caller's address
            client=request.scope.get("client") or ("127.0.0.1", 0),
        )
        headers = {
            name: value for name in ("cookie", "authorization") if (value := request.headers.get(name)) is not None
        }
        headers["accept-encoding"] = "identity"
        self._client = httpx.AsyncClient(
            transport=transport,
            base_url=f"{request.url.scheme}://{request.url.netloc}",
            headers=headers,
            timeout=REQUEST_TIMEOUT_S,
        )
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        self._results: ResultCache = request.scope[RESULT_CACHE]
        self._dags_with_readable_xcoms: set[str] = set()

    async def __aenter__(self) -> AirflowApi:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def list_task_instances(
        self, scope: PageScope, *, states: tuple[str, ...], operators: tuple[str, ...], limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return task instances of a scope, newest first, and how many there are in all."""
        path = f"/dags/{_quote_id(scope.dag_id)}/dagRuns/{_quote_id(scope.run_id)}/taskInstances"
        params: dict[str, Any] = {
            "state": list(states),
            "operator": list(operators),
            "limit": limit,
            "offset": offset,
            "order_by": "-start_date",
        }
        if scope.task_id is not None:
            params["task_id"] = scope.task_id
        if scope.map_index is not None:
            params["map_index"] = scope.map_index
        page = await self._get(path, params)
        return list(page["task_instances"]), int(page["total_entries"])

    async def list_tasks(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a DAG."""
        return list((await self._get(f"/dags/{quote_segment(dag_id)}/tasks", {}))["tasks"])

    async def get_xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int, key: str = "return_value") -> Any:
        """Return the value of an XCom.

        :raises NotVisibleError: there is none, or the caller may not read it.
        """
        path = (
            f"/dags/{quote_segment(dag_id)}/dagRuns/{quote_segment(run_id)}/taskInstances/{quote_segment(task_id)}"
            f"/xcomEntries/{quote_segment(key)}"
        )
        value = (await self._get(path, {"map_index": map_index})).get("value")
        self._dags_with_readable_xcoms.add(dag_id)
        return value

    async def get_result(self, task: Mapping[str, Any]) -> Any:
        """Return what a succeeded task instance returned.

        Airflow lets a caller read all XComs of a DAG or none. So once it has let the caller read one of this DAG, in
        this request, others come from the cache.

        :raises NotVisibleError: there is no result, or the caller may not read it.
        """
        if task["dag_id"] in self._dags_with_readable_xcoms and (kept := self._results.get(task)) is not None:
            return kept
        value = await self.get_xcom(task["dag_id"], task["dag_run_id"], task["task_id"], task["map_index"])
        self._results.put(task, value)
        return value

    async def get_rendered_fields(self, task: Mapping[str, Any]) -> Any:
        """Return the arguments of a task instance. The lists of Airflow 3.1 and 3.2 leave them out.

        :raises NotVisibleError: it is not there any more.
        """
        path = (
            f"/dags/{quote_segment(task['dag_id'])}/dagRuns/{quote_segment(task['dag_run_id'])}"
            f"/taskInstances/{quote_segment(task['task_id'])}"
        )
        mapped = "" if task["map_index"] < 0 else f"/{task['map_index']}"
        return (await self._get(f"{path}{mapped}", {})).get("rendered_fields")

    async def get_task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> Any:
        """Return the entries of a try's log."""
        path = (
            f"/dags/{quote_segment(dag_id)}/dagRuns/{quote_segment(run_id)}/taskInstances/{quote_segment(task_id)}"
            f"/logs/{try_number}"
        )
        return (await self._get(path, {"map_index": map_index, "full_content": "true"})).get("content")

    async def _get(self, path: str, params: Mapping[str, Any]) -> Any:
        """Return the JSON of an answer."""
        async with self._slots:
            response = await self._client.get(f"/api/v2{path}", params=params, headers={"accept": "application/json"})
        if response.status_code == 401:
            raise NotLoggedInError
        if response.status_code in (403, 404):
            raise NotVisibleError
        if response.status_code != 200:
            raise AirflowApiError(f"GET /api/v2{path}: {response.status_code} {response.text[:200]}")
        try:
            return response.json()
        except ValueError:
            raise AirflowApiError(f"GET /api/v2{path}: the answer is no JSON") from None


def _quote_id(value: str | None) -> str:
    return ALL if value is None else quote_segment(value)


def find_reason(entries: Any) -> str | None:
    """Return the last error of a log, as Airflow's API returns the log; None where it has none.

    The exception that ended the try wins over an error that was only logged.

    :param entries: ``[{"event", "level", "error_detail": [{"exc_type", "exc_value"}]}, …]``.
    """
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    for row in reversed(rows):
        details = row.get("error_detail")
        if isinstance(details, list) and details and isinstance(details[0], dict):
            return read_text(details[0].get("exc_value")) or read_text(details[0].get("exc_type"))
    return next(
        (read_text(row.get("event")) for row in reversed(rows) if row.get("level") in _ERROR_LEVELS),
        None,
    )
