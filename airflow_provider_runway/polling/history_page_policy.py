"""Whether one page of the account's history should be read instead of polling many jobs one by one.

A page has up to 100 rows with status, output and cost, so it can replace two requests for each of many jobs. But
it is not public how late rows are complete, or which forms they have. So pages are tried, compared with what
single polls see, and left alone for a while where they do not pay. Times are seconds on one clock, passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.segmind.jobs import JobState

#: Pages are tried from so many waiting jobs on. Where they pay, they are read until fewer are left than the second.
MIN_JOBS, MIN_JOBS_WHILE_TRUSTED = 10, 3
#: Requests that a job takes by single polls: about one for its status, and one for its result.
REQUESTS_PER_JOB = 2.2
#: Requests are scarce where single polls would take more than this share of the rate. The second share is for pages
#: that pay: they are not given up as soon as some jobs have ended.
SCARCE_SHARE, SCARCE_SHARE_WHILE_TRUSTED = 0.5, 0.15
#: Pages take at most this share of the rate, and are at least this far apart.
PAGE_SHARE, MIN_PAGE_INTERVAL_S = 0.2, 3.0
#: A page that settles so many jobs is worth more than any single poll. The next page follows soon then, and single
#: polls wait for it, for at most so many seconds.
PRODUCTIVE_JOBS, MIN_PRODUCTIVE_INTERVAL_S, MAX_POLLS_WAIT_S = 20, 0.3, 5.0
#: The first page is read when the oldest job has this share of the expected latency behind it.
FIRST_PAGE_AGE_SHARE = 0.75
#: A row that is not complete this long after its job's end is late.
MAX_LANDING_S = 15.0
#: The row of a job that ended longer ago may have left the first page, so its absence says nothing.
MAX_JUDGED_S = 60.0
#: Pages that are tried before the first one that pays.
MAX_TRIES = 3
#: How long pages are left alone after they did not pay; it doubles each time.
FIRST_BACKOFF_S, MAX_BACKOFF_S = 60.0, 600.0


def is_clearly_completed(row: HistoryRow) -> bool:
    """Return whether a row says beyond doubt that its job completed, with its output and cost."""
    is_whole = row.request_id is not None and bool(row.output_urls) and row.cost is not None
    return is_whole and row.state is JobState.COMPLETED and row.error is None


@dataclass(slots=True)
class HistoryPaging:
    """What is known of the history's pages: whether they pay, and since when they are left alone.

    :param is_trusted: the last pages showed completed jobs in time.
    :param landing_s: the longest time between a job's end and the page that showed it, of those that were in time.
    :param is_productive: the last page settled many jobs at once.
    """

    is_trusted: bool = False
    landing_s: float = 0.0
    is_productive: bool = False
    _tries: int = 0
    _backoffs: int = 0
    _paused_until: float = -math.inf
    _read_at: float = -math.inf
    #: request id -> when the job ended, for jobs that single polls saw complete and no page has shown yet.
    _ended: dict[str, float] = field(default_factory=dict)

    @property
    def completed_but_unlisted_ids(self) -> set[str]:
        """The ids of jobs that single polls saw complete and no page has shown yet."""
        return set(self._ended)

    def may_read(self, now: float, jobs: int, expected_latency_s: float, requests_per_second: float) -> bool:
        """Return whether pages are worth reading at all: many jobs wait, requests are scarce, and pages may pay."""
        min_jobs = MIN_JOBS_WHILE_TRUSTED if self.is_trusted else MIN_JOBS
        scarce_share = SCARCE_SHARE_WHILE_TRUSTED if self.is_trusted else SCARCE_SHARE
        single_polls_per_second = max(jobs, MIN_JOBS) * REQUESTS_PER_JOB / expected_latency_s
        is_scarce = single_polls_per_second > scarce_share * requests_per_second
        return jobs >= min_jobs and is_scarce and now >= self._paused_until

    def next_read_at(self, oldest_submitted_at: float, expected_latency_s: float, requests_per_second: float) -> float:
        """Return when the next page is due, if pages are worth reading."""
        min_interval_s = MIN_PRODUCTIVE_INTERVAL_S if self.is_productive else MIN_PAGE_INTERVAL_S
        interval_s = max(min_interval_s, 1 / (PAGE_SHARE * requests_per_second))
        first_end = oldest_submitted_at + FIRST_PAGE_AGE_SHARE * expected_latency_s
        return max(self._read_at + interval_s, -math.inf if self._ended else first_end)

    def makes_polls_wait(self, now: float) -> bool:
        """Return whether single polls wait for the next page, because the last one settled many jobs."""
        return self.is_productive and now < self._read_at + MAX_POLLS_WAIT_S

    def on_read(self, now: float) -> None:
        """Take note that a page is requested now."""
        self._read_at = now

    def on_single_end(self, request_id: str, ended_at: float) -> None:
        """Take note of a job that a single poll saw complete, and of when it ended."""
        self._ended[request_id] = ended_at
        while len(self._ended) > 100:
            del self._ended[next(iter(self._ended))]

    def on_page(self, now: float, completed_ids: set[str], settled_jobs: int) -> None:
        """Take a page: which jobs its clear rows show as completed, and how many waiting jobs it settled."""
        in_time = settled_jobs > 0
        self.is_productive = settled_jobs >= PRODUCTIVE_JOBS
        for request_id in completed_ids & self._ended.keys():
            landing_s = now - self._ended.pop(request_id)
            if landing_s <= MAX_LANDING_S:
                in_time, self.landing_s = True, max(self.landing_s, landing_s)
        late = 0
        for request_id, ended_at in list(self._ended.items()):
            if now - ended_at > MAX_LANDING_S:
                late += now - ended_at < MAX_JUDGED_S
                del self._ended[request_id]
        if late > settled_jobs:
            self._leave_alone(now)
        elif in_time:
            self.is_trusted, self._tries, self._backoffs = True, 0, 0
        elif not self.is_trusted:
            self._tries += 1
            if self._tries >= MAX_TRIES:
                self._leave_alone(now)

    def on_failure(self, now: float) -> None:
        """Take a page that was refused or could not be read."""
        self._leave_alone(now)

    def _leave_alone(self, now: float) -> None:
        self._paused_until = now + min(FIRST_BACKOFF_S * 2.0**self._backoffs, MAX_BACKOFF_S)
        self._backoffs = min(self._backoffs + 1, 10)
        self.is_trusted, self.is_productive, self._tries = False, False, 0
