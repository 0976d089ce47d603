"""Keeps what finished tasks returned, because Airflow takes some 10 ms to return each of them."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

MAX_RESULTS = 4000
#: Someone may edit an XCom, which this would not notice.
MAX_AGE_S = 600.0
#: A job's result has some 1,500 characters. The DAG's author chooses it, so it may have any number.
MAX_RESULT_LENGTH = 10_000


class ResultCache:
    """Results of succeeded task instances, each under its try. The least recently used are dropped.

    It knows nothing of permissions: :meth:`AirflowApi.get_result` does.
    """

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def get(self, task: Mapping[str, Any]) -> Any:
        """Return what a task instance returned; None where it is not kept."""
        key = _make_key(task)
        kept_at, value = self._results.get(key, (0.0, None))
        if value is None:
            return None
        if time.monotonic() - kept_at > MAX_AGE_S:
            del self._results[key]
            return None
        self._results.move_to_end(key)
        return value

    def put(self, task: Mapping[str, Any], value: Any) -> None:
        """Keep what a task instance returned, if that is final and not too large."""
        if task.get("state") != "success" or value is None or len(json.dumps(value)) > MAX_RESULT_LENGTH:
            return
        self._results[_make_key(task)] = (time.monotonic(), value)
        if len(self._results) > MAX_RESULTS:
            self._results.popitem(last=False)


def _make_key(task: Mapping[str, Any]) -> Hashable:
    names = ("id", "dag_id", "dag_run_id", "task_id", "map_index", "try_number", "state", "end_date")
    return tuple(task.get(name) for name in names)
