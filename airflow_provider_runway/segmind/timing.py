"""The pauses and limits of a process in one value, so that tests shorten them in one place.

The rules that use these numbers stay where they are; only the lengths come from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_runway.segmind.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take or may take. All values are seconds, unless they are retry policies.

    :param latency_scale: factor on every model's expected latency.
    :param min_poll_gap_s: the shortest pause between two polls of one job.
    :param min_wait_s: how soon after the deferral a trigger may fire.
    :param history_pauses_s: pauses between two reads of the history while a lost submit is searched; the last repeats.
    :param history_lag_s: how long after a job's end its history row may still be missing or incomplete.
    :param intent_margin_s: how long an intent is good for beyond the pauses of its submit: writing it down takes time.
    :param response_margin_s: how much longer than the connection's timeouts a response may take.
    :param read_retry: for GETs of a worker.
    :param submit_retry: for the submit itself, where nothing was accepted.
    :param download_retry: for fetching an output, which is paid for.
    """

    latency_scale: float = 1.0
    min_poll_gap_s: float = 1.0
    min_wait_s: float = 10.0
    history_pauses_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    history_lag_s: float = 120.0
    intent_margin_s: float = 60.0
    response_margin_s: float = 30.0
    read_retry: RetryPolicy = field(default_factory=RetryPolicy)
    submit_retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3, max_elapsed_s=5.0))
    download_retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=8, max_elapsed_s=300.0))


_current = Timing()


def get_timing() -> Timing:
    """Return the timing of this process."""
    return _current


def set_timing(timing: Timing) -> Timing:
    """Replace the timing of this process, and return the one before. Meant for tests and benchmarks."""
    global _current
    before, _current = _current, timing
    return before
