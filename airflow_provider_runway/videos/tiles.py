"""What one tile shows, read from Airflow's answers as values. No I/O and no clock.

Whoever can write an XCom chooses what is in it. So every field is checked for its type, cut to a length, and is data
for the page: never markup, never an address that is followed unchecked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.http import parse_origin
from airflow_provider_runway.segmind.jobs import OUTPUT_LIFETIME_S
from airflow_provider_runway.segmind.numbers_and_times import parse_number, parse_timestamp

SUCCESS, WAITING, FAILED, SUBMITTED = "success", "waiting", "failed", "submitted"

#: A filter of the page -> the states of Airflow that it means. Tasks in other states have no job to show.
AIRFLOW_STATES: Mapping[str, tuple[str, ...]] = {
    SUCCESS: ("success",),
    WAITING: ("running", "deferred", "queued", "scheduled", "up_for_retry", "up_for_reschedule", "restarting"),
    FAILED: ("failed",),
}
#: The status of a row in a batch's results -> the state of its tile.
ROW_STATES = {"success": SUCCESS, "not_submitted": WAITING}

MAX_TEXT_LENGTH = 4000
MAX_OUTPUTS = 8
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class TaskKey:
    """Which task instance a tile belongs to; with ``row``, which row of its batch."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a job.

    :param path: where it is stored, as the task returned it.
    :param url: its public URL, if it is an http(s) address.
    """

    path: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch's manifest says.

    :param counts: status -> number of rows.
    """

    result_uri: str
    request_count: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """One job as the page shows it. Times are epoch seconds, ``cost`` is USD, ``duration`` seconds of video.

    :param since: when the task came into its state.
    :param airflow_state: the task's state in Airflow; of a batch's row: its status.
    :param prompt: what was asked for; ``label`` is the name of a mapped instance, or a row's ``custom_id``.
    :param reason: why there is no video, where that is known without the log.
    """

    key: TaskKey
    state: str
    airflow_state: str
    label: str | None = None
    since: float | None = None
    try_number: int = 0
    prompt: str | None = None
    model: str | None = None
    seed: int | None = None
    ratio: str | None = None
    duration: str | None = None
    cost: float | None = None
    request_id: str | None = None
    outputs: tuple[Output, ...] = ()
    last_frame_url: str | None = None
    submitted_at: float | None = None
    completed_at: float | None = None
    reason: str | None = None
    batch: Batch | None = None

    @property
    def is_estimate_only(self) -> bool:
        """Did the task only estimate the cost, so that there is no job to show?"""
        return self.state == SUBMITTED and self.request_id is None and self.batch is None

    @property
    def shown_at(self) -> float | None:
        """The time that the tile shows."""
        return self.completed_at or self.submitted_at or self.since

    def are_urls_alive(self, now: float) -> bool:
        """May the public URLs still work? Segmind keeps outputs for 7 days."""
        done_at = self.completed_at or self.since
        return done_at is None or now - done_at < OUTPUT_LIFETIME_S

    def matches(self, text: str) -> bool:
        """Does a text stand in one of the fields that the tile shows?"""
        key = self.key
        fields = (
            self.prompt,
            self.label,
            self.model,
            self.request_id,
            self.reason,
            key.dag_id,
            key.run_id,
            key.task_id,
        )
        paths = (output.path for output in self.outputs)
        seed = None if self.seed is None else str(self.seed)
        return any(text in field.casefold() for field in (*fields, *paths, seed) if field)


def make_tile(task: Mapping[str, Any], value: Any) -> Tile:
    """Return the tile of a task instance.

    :param task: the task instance, as the REST API has it.
    :param value: what the task returned if it succeeded, else what it pushed about the job that it waits for.
    """
    fields = task.get("rendered_fields")
    rendered: Mapping[str, Any] = fields if isinstance(fields, Mapping) else {}
    airflow_state = str(task.get("state") or "none")
    state = next((name for name, states in AIRFLOW_STATES.items() if airflow_state in states), WAITING)
    result = read_mapping(value)
    tile = Tile(
        TaskKey(task["dag_id"], task["dag_run_id"], task["task_id"], task["map_index"]),
        state,
        airflow_state,
        label=read_text(task.get("rendered_map_index")),
        since=parse_timestamp(task.get("end_date") or task.get("start_date") or task.get("queued_when")),
        try_number=int(parse_number(task.get("try_number")) or 0),
        prompt=read_text(result.get("prompt_text")) or read_text(rendered.get("prompt_text")),
        model=read_text(result.get("model")) or read_text(rendered.get("model")),
        seed=read_integer(result.get("seed")) or read_integer(rendered.get("seed")),
        ratio=read_text(rendered.get("ratio")),
        duration=read_text(str(rendered.get("duration") or "")),
        submitted_at=parse_timestamp(result.get("submitted_at")),
        request_id=read_text(result.get("request_id")),
    )
    if (batch := read_batch(result)) is not None:
        cost, completed_at = parse_number(result.get("cost")), parse_timestamp(result.get("completed_at"))
        return replace(tile, batch=batch, cost=cost, request_id=None, completed_at=completed_at)
    if state != SUCCESS:
        return tile
    outputs = read_outputs(result)
    return replace(
        tile,
        state=SUCCESS if outputs else SUBMITTED,
        cost=parse_number(result.get("cost")),
        outputs=outputs,
        last_frame_url=read_url(result.get("last_frame_url")),
        completed_at=parse_timestamp(result.get("completed_at")),
    )


def make_row_tile(batch_key: TaskKey, index: int, row: Mapping[str, Any]) -> Tile:
    """Return the tile of one row of a batch's results."""
    status = read_text(row.get("status")) or "unknown"
    return Tile(
        replace(batch_key, row=index),
        ROW_STATES.get(status, FAILED),
        status,
        label=read_text(row.get("custom_id")) or f"row {index}",
        prompt=read_text(row.get("prompt_text")),
        model=read_text(row.get("model")),
        seed=read_integer(row.get("seed")),
        ratio=read_text(row.get("ratio")),
        duration=read_text(str(row.get("duration") or "")),
        cost=parse_number(row.get("cost")),
        request_id=read_text(row.get("request_id")),
        outputs=read_outputs(row),
        submitted_at=parse_timestamp(row.get("submitted_at")),
        completed_at=parse_timestamp(row.get("completed_at")),
        reason=read_text(row.get("error")),
    )


def merge_tiles(tiles: Iterable[Tile]) -> list[Tile]:
    """Return the tiles with one for each job: where a task submitted it and another one waits, the waiting task's.

    It gets what only the submitting task knows. Tiles without a job are left out.
    """
    kept: dict[tuple[str, ...], Tile] = {}
    for tile in tiles:
        if tile.is_estimate_only:
            continue
        key = tile.key
        name = (
            (key.dag_id, key.run_id, tile.request_id)
            if tile.request_id
            else (key.dag_id, key.run_id, key.task_id, str(key.map_index), str(key.row))
        )
        other = kept.get(name)
        if other is None:
            kept[name] = tile
        elif other.state == SUBMITTED:
            kept[name] = _add_details(tile, other)
        elif tile.state == SUBMITTED:
            kept[name] = _add_details(other, tile)
        else:
            kept[(*name, key.task_id, str(key.map_index))] = tile
    return list(kept.values())


def _add_details(tile: Tile, submitted: Tile) -> Tile:
    names = ("prompt", "model", "seed", "ratio", "duration", "submitted_at")
    return replace(tile, **{name: getattr(tile, name) or getattr(submitted, name) for name in names})


def read_mapping(value: Any) -> Mapping[str, Any]:
    """Return an XCom's value as a mapping; an empty one for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def read_text(value: Any) -> str | None:
    """Return a text without control characters and not too long, else None."""
    if not isinstance(value, str):
        return None
    text = _CONTROL.sub(" ", value).encode("utf-8", errors="replace").decode().strip()
    return (text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}…") or None


def read_integer(value: Any) -> int | None:
    """Return an integer that is no boolean, also from its text; else None."""
    number = parse_number(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**63 else None


def read_url(value: Any) -> str | None:
    """Return an http(s) URL that can stand in a page and in its Content-Security-Policy, else None."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        return None
    try:
        origin = parse_origin(value)
    except BadConnectionError:
        return None
    if not _HOST.fullmatch(origin[1]):
        return None
    return quote(value, safe="%/:?#[]@!$&'()*+,;=~")


def find_origin(url: str) -> str:
    """Return the origin of a URL that :func:`read_url` returned, as a Content-Security-Policy names it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def read_outputs(result: Mapping[str, Any]) -> tuple[Output, ...]:
    """Return the outputs in a task's result, or in a row of a batch's results."""
    paths = _read_list(result, "output_paths", "output_path")
    urls = [read_url(url) for url in _read_list(result, "output_urls", "output_url")]
    count = min(max(len(paths), len(urls)), MAX_OUTPUTS)
    pairs = [(paths[i] if i < len(paths) else None, urls[i] if i < len(urls) else None) for i in range(count)]
    outputs = [Output(path if isinstance(path, str) and path else None, url) for path, url in pairs]
    return tuple(outputs) if any(output.path or output.url for output in outputs) else ()


def read_batch(result: Mapping[str, Any]) -> Batch | None:
    """Return what a batch's manifest says; None where this is none."""
    uri = result.get("result_uri")
    if not isinstance(uri, str) or not uri:
        return None
    counts = result.get("counts")
    numbers = {
        str(name): number
        for name, value in (counts.items() if isinstance(counts, Mapping) else ())
        if (number := read_integer(value)) is not None and number > 0
    }
    return Batch(uri, read_integer(result.get("request_count")) or sum(numbers.values()), numbers)


def _read_list(result: Mapping[str, Any], plural: str, singular: str) -> list[Any]:
    values = result.get(plural)
    if isinstance(values, list) and values:
        return values
    return [result[singular]] if result.get(singular) else []
