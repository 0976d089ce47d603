"""The checks before a task's first submit: the estimate in the log, ``cost_limit``, the balance, ``daily_cost_limit``.

The rules are values in ``spending``; this asks the API for what they need.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.search import HistorySearch, search_history
from airflow_provider_runway.segmind.api_calls import make_credits_call
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.spending.amounts import format_usd
from airflow_provider_runway.spending.balance_check import check_balance, find_balance_usd
from airflow_provider_runway.spending.daily_spend import (
    DailySpend,
    check_daily_limit,
    find_day_start,
    make_spend_not_known_error,
    sum_day,
)
from airflow_provider_runway.spending.estimate import Estimate
from airflow_provider_runway.spending.sibling_reservations import Reservation, list_running
from airflow_provider_runway.spending.task_cost_limit import check_cost_limit
from airflow_provider_runway.submission.row_matching import CLOCK_TOLERANCE_S

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.transports.client_settings import Log


class ReservationBoard(Protocol):
    """Where the mapped instances of a task see what each is about to spend."""

    def push_reservation(self, reservation: Reservation) -> None:
        """Replace this task's reservation."""

    def list_reservations(self) -> list[Reservation]:
        """Return those of all."""


class SpendingCheck:
    """Checks whether the jobs of an estimate may be submitted, right before they are.

    :param board: where mapped siblings see one another's reservations; None: there are none.
    :param map_index: of this task instance.
    """

    def __init__(self, hook: RunwayHook, log: Log, board: ReservationBoard | None = None, map_index: int = -1) -> None:
        self.hook = hook
        self.log = log
        self._board = board
        self._map_index = map_index
        self._own: Reservation | None = None
        self.cost_limit_usd: float | None = None
        self._is_balance_due = True

    def skip_balance(self) -> None:
        """Do not ask for the balance: this task has asked for it before it was deferred."""
        self._is_balance_due = False

    def check(self, estimate: Estimate, spent_usd: float | None) -> None:
        """Log the estimate and check it.

        :param spent_usd: by earlier jobs of the task; None: not known.
        :raises CostLimitError: the task's limit. :raises BalanceTooLowError: the balance.
        :raises DailyCostLimitError: the account's limit of the day.
        :raises SpendNotKnownError: what was spent today is not known. In every case nothing was sent.
        """
        check_cost_limit(self.cost_limit_usd, spent_usd, estimate)
        if self._is_balance_due:
            balance_usd = self.ask_balance()
            self.log_estimate(estimate, spent_usd, balance_usd)
            check_balance(balance_usd, estimate)
        self._is_balance_due = False
        if (limit_usd := self.hook.settings.daily_cost_limit_usd) is not None:
            self._check_day(limit_usd, estimate)

    def confirm(self, request_id: str) -> None:
        """Tell mapped siblings the id of the job that was reserved for, so that they find it in the history."""
        if self._board is not None and self._own is not None:
            self._board.push_reservation(replace(self._own, request_id=request_id))

    def _check_day(self, limit_usd: float, estimate: Estimate) -> None:
        now = time.time()
        if self._board is None:
            check_daily_limit(limit_usd, self.read_day(limit_usd, {}), estimate)
            return
        own = self._own = Reservation(self._map_index, estimate.total_usd or 0.0, now)
        self._board.push_reservation(own)  # before the others' are read: of two tasks at once the later one sees this
        running = list_running(self._board.list_reservations(), own, find_day_start(now))
        try:
            check_daily_limit(limit_usd, self.read_day(limit_usd, running), estimate)
        except RunwayError:
            self._board.push_reservation(replace(own, price_usd=0.0))
            raise

    def log_estimate(self, estimate: Estimate, spent_usd: float | None, balance_usd: float | None) -> None:
        """Log what is about to be spent, and of what."""
        parts = [f"Estimate: {estimate.describe()}"]
        if self.cost_limit_usd is not None:
            parts.append(f"cost_limit {format_usd(self.cost_limit_usd)}, {format_usd(spent_usd or 0.0)} of it spent")
        if balance_usd is not None:
            parts.append(f"balance {format_usd(balance_usd)}")
        self.log.info("%s.", "; ".join(parts))

    def ask_balance(self) -> float | None:
        """Return the balance in USD; None where it cannot be had, which is no obstacle."""
        transport = self.hook.get_conn()
        call = make_credits_call(transport.settings.base_urls)
        try:
            return find_balance_usd(transport.run(execute(call, NO_RETRY), self.log))
        except RunwayError as problem:
            self.log.info("The account's balance cannot be had, and is not checked: %s", problem)
            return None

    def read_day(self, limit_usd: float, running: Mapping[str, float]) -> DailySpend:
        """Return what the account has spent today (UTC), by its history.

        :param limit_usd: of the day, for messages. :param running: as in ``sum_day``.
        :raises SpendNotKnownError: the history cannot be read.
        """
        now = time.time()
        try:
            spend = sum_day(self._search_day(now), now, running)
        except RunwayError as problem:
            raise make_spend_not_known_error(limit_usd, str(problem)) from problem
        self.log.info(
            "daily_cost_limit %s: today (UTC) %s are spent, and jobs for %s are under way.",
            format_usd(limit_usd),
            format_usd(spend.booked_usd),
            format_usd(spend.pending_usd),
        )
        return spend

    def _search_day(self, now: float) -> HistorySearch:
        """Return a search of the history that reaches back to the beginning of today, by any clock."""
        since = find_day_start(now - CLOCK_TOLERANCE_S) - CLOCK_TOLERANCE_S
        transport = self.hook.get_conn()
        query = HistoryQuery.from_timestamps(since, now)
        search = search_history(transport.settings.base_urls, query, self.hook.policy, since, with_page_zero=True)
        return transport.run(search, self.log)
