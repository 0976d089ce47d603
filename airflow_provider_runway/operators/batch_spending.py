"""Limits what a wave of a batch submits by ``cost_limit``, the balance and ``daily_cost_limit``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_runway.batch.end_batch import COST_LIMIT_REACHED, COST_LIMIT_REFUSED
from airflow_provider_runway.batch.survey import make_priced_job
from airflow_provider_runway.exceptions import (
    BadInputError,
    BalanceTooLowError,
    ContentBlockedError,
    CostLimitError,
    DailyCostLimitError,
    JobFailedError,
    SpendNotKnownError,
)
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.spending.amounts import format_usd, parse_limit
from airflow_provider_runway.spending.balance_check import check_balance
from airflow_provider_runway.spending.daily_spend import check_daily_limit, find_day_start
from airflow_provider_runway.spending.estimate import Estimate, PricedJob
from airflow_provider_runway.spending.task_cost_limit import add_job_to_spent, check_cost_limit, count_fitting
from airflow_provider_runway.submission.journal import Phase

if TYPE_CHECKING:
    from airflow_provider_runway.batch.row_state import RowState
    from airflow_provider_runway.batch.survey import Survey
    from airflow_provider_runway.batch.wave_submitter import RowToSubmit
    from airflow_provider_runway.operators.spending_check import SpendingCheck

#: What to do where not all rows fit the limit: submit those that do, in order; or none at all.
SUBMIT_WHAT_FITS, ALL_OR_NOTHING = "submit_what_fits", "all_or_nothing"
#: Jobs that ended so are not billed.
_UNBILLED_CODES = {JobFailedError.code, ContentBlockedError.code}


@dataclass(frozen=True, slots=True)
class WaveAllowance:
    """What a wave may submit.

    :param size: the number of rows, in their order.
    :param stop: why no more is submitted in this try, as a word and in words.
    :param is_blocked: nothing fits now, but jobs that are out may still give their reservations back.
    :param problem: why nothing is submitted now, and the next wave asks again.
    """

    size: int = 0
    stop: tuple[str, str] | None = None
    is_blocked: bool = False
    problem: SpendNotKnownError | None = None


class BatchSpending:
    """Decides how many of a wave's rows may be submitted.

    :param cost_limit: of the batch, in USD, as the author gave it. :param policy: one of the two above.
    :param knows_earlier_tries: whether the journal has what earlier tries have spent.
    :raises BadInputError: the limit or the policy cannot be read.
    """

    def __init__(self, check: SpendingCheck, cost_limit: object, policy: str, *, knows_earlier_tries: bool) -> None:
        if policy not in (SUBMIT_WHAT_FITS, ALL_OR_NOTHING):
            raise BadInputError(
                f'cost_limit_policy is {safe_repr(policy)}; allowed: "{SUBMIT_WHAT_FITS}", "{ALL_OR_NOTHING}". '
                "Nothing was sent."
            )
        self._check = check
        self._limit_usd = check.cost_limit_usd = parse_limit("cost_limit", cost_limit)
        self._is_all_or_nothing = policy == ALL_OR_NOTHING
        self._knows_earlier_tries = knows_earlier_tries

    def limit_wave(self, survey: Survey, states: Iterable[RowState], size: int, *, is_first: bool) -> WaveAllowance:
        """Return how many of the next rows may be submitted.

        :param states: of all rows that the journal knows. :param size: as many as the rate limit allows.
        :param is_first: this is the first wave of the try that submits anything.
        """
        jobs = [make_priced_job(each.row) for each in survey.to_submit[:size]]
        try:
            left_usd = self._find_left(survey, states, is_first=is_first)
        except CostLimitError as error:
            return WaveAllowance(stop=(COST_LIMIT_REFUSED, str(error)))
        except BalanceTooLowError as error:
            return WaveAllowance(stop=(error.code, str(error)))
        may_release = bool(survey.waiting or survey.waiting_for_history)
        if left_usd is not None:
            size = count_fitting((job.price_usd for job in jobs), left_usd)
            if jobs and not size:
                text = f"{format_usd(max(left_usd, 0.0))} are left of the cost_limit, and the next row costs more"
                return _make_blocked(COST_LIMIT_REACHED, text, may_release=may_release)
        if self._check.hook.settings.daily_cost_limit_usd is not None:
            return self._limit_by_day(jobs[:size], survey, may_release=may_release)
        return WaveAllowance(size)

    def _find_left(self, survey: Survey, states: Iterable[RowState], *, is_first: bool) -> float | None:
        """Return what is left of the limit in USD; None without one. The first wave checks the estimate, too."""
        limit_usd, spent_usd = self._limit_usd, None
        estimate = Estimate(survey.jobs_to_submit)
        if limit_usd is not None and self._knows_earlier_tries:
            spent_usd = sum_spent(states, survey.to_submit)
        if is_first:
            some = Estimate({job: 1 for job in estimate.counts if job.price_usd is None})
            check_cost_limit(limit_usd, spent_usd, estimate if self._is_all_or_nothing else some)
        elif limit_usd is not None and spent_usd is None:
            check_cost_limit(limit_usd, spent_usd, Estimate({}))
        left_usd = None if limit_usd is None else limit_usd - (spent_usd or 0.0)
        if is_first:
            balance_usd = self._check.ask_balance()
            self._check.log_estimate(estimate, spent_usd, balance_usd)
            check_balance(balance_usd, estimate, left_usd)
        return left_usd

    def _limit_by_day(self, jobs: Sequence[PricedJob], survey: Survey, *, may_release: bool) -> WaveAllowance:
        limit_usd = self._check.hook.settings.daily_cost_limit_usd
        if limit_usd is None:
            return WaveAllowance(len(jobs))
        day_start = find_day_start(time.time())
        running = {
            state.request_id: find_row_spent(state) or 0.0
            for state in survey.waiting.values()
            if state.request_id is not None and state.entry is not None and state.entry.sent_at >= day_start
        }
        try:
            spend = self._check.read_day(limit_usd, running)
            size = count_fitting((job.price_usd for job in jobs), limit_usd - spend.total_usd)
            check_daily_limit(limit_usd, spend, Estimate.of(jobs[: max(size, 1)]))
        except SpendNotKnownError as problem:
            return WaveAllowance(problem=problem)
        except DailyCostLimitError as error:
            return _make_blocked(error.code, str(error), may_release=may_release)
        return WaveAllowance(size)


def _make_blocked(word: str, text: str, *, may_release: bool) -> WaveAllowance:
    """Return that nothing fits: for good, or as long as jobs are out that may turn out not to be billed."""
    return WaveAllowance(is_blocked=True) if may_release else WaveAllowance(stop=(word, text))


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
