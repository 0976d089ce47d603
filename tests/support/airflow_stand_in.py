"""The part of Airflow's REST API that the pages read, for a few users and DAGs, with the pages mounted in it.

The real one is tested with the pages in ``tests/integration/test_video_pages.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from airflow_provider_runway.videos import URL_PREFIX
from airflow_provider_runway.videos.web_app import create_app

#: The value of the cookie ``_token`` -> the DAGs that its user may read.
USERS = {"admin": {"clips", "private"}, "viewer": {"clips"}, "without_xcoms": {"clips"}}
TASKS_PATH = "/api/v2/dags/{dag_id}/tasks"
INSTANCES_PATH = "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"


class AirflowStandIn:
    """Task instances with what they returned.

    :param calls: the paths that were asked for.
    """

    def __init__(self) -> None:
        self.tasks: list[dict[str, Any]] = []
        self.xcoms: dict[tuple[str, str, str, int, str], Any] = {}
        self.log: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.is_broken = False
        #: Airflow 3.1 and 3.2 leave them out.
        self.lists_rendered_fields = True
        self.app = Starlette(
            routes=[
                Mount(URL_PREFIX, create_app()),
                Route(TASKS_PATH, self._guard(self._list_tasks)),
                Route(INSTANCES_PATH, self._guard(self._list_instances)),
                Route(f"{INSTANCES_PATH}/{{task_id}}", self._guard(self._get_instance)),
                Route(f"{INSTANCES_PATH}/{{task_id}}/{{map_index:int}}", self._guard(self._get_instance)),
                Route(f"{INSTANCES_PATH}/{{task_id}}/xcomEntries/{{key}}", self._guard(self._get_xcom)),
                Route(f"{INSTANCES_PATH}/{{task_id}}/logs/{{number}}", self._guard(self._get_log)),
            ]
        )

    def add(
        self, task_id: str, returned: Any = None, *, dag_id: str = "clips", map_index: int = -1, **fields: Any
    ) -> None:
        """Add a task instance; the last one added is the newest."""
        row = {"dag_id": dag_id, "dag_run_id": "run", "task_id": task_id, "map_index": map_index, "state": "success"}
        row |= {"operator": "RunwayGenerateOperator", "try_number": 1, "end_date": "2099-01-01T00:00:00Z"}
        self.tasks.insert(0, row | fields)
        if returned is not None:
            key = "return_value" if row["state"] == fields.get("state", "success") else "runway_job"
            self.xcoms[dag_id, "run", task_id, map_index, key] = returned

    def _guard(self, handler: Callable[[Request], Any]) -> Callable[[Request], Response]:
        def respond(request: Request) -> Response:
            self.calls.append(request.url.path)
            readable = USERS.get(request.cookies.get("_token", ""))
            if readable is None:
                return JSONResponse({"detail": "Not authenticated"}, 401)
            if self.is_broken:
                return JSONResponse({"detail": "broken"}, 500)
            dag_id = request.path_params["dag_id"]
            if dag_id not in readable | {"~"}:
                return JSONResponse({}, 403 if dag_id in USERS["admin"] else 404)
            if "/xcomEntries/" in request.url.path and request.cookies["_token"] == "without_xcoms":
                return JSONResponse({}, 403)
            request.state.readable = readable
            found = handler(request)
            return JSONResponse({}, 404) if found is None else JSONResponse(found)

        return respond

    def _list_tasks(self, request: Request) -> Any:
        own = {"template_fields": ["runway_conn_id"], "class_ref": {"class_name": "MyOperator", "module_path": "x"}}
        return {"tasks": [own, {"template_fields": None, "class_ref": {"class_name": "Other"}}]}

    def _list_instances(self, request: Request) -> Any:
        query, dag_id = request.query_params, request.path_params["dag_id"]
        rows = [
            row
            for row in self.tasks
            if row["dag_id"] in request.state.readable
            and dag_id in ("~", row["dag_id"])
            and row["state"] in query.getlist("state")
            and row["operator"] in query.getlist("operator")
            and query.get("task_id", row["task_id"]) == row["task_id"]
            and int(query.get("map_index", row["map_index"])) == row["map_index"]
        ]
        if not self.lists_rendered_fields:
            rows = [row | {"rendered_fields": {}} for row in rows]
        first, limit = int(query["offset"]), int(query["limit"])
        return {"task_instances": rows[first : first + limit], "total_entries": len(rows)}

    def _get_instance(self, request: Request) -> Any:
        path = request.path_params
        where = (path["dag_id"], path["run_id"], path["task_id"], path.get("map_index", -1))
        names = ("dag_id", "dag_run_id", "task_id", "map_index")
        return next((row for row in self.tasks if tuple(row[name] for name in names) == where), None)

    def _get_xcom(self, request: Request) -> Any:
        path = request.path_params
        where = (path["dag_id"], path["run_id"], path["task_id"], int(request.query_params["map_index"]), path["key"])
        return {"value": self.xcoms[where]} if where in self.xcoms else None

    def _get_log(self, request: Request) -> Any:
        return {"content": self.log}
