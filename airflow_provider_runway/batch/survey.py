"""One pass over a batch: what is to be done for each row, what is done already, and what the journal has beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.batch.row_decision import BatchTry, RowDecision, RowStep, decide_row
from airflow_provider_runway.batch.row_state import RowState
from airflow_provider_runway.batch.wave_size_and_timing import MAX_OUT, Progress
from airflow_provider_runway.batch.wave_submitter import RowToSubmit
from airflow_provider_runway.inputs.job_request import fingerprint, make_digest
from airflow_provider_runway.segmind.models import collect_fields
from airflow_provider_runway.spending.estimate import PricedJob

#: Rows that are kept for submitting. No wave is larger.
MAX_KEPT_TO_SUBMIT = MAX_OUT


@dataclass(slots=True)
class Survey:
    """What is to be done for the rows of a batch, and the counts of the others.

    :param total: all rows. :param kept: rows that had succeeded before this try.
    :param succeeded: rows with a video, those among them. :param failed: rows with another result of this try.
    :param cost: USD, of all results. :param waiting: the rows whose jobs are out.
    :param to_submit: the next rows in order, of ``to_submit_count``.
    :param to_ask: rows whose submit is in doubt. :param waiting_for_history: the number of those whose history is to be
        asked later.
    :param changed: rows whose inputs changed since their last submit, and that get a new job for it.
    :param changed_resumed: rows whose inputs changed, and whose earlier job is kept.
    :param removed: rows of the journal that are no longer in the batch.
    :param jobs: all rows as jobs with their prices, equal ones counted. :param jobs_to_submit: those of ``to_submit``.
    """

    total: int = 0
    kept: int = 0
    succeeded: int = 0
    failed: int = 0
    cost: float = 0.0
    waiting: dict[str, RowState] = field(default_factory=dict)
    to_store: list[tuple[BatchRow, RowState]] = field(default_factory=list)
    to_end: list[tuple[BatchRow, RowState, RowDecision]] = field(default_factory=list)
    to_ask: list[tuple[BatchRow, RowState]] = field(default_factory=list)
    to_submit: list[RowToSubmit] = field(default_factory=list)
    to_submit_count: int = 0
    waiting_for_history: int = 0
    changed: int = 0
    changed_resumed: int = 0
    removed: int = 0
    jobs: Counter[PricedJob] = field(default_factory=Counter)
    jobs_to_submit: Counter[PricedJob] = field(default_factory=Counter)

    @property
    def to_go(self) -> int:
        """The number of rows that are not submitted yet, or whose submit is in doubt."""
        return self.to_submit_count + len(self.to_ask) + self.waiting_for_history

    @property
    def is_over(self) -> bool:
        """Has each row its result?"""
        return self.to_go == 0 and not self.waiting and not self.to_store and not self.to_end

    def describe_jobs(self) -> str:
        """Return what is paid for, or may be, and has no result yet, as a part of a sentence; "" where nothing is."""
        numbers = (
            (len(self.waiting), "jobs are out and are billed when they complete"),
            (len(self.to_store), "jobs are completed and billed, and their videos are not stored yet"),
            (len(self.to_ask) + self.waiting_for_history, "submits may have become jobs"),
        )
        return ", ".join(f"{number} {what}" for number, what in numbers if number)

    def add(self, row: BatchRow, state: RowState, decision: RowDecision) -> None:
        """Take one row and what is to be done for it."""
        if decision.step is RowStep.NOTHING:
            self.succeeded += state.is_success
            self.failed += not state.is_success
        elif decision.step is RowStep.WAIT:
            self.waiting[row.custom_id] = state
        elif decision.step is RowStep.STORE:
            self.to_store.append((row, state))
        elif decision.step is RowStep.SUBMIT:
            self.to_submit_count += 1
            self.jobs_to_submit[make_priced_job(row)] += 1
            if len(self.to_submit) < MAX_KEPT_TO_SUBMIT:
                self.to_submit.append(RowToSubmit(row, state, decision))
        elif decision.step is RowStep.ASK_HISTORY:
            self.to_ask.append((row, state))
        elif decision.step is RowStep.WAIT_FOR_HISTORY:
            self.waiting_for_history += 1
        else:
            self.to_end.append((row, state, decision))

    def describe_progress(self, started_at: float) -> Progress:
        """Return how far the batch is. What waits to be stored counts as out."""
        return Progress(
            total=self.total,
            done=self.succeeded + self.failed,
            kept=self.kept,
            failed=self.failed,
            out=len(self.waiting) + len(self.to_store),
            to_go=self.to_go,
            cost=self.cost,
            started_at=started_at,
        )


def survey_rows(
    rows: Iterable[BatchRow], states: dict[str, RowState], current: BatchTry, runway_conn_id: str
) -> Survey:
    """Decide for each row what is to be done. A row without a state gets one."""
    survey = Survey()
    known = len(states)
    for row in rows:
        survey.total += 1
        survey.jobs[make_priced_job(row)] += 1
        state = states.get(row.custom_id)
        if state is None:
            state = states[row.custom_id] = RowState()
        else:
            known -= 1
        is_same = state.entry is None or state.entry.fingerprint == digest_inputs(runway_conn_id, row)
        decision = decide_row(state, current, is_same=is_same)
        if not is_same:
            is_new = decision.step is RowStep.SUBMIT
            survey.changed += is_new
            survey.changed_resumed += not is_new
        if state.result is not None:
            survey.cost += state.result.cost or 0.0
            is_kept = state.is_success and state.result.try_number < current.try_number
            survey.kept += is_kept and decision.step is RowStep.NOTHING
        survey.add(row, state, decision)
    survey.removed = known
    return survey


def make_priced_job(row: BatchRow) -> PricedJob:
    """Return a row as a job with its price."""
    arguments = row.arguments
    model = str(arguments.get("model"))
    return PricedJob.from_body(model, collect_fields(model, arguments, arguments.get("model_params")))


def digest_inputs(runway_conn_id: str, row: BatchRow) -> str:
    """Return a digest of a row's inputs as they are written; of a local image its path, for thousands are not read."""
    arguments = {name: value for name, value in row.arguments.items() if name != "output_path" and value is not None}
    plain = json.loads(json.dumps(arguments, default=_make_plain, sort_keys=True))
    return fingerprint(runway_conn_id, str(arguments.get("model")), plain)


def _make_plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return make_digest(bytes(value))
    return dict(value) if isinstance(value, Mapping) else str(value)
