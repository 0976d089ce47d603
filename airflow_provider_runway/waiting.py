"""What operator and sensor share about being deferred, and about triggers that brought nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Airflow's name for "the trigger ended without an event", on both majors.
TRIGGER_FAILED = "__fail__"
#: How long after the job's deadline a deferral is given up by Airflow itself: only a dead triggerer
#: gets so far, and the worker then looks at the job once more.
TRIGGER_GRACE_S = 300.0
#: A trigger that cannot even be loaded fails at once, each time: deferring again has to end somewhere.
MAX_TRIGGER_FAILURES = 3

_KEY = "runway_lost_triggers"


def count_trigger_failures(context: Mapping[str, Any], task_id: str) -> int:
    """Count one more lost trigger of this try, and return how many there were: XComs outlive a resumption."""
    ti = context["ti"]
    count = int(ti.xcom_pull(task_ids=task_id, key=_KEY, map_indexes=ti.map_index) or 0) + 1
    ti.xcom_push(key=_KEY, value=count)
    return count
