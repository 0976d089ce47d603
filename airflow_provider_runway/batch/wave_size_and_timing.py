"""When a batch sends how much, as values: the size of a wave, when the next one is due, and the progress. No I/O.

A wave costs a worker's start, so a worker should find much to do when it wakes; and the rate limit should not lie idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: A worker slot is busy for at most this share of the time from a try's start to the end of its next wave. It is a
#: little less than the 15 % that are promised, because the work of that wave is an estimate.
MAX_BUSY_SHARE = 0.14
#: What a worker needs before a task's first line and after its last, in seconds.
WORKER_START_S = 3.0
#: The shortest and the longest time between two waves, in seconds.
MIN_INTERVAL_S, MAX_INTERVAL_S = 20.0, 300.0
#: The share of a known rate limit that submits may take; the rest is for polls, and for other tasks on the key.
SUBMIT_SHARE = 0.8
#: Submits of one wave where the rate limit is not known. A 429 ends the wave before that.
UNKNOWN_RATE_WAVE = 500
#: Jobs that are out at once: what the rate limit can poll in so many minutes, and never more than the second number.
MAX_OUT_MINUTES, MAX_OUT = 2.0, 2_000
#: The journal writes the intents of so many submits at once. They must be sent before their intents expire.
MAX_INTENTS_PER_FILE = 150
#: Finished jobs whose videos are worth a wave of their own, while nothing can be submitted: so many, and this share of
#: those that are still out. A wave breaks off what the poller is about to find out.
MIN_ENDED_TO_STORE, MIN_ENDED_SHARE = 20, 0.5


def compute_wave_size(
    to_go: int, out: int, requests_per_minute: float | None, since_last_wave_s: float | None = None
) -> int:
    """Return how many rows a worker submits now, unless a 429 stops it earlier.

    :param out: jobs that were submitted and have not ended.
    :param requests_per_minute: the account's limit; None where it is not known.
    :param since_last_wave_s: None: there was no wave yet.
    """
    if requests_per_minute is None:
        return max(min(to_go, UNKNOWN_RATE_WAVE, MAX_OUT - out), 0)
    minutes = 1.0 if since_last_wave_s is None else min(since_last_wave_s / 60, 1.0)
    allowance = max(round(SUBMIT_SHARE * requests_per_minute * minutes), 1)
    max_out = min(max(round(MAX_OUT_MINUTES * requests_per_minute), 10), MAX_OUT)
    return max(min(to_go, allowance, max_out - out), 0)


@dataclass(frozen=True, slots=True)
class WorkSoFar:
    """What the waves of a try took until now.

    :param started_at: of the try, epoch seconds. :param waves: how many there were.
    :param busy_s: how long they kept a worker busy. :param rows: how often they submitted a row or stored its video.
    """

    started_at: float
    waves: int
    busy_s: float
    rows: int


def compute_next_wave_at(
    now: float, work: WorkSoFar, next_rows: int, throttled_until: float = 0.0, *, scale: float = 1.0
) -> float:
    """Return the earliest time (epoch seconds) at which a worker should be woken for less than everything.

    :param next_rows: rows that the next wave submits or whose videos it stores, at most.
    :param throttled_until: the reset that a 429 named.
    :param scale: factor on the interval, for tests whose jobs run faster.
    """
    next_s = WORKER_START_S + next_rows * work.busy_s / max(work.rows, 1)
    taken_s = work.waves * WORKER_START_S + work.busy_s + next_s
    interval_s = work.started_at + taken_s / MAX_BUSY_SHARE - next_s - now
    return max(now + scale * min(max(interval_s, MIN_INTERVAL_S), MAX_INTERVAL_S), throttled_until)


def is_worth_waking(now: float, wake_at: float, *, out: int, ended: int, to_go: int) -> bool:
    """Return whether a worker should be woken: everything ended, or enough can be done by now.

    :param wake_at: as :func:`compute_next_wave_at` computed it; also when the history is to be asked again.
    :param out: jobs that have not ended. :param ended: jobs that ended since the last wave.
    :param to_go: rows that are not submitted yet, or whose submit is in doubt.
    """
    if out == 0 and to_go == 0:
        return True
    return now >= wake_at and (to_go > 0 or has_enough_to_store(ended, out))


def has_enough_to_store(ended: int, out: int) -> bool:
    """Return whether the videos of the jobs that ended are worth a wave, while nothing can be submitted."""
    return ended >= max(MIN_ENDED_TO_STORE, MIN_ENDED_SHARE * out)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is, in rows. It travels through deferrals, so it stays small.

    :param done: rows with a result in this try, successes of earlier tries among them.
    :param kept: of these, the ones that had succeeded before. :param failed: of these, the ones without a video.
    :param out: jobs that are waited for. :param to_go: all other rows.
    :param cost: USD, of the jobs of this try that ended. :param started_at: epoch seconds.
    """

    total: int
    done: int
    kept: int
    failed: int
    out: int
    to_go: int
    cost: float
    started_at: float

    def describe(self, now: float) -> str:
        """Return the line of progress."""
        failed = f" ({self.failed} without a video)" if self.failed else ""
        parts = [
            f"{self.done} of {self.total} rows done{failed}",
            f"{self.out} out",
            f"{self.to_go} to go",
            f"USD {self.cost:.2f} spent",
        ]
        if (left_s := self.estimate_left_s(now)) is not None:
            parts.append(f"about {_describe_duration(left_s)} left")
        return ", ".join(parts)

    def estimate_left_s(self, now: float) -> float | None:
        """Return the seconds that the rest takes at the pace so far; None while there is no pace yet."""
        made, left = self.done - self.kept, self.out + self.to_go
        passed_s = now - self.started_at
        if made <= 0 or passed_s <= 0 or left == 0:
            return None
        return left * passed_s / made

    def to_json(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, float]) -> Progress:
        """Return what :meth:`to_json` wrote."""
        counts = {name: int(value[name]) for name in ("total", "done", "kept", "failed", "out", "to_go")}
        return cls(**counts, cost=float(value["cost"]), started_at=float(value["started_at"]))


def _describe_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
