"""Collects the tiles of one page: which task instances, what each returned, and which of them the filter keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from airflow_provider_runway.videos.airflow_api import WAITING_JOB_KEY, AirflowApi, NotVisibleError
from airflow_provider_runway.videos.media_reader import MediaNotFoundError
from airflow_provider_runway.videos.media_roots import MediaRoots
from airflow_provider_runway.videos.page_scope import PageScope
from airflow_provider_runway.videos.results_reader import read_rows
from airflow_provider_runway.videos.tiles import (
    AIRFLOW_STATES,
    FAILED,
    SUCCESS,
    WAITING,
    Batch,
    Tile,
    make_row_tile,
    make_tile,
    merge_tiles,
)

PAGE_SIZE = 24
#: Task instances that one request with a text, or for the totals, reads at most. Each costs a request to Airflow.
MAX_SEARCHED = 240
MAX_TOTALLED = 1000
#: Airflow's default for the longest list.
_LIST_LIMIT = 100

#: The classes of this package whose tasks have jobs. In a DAG, classes derived from them are found, too.
OPERATORS = ("RunwayGenerateOperator", "RunwayGenerateBatchOperator", "RunwayJobSensor")
#: A template field that only tasks of this package have.
_OWN_TEMPLATE_FIELD = "runway_conn_id"


@dataclass(frozen=True, slots=True)
class TileFilter:
    """Which tiles a person wants to see.

    :param state: success, waiting or failed; "" for all. :param text: to be found in a tile's fields.
    :param offset: where the page begins, counted in task instances or in rows of a batch.
    """

    state: str = ""
    text: str = ""
    offset: int = 0

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> TileFilter:
        """Return the filter of a page's address; what cannot be read is ignored."""
        state = query.get("state", "")
        offset = query.get("offset", "")
        return cls(
            state if state in AIRFLOW_STATES else "",
            query.get("q", "").strip()[:200],
            min(int(offset), 10**9) if offset.isascii() and offset.isdigit() else 0,
        )

    @property
    def airflow_states(self) -> tuple[str, ...]:
        """The states of Airflow to ask for."""
        return AIRFLOW_STATES[self.state] if self.state else tuple(chain.from_iterable(AIRFLOW_STATES.values()))


@dataclass(frozen=True, slots=True)
class TilePage:
    """The tiles of one page.

    :param total: how many task instances (or rows) there are to page through.
    :param next_offset: where the next page begins; None on the last.
    :param searched: how many were read to find these, where a text was looked for.
    :param batch_tile: the batch whose rows these are.
    """

    tiles: tuple[Tile, ...]
    total: int
    next_offset: int | None = None
    searched: int | None = None
    batch_tile: Tile | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a head line. ``cost`` is USD.

    :param is_partial: there were more than could be read.
    """

    videos: int
    cost: float
    failed: int
    waiting: int
    is_partial: bool = False

    @classmethod
    def of(cls, tiles: tuple[Tile, ...], *, is_partial: bool = False) -> Totals:
        """Return the sums of some tiles; a batch counts as its rows."""
        plain = [tile for tile in tiles if tile.batch is None]
        batches = [tile.batch for tile in tiles if tile.batch is not None]
        rows_failed = sum(_count_failed_rows(batch) for batch in batches)
        return cls(
            sum(tile.state == SUCCESS for tile in plain) + sum(batch.counts.get("success", 0) for batch in batches),
            sum(tile.cost or 0.0 for tile in tiles),
            sum(tile.state == FAILED for tile in plain) + rows_failed,
            sum(tile.state == WAITING for tile in tiles),
            is_partial,
        )


async def collect_page(api: AirflowApi, scope: PageScope, wanted: TileFilter, roots: MediaRoots) -> TilePage:
    """Return one page of tiles, newest first.

    The page of one batch shows its rows.

    :raises NotVisibleError: the DAG or the run is not there for the caller.
    """
    operators = await _find_operators(api, scope)
    if scope.run_id is not None and scope.task_id is not None:
        tasks, _ = await api.list_task_instances(
            scope, states=TileFilter().airflow_states, operators=operators, limit=2, offset=0
        )
        if len(tasks) == 1:
            (tile,) = await _read_tiles(api, tasks)
            if tile.batch is not None:
                return await collect_rows(tile, tile.batch, wanted, roots)
    if wanted.text:
        return await _search(api, scope, wanted, operators)
    tasks, total = await api.list_task_instances(
        scope, states=wanted.airflow_states, operators=operators, limit=PAGE_SIZE, offset=wanted.offset
    )
    tiles = merge_tiles(await _read_tiles(api, tasks))
    following = wanted.offset + len(tasks)
    return TilePage(tuple(tiles), total, following if tasks and following < total else None)


async def collect_totals(api: AirflowApi, scope: PageScope) -> Totals:
    """Return the sums over a scope. Reads up to a thousand task instances, so the page asks for it afterwards."""
    operators = await _find_operators(api, scope)
    tiles: list[Tile] = []
    read, total = 0, 1
    while read < min(total, MAX_TOTALLED):
        tasks, total = await api.list_task_instances(
            scope, states=TileFilter().airflow_states, operators=operators, limit=_LIST_LIMIT, offset=read
        )
        if not tasks:
            break
        tiles += await _read_tiles(api, tasks, with_fields=False)
        read += len(tasks)
    return Totals.of(tuple(merge_tiles(tiles)), is_partial=read < total)


async def collect_rows(tile: Tile, batch: Batch, wanted: TileFilter, roots: MediaRoots) -> TilePage:
    """Return one page of a batch's rows, in the order of the file."""
    try:
        rows = await asyncio.to_thread(read_rows, batch.result_uri, tile.key.dag_id, roots)
    except MediaNotFoundError as problem:
        return TilePage((), 0, batch_tile=tile, problem=f"{batch.result_uri} cannot be shown: {problem}.")
    text = wanted.text.casefold()
    found = [
        row_tile
        for row_tile in (make_row_tile(tile.key, index, row) for index, row in enumerate(rows))
        if wanted.state in ("", row_tile.state) and (not text or row_tile.matches(text))
    ]
    following = wanted.offset + PAGE_SIZE
    return TilePage(
        tuple(found[wanted.offset : following]),
        len(found),
        following if following < len(found) else None,
        batch_tile=tile,
    )


async def _search(api: AirflowApi, scope: PageScope, wanted: TileFilter, operators: tuple[str, ...]) -> TilePage:
    """Return the tiles with a text, from the page's offset on, as far as one request may read."""
    text = wanted.text.casefold()
    found: list[Tile] = []
    read, total = wanted.offset, wanted.offset + 1
    while read < min(total, wanted.offset + MAX_SEARCHED) and len(found) < PAGE_SIZE:
        tasks, total = await api.list_task_instances(
            scope, states=wanted.airflow_states, operators=operators, limit=PAGE_SIZE * 2, offset=read
        )
        if not tasks:
            break
        found += [tile for tile in await _read_tiles(api, tasks) if tile.matches(text)]
        read += len(tasks)
    return TilePage(
        tuple(merge_tiles(found)), total, read if read < total else None, searched=min(read, total) - wanted.offset
    )


async def _find_operators(api: AirflowApi, scope: PageScope) -> tuple[str, ...]:
    """Return the names of the classes to look for: this package's, and those of the DAG that derive from them."""
    if scope.dag_id is None:
        return OPERATORS
    names = set(OPERATORS)
    for task in await api.list_tasks(scope.dag_id):
        reference = task.get("class_ref")
        if _OWN_TEMPLATE_FIELD in (task.get("template_fields") or ()) and isinstance(reference, Mapping):
            names.add(str(reference.get("class_name")))
    return tuple(sorted(names))


async def _read_tiles(api: AirflowApi, tasks: list[dict[str, Any]], *, with_fields: bool = True) -> list[Tile]:
    """Return the tiles of task instances.

    :param with_fields: show what a job without a result was asked for, too.
    """
    first_of_dags = {task["dag_id"]: task for task in reversed(tasks) if task.get("state") == "success"}
    await asyncio.gather(
        *(_read_result_or_waiting_job(api, task) for task in first_of_dags.values())
    )  # what it may read of which DAG
    values = await asyncio.gather(*(_read_result_or_waiting_job(api, task) for task in tasks))
    if with_fields:
        tasks = await asyncio.gather(*(_add_rendered_fields(api, task) for task in tasks))
    return list(map(make_tile, tasks, values))


async def _read_result_or_waiting_job(api: AirflowApi, task: dict[str, Any]) -> Any:
    """Return what a task returned if it succeeded, else what it pushed about the job that it waits for."""
    try:
        if task.get("state") == "success":
            return await api.get_result(task)
        return await api.get_xcom(
            task["dag_id"], task["dag_run_id"], task["task_id"], task["map_index"], WAITING_JOB_KEY
        )
    except NotVisibleError:
        return None


async def _add_rendered_fields(api: AirflowApi, task: dict[str, Any]) -> dict[str, Any]:
    if task.get("state") == "success" or task.get("rendered_fields"):
        return task
    try:
        return task | {"rendered_fields": await api.get_rendered_fields(task)}
    except NotVisibleError:
        return task


def _count_failed_rows(batch: Batch) -> int:
    return sum(count for status, count in batch.counts.items() if status not in ("success", "not_submitted"))
