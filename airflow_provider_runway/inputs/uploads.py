"""The same picture goes up once per run: a mapped task's instances tell each other where they have put theirs.

An instance that uploads pushes an XCom, and each one pulls those of all map indexes before it uploads: one
round trip to Airflow instead of megabytes to Segmind. Instances that start at the same moment know nothing of
each other, so each of that first wave uploads; those that come later do not. Nothing that costs depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.inputs.input_images import InputImage

#: The XCom in which an instance keeps what it has uploaded.
KEY = "uploaded_picture"
#: How old an upload may be to be used again, in seconds. How long Segmind keeps uploads is not public; an
#: hour is the shortest life that it gives to anything (the record of a request), so nothing speaks for less.
FRESH_S = 3600.0


def upload_once(hook: RunwayHook, ti: Any, picture: InputImage) -> str:
    """Return the URL of a picture: one at which this task's run has it already, else that of a new upload.

    A submit that was throttled (429) and comes back after its deferral finds its own upload so, too.

    :raises RunwayError: the upload failed; it is free, and nothing was submitted.
    """
    # Without map_indexes: those of all instances of the task, or the one of a task that is not mapped.
    pulled = ti.xcom_pull(task_ids=ti.task_id, key=KEY)
    known = _urls([pulled] if isinstance(pulled, Mapping) else pulled or (), picture, hook.runway_conn_id)
    if (url := next(known, None)) is not None:
        hook.log.info("The picture is not uploaded again: this run has it at Segmind already.")
        return url
    url = hook.upload_bytes(picture.data, picture.name)
    entry = {"sha256": picture.sha256, "url": url, "at": time.time(), "conn_id": hook.runway_conn_id}
    ti.xcom_push(key=KEY, value=entry)
    return url


def _urls(entries: Iterable[Any], picture: InputImage, conn_id: str) -> Iterator[str]:
    """Yield where the picture is. Another connection may be another account, or another gateway."""
    oldest = time.time() - FRESH_S
    for entry in entries:
        if (
            isinstance(entry, Mapping)
            and (entry.get("sha256"), entry.get("conn_id")) == (picture.sha256, conn_id)
            and isinstance(entry.get("at"), (int, float))
            and entry["at"] >= oldest
            and isinstance(entry.get("url"), str)
        ):
            yield entry["url"]
