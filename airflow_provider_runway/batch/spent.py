"""What the jobs of a batch have cost, or may still cost, by its journal. A value without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_runway.batch.row_state import RowState
from airflow_provider_runway.batch.wave_submitter import RowToSubmit
from airflow_provider_runway.exceptions import ContentBlockedError, JobFailedError
from airflow_provider_runway.spending.task_cost_limit import add_job_to_spent
from airflow_provider_runway.submission.journal import Phase

#: Jobs that ended so are not billed.
_UNBILLED_CODES = {JobFailedError.code, ContentBlockedError.code}


def sum_spent(states: Iterable[RowState], to_submit: Iterable[RowToSubmit] = ()) -> float | None:
    """Return what all jobs of a batch have cost or may cost, in USD: those under way by their prices.

    :param to_submit: rows that get a new job. Their decisions know whether the earlier one may be billed, which the
        journal alone does not: the history may have shown that an intent came to nothing.
    :return: None where it is not known of one of them.
    """
    decisions = {id(each.state): each.decision for each in to_submit}
    total_usd = 0.0
    for state in states:
        decision = decisions.get(id(state))
        spent_usd = find_row_spent(state, None if decision is None else decision.earlier_may_be_billed)
        if spent_usd is None:
            return None
        total_usd += spent_usd
    return total_usd


def find_row_spent(state: RowState, may_be_billed: bool | None = None) -> float | None:
    """Return what the jobs of one row have cost or may cost, in USD; None where that is not known.

    :param may_be_billed: whether its last job may be; None: as its journal says.
    """
    entry = state.entry
    if entry is None:
        return 0.0
    cost_usd, code = entry.reserved_usd, None
    if state.result is not None:
        code = state.result.code
        cost_usd = cost_usd if state.result.cost is None else state.result.cost
    elif state.outcome is not None:
        code = state.outcome.outcome.code
        seen_usd = state.outcome.outcome.job.cost
        cost_usd = cost_usd if seen_usd is None else seen_usd
    if may_be_billed is None:
        may_be_billed = entry.phase not in (Phase.STARTED, Phase.NOT_ACCEPTED) and code not in _UNBILLED_CODES
    return add_job_to_spent(entry.spent_usd, cost_usd, may_be_billed=may_be_billed)
