"""The web application of the pages, which Airflow's API server mounts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_runway.compat import get_config
from airflow_provider_runway.videos.airflow_api import (
    AIRFLOW_APP,
    RESULT_CACHE,
    AirflowApi,
    AirflowApiError,
    NotLoggedInError,
    NotVisibleError,
    find_reason,
)
from airflow_provider_runway.videos.html_pages import (
    Addresses,
    build_headers,
    render_page,
    render_problem,
    render_totals,
)
from airflow_provider_runway.videos.media_reader import MediaNotFoundError
from airflow_provider_runway.videos.media_response import respond_with_media
from airflow_provider_runway.videos.media_roots import MediaRoots
from airflow_provider_runway.videos.page_scope import PageScope
from airflow_provider_runway.videos.result_cache import ResultCache
from airflow_provider_runway.videos.results_reader import read_rows
from airflow_provider_runway.videos.tile_listing import TileFilter, collect_page, collect_totals
from airflow_provider_runway.videos.tiles import read_batch, read_mapping, read_outputs

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

#: The paths of the pages: everything, a DAG, a task over all runs, a run, a task in a run, and one instance of it.
PAGE_PATHS = (
    "/",
    "/dags/{dag_id}",
    "/dags/{dag_id}/tasks/{task_id}",
    "/dags/{dag_id}/runs/{run_id}",
    "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}",
    "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}",
)
_NOT_VISIBLE = ("Nothing here", "There is no such DAG, run or task, or you may not see it.")


class MountedApp:
    """Hands Airflow's own application on to the pages, which see only themselves otherwise, and what they keep."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._results = ResultCache()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app({**scope, AIRFLOW_APP: scope.get("app"), RESULT_CACHE: self._results}, receive, send)


def create_app() -> MountedApp:
    """Return the application of the pages."""
    instance = PAGE_PATHS[-1]
    routes = [
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        *(Route(f"/totals{path}", guard(show_totals)) for path in PAGE_PATHS),
        Route(f"/media{instance}/{{output:int}}", guard(send_media)),
        Route(f"/reason{instance}/{{try_number:int}}", guard(show_reason)),
        *(Route(path, guard(show_page)) for path in PAGE_PATHS),
    ]
    return MountedApp(Starlette(routes=routes))


def guard(handler: Handler) -> Handler:
    """Return a handler that turns errors into pages, with the same page for what is not there and what is forbidden."""

    async def respond(request: Request) -> Response:
        try:
            return await handler(request)
        except NotLoggedInError:
            return _respond_with_login(request)
        except (NotVisibleError, MediaNotFoundError) as problem:
            if isinstance(problem, MediaNotFoundError):
                log.info("%s: %s", request.url.path, problem)
            return _respond_with_problem(request, 404, *_NOT_VISIBLE)
        except AirflowApiError as problem:
            log.warning("%s", problem)
            return _respond_with_problem(
                request, 502, "Airflow did not answer", "Reload the page. The API server's log says more."
            )

    return respond


async def show_page(request: Request) -> Response:
    """Show one page of tiles."""
    scope, wanted, roots = _read_scope(request), TileFilter.from_query(request.query_params), _read_roots()
    async with AirflowApi(request) as api:
        page = await collect_page(api, scope, wanted, roots)
    html, origins = await asyncio.to_thread(
        render_page, _read_addresses(request), scope, wanted, page, roots, time.time()
    )
    return HTMLResponse(html, headers=build_headers(origins))


async def show_totals(request: Request) -> Response:
    """Show the head line of a scope that has more than one page."""
    async with AirflowApi(request) as api:
        totals = await collect_totals(api, _read_scope(request))
    return HTMLResponse(render_totals(totals), headers=build_headers())


async def show_reason(request: Request) -> Response:
    """Tell why a try failed, from its log."""
    instance = _read_instance(request)
    async with AirflowApi(request) as api:
        entries = await api.get_task_log(*instance, request.path_params["try_number"])
    return JSONResponse({"reason": find_reason(entries)}, headers=build_headers())


async def send_media(request: Request) -> Response:
    """Send a stored output. Its path is read again from the XCom, as the caller, and checked."""
    instance = _read_instance(request)
    dag_id = instance[0]
    roots, index = _read_roots(), request.path_params["output"]
    async with AirflowApi(request) as api:
        result = read_mapping(await api.get_xcom(*instance))
    row = request.query_params.get("row")
    if row is not None:
        batch = read_batch(result)
        rows = [] if batch is None else await asyncio.to_thread(read_rows, batch.result_uri, dag_id, roots)
        result = rows[int(row)] if row.isascii() and row.isdigit() and int(row) < len(rows) else {}
    outputs = read_outputs(result)
    path = outputs[index].path if index < len(outputs) else None
    file = None if path is None else await asyncio.to_thread(roots.find_file, path, dag_id)
    if file is None:
        raise MediaNotFoundError(f"output {index} of {instance} is not below [runway] videos_roots")
    return await respond_with_media(request, file, as_download="download" in request.query_params)


def _read_scope(request: Request) -> PageScope:
    scope = PageScope.from_path(request.path_params)
    if scope is None:
        raise NotVisibleError
    return scope


def _read_instance(request: Request) -> tuple[str, str, str, int]:
    scope = _read_scope(request)
    assert scope.dag_id is not None  # the path has all of them
    assert scope.run_id is not None
    assert scope.task_id is not None
    return scope.dag_id, scope.run_id, scope.task_id, -1 if scope.map_index is None else scope.map_index


def _read_roots() -> MediaRoots:
    return MediaRoots.from_config(get_config("runway", "videos_roots"))


def _read_addresses(request: Request) -> Addresses:
    return Addresses(str(request.scope.get("app_root_path", "")))


def _respond_with_login(request: Request) -> Response:
    addresses = _read_addresses(request)
    # Quoted, because Airflow 3.1 hands it on as it is, and a plus in a run's id would become a space.
    back = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    login_url = f"{addresses.base}/api/v2/auth/login?{urlencode({'next': back})}"
    return _respond_with_problem(
        request, 401, "Please log in", "Your session has ended, or you have not logged in yet.", login_url=login_url
    )


def _respond_with_problem(request: Request, status: int, title: str, text: str, **details: Any) -> Response:
    html = render_problem(_read_addresses(request), title, text, **details)
    return HTMLResponse(html, status, headers=build_headers())
