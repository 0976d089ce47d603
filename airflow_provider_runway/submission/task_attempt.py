"""What one try of a task instance knows of itself and of the tries before it, as values without Airflow's context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.submission.journal import Journal


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """One try of a task instance.

    :param earliest_submit_at: epoch seconds before which no try of this run can have submitted anything.
    :param journal: the task instance's journal; None where nothing survives a retry.
    :param sibling_request_ids: returns the request ids of mapped siblings; called only while reconciling.
    :param carried_entry: without a journal, the entry that this try carried through a deferral.
    """

    try_number: int
    max_tries: int
    earliest_submit_at: float
    journal: Journal | None = field(default=None, repr=False)
    sibling_request_ids: Callable[[], Iterable[str]] = field(default=tuple, repr=False)
    carried_entry: Mapping[str, Any] | None = None
