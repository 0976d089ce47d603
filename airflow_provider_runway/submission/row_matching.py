"""Decides whether a row of the account's history is the job of a lost submit: ours, not ours, or unclear. No I/O.

A row is *not ours* only where it says so: what is missing or written in another way proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_provider_runway.history.row_inputs import may_be_same_prompt, plain_letters
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.inputs.job_request import make_digest
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.models import MODELS

#: How far the clocks of a worker, the gateway and the history may be apart beyond what their headers show.
CLOCK_TOLERANCE_S = 600.0
#: So many letters at the start of a prompt tell two prompts apart where only digests of the sent one are left.
PROMPT_START = 16


class RowMatch(StrEnum):
    """How a row compares with a lost submit."""

    OURS = "ours"  # it has the seed that was derived for this task instance alone
    OURS_IF_ALONE = "ours, if no other row matches as well"  # prompt and image match
    UNLIKELY = "another prompt, but it is not known which one was sent"
    UNCLEAR = "unclear"
    NOT_OURS = "surely not ours"


@dataclass(frozen=True, slots=True)
class LostSubmit:
    """The submit that is searched for. Times are epoch seconds of the API's clock.

    :param seeds: the seeds that it may have been sent with; empty where the body had none.
    :param has_derived_seed: the seed was derived for this task instance, so it identifies the job.
    :param prompt: the normalised prompt, where it is at hand; ``prompt_digest`` is of what was sent.
    :param is_as_sent: the digests are of what was really sent, not of what this try would send.
    :param latest_row_at: the latest time that the row of this submit can bear.
    :param other_request_ids: jobs of other task instances, and of earlier generations.
    """

    model: str
    sent_from: float
    latest_row_at: float
    seeds: frozenset[int] = frozenset()
    has_derived_seed: bool = True
    prompt: str | None = field(default=None, repr=False)
    prompt_digest: str | None = None
    image_digest: str | None = None
    is_as_sent: bool = True
    other_request_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MatchedRows:
    """The rows of a lookup, sorted by how they compare. Failed jobs, which are not billed, are in none of the lists.

    :param ours: jobs of this submit for certain, newest first. :param alone: prompt and image match.
    :param unlikely: rows that prevent a new submit, but not the adoption of another row.
    """

    ours: tuple[HistoryRow, ...]
    alone: tuple[HistoryRow, ...]
    unlikely: tuple[HistoryRow, ...]
    unclear: tuple[HistoryRow, ...]


def match_rows(rows: Iterable[HistoryRow], lost: LostSubmit) -> MatchedRows:
    """Sort the rows of a lookup."""
    matches = [(classify_row(row, lost), row) for row in rows if row.state is not JobState.FAILED]

    def pick(match: RowMatch) -> tuple[HistoryRow, ...]:
        picked = [row for found, row in matches if found is match]
        return tuple(sorted(picked, key=lambda row: (-(row.created_at or 0.0), row.request_id or "")))

    kept = (RowMatch.OURS, RowMatch.OURS_IF_ALONE, RowMatch.UNLIKELY, RowMatch.UNCLEAR)
    return MatchedRows(*(pick(match) for match in kept))


class RowsBySeed:
    """The rows of one search, sorted by their seeds once, for many lost submits.

    ``classify_row`` calls a row with a seed that a submit cannot have had NOT_OURS. On a busy account that is nearly
    every row, so comparing each submit with each row would take minutes.
    """

    def __init__(self, rows: Iterable[HistoryRow]) -> None:
        self._rows = list(rows)
        self._positions: dict[int | None, list[int]] = {}
        #: Whether any row was complete, so that the history is one that can be read.
        self.has_identifiable_row = False
        for position, row in enumerate(self._rows):
            self._positions.setdefault(row.seed, []).append(position)
            self.has_identifiable_row = self.has_identifiable_row or row.is_identifiable

    def select(self, lost: LostSubmit) -> list[HistoryRow]:
        """Return the rows that can be this submit's by their seed, in their order."""
        if not lost.seeds:
            return self._rows
        keys: tuple[int | None, ...] = (None, *lost.seeds)
        return [self._rows[position] for position in sorted(p for key in keys for p in self._positions.get(key, ()))]


def classify_row(row: HistoryRow, lost: LostSubmit) -> RowMatch:
    """Compare one row with the lost submit."""
    if row.request_id and row.request_id in lost.other_request_ids:
        return RowMatch.NOT_OURS
    if not may_be_in_window(row, lost) or is_another_known_model(row, lost):
        return RowMatch.NOT_OURS
    same_seed = None if row.seed is None or not lost.seeds else row.seed in lost.seeds
    same_prompt = compare_prompts(row, lost)
    same_image = (
        None if not row.image_url or lost.image_digest is None else make_digest(row.image_url) == lost.image_digest
    )
    if same_seed is False:
        return RowMatch.NOT_OURS
    if same_seed and lost.has_derived_seed:
        contradicts = same_prompt is False or (same_image is False and same_prompt is None)
        return RowMatch.UNCLEAR if contradicts else RowMatch.OURS
    if same_prompt is False:
        return RowMatch.NOT_OURS if lost.is_as_sent else RowMatch.UNLIKELY
    if same_prompt and same_image is not False:
        return RowMatch.OURS_IF_ALONE
    return RowMatch.UNCLEAR


def may_be_in_window(row: HistoryRow, lost: LostSubmit) -> bool:
    """Can the row's time, in any time zone and at any precision, be a time of this submit?"""
    if row.created_between is None:
        return True
    earliest, latest = row.created_between
    return latest >= lost.sent_from - CLOCK_TOLERANCE_S and earliest <= lost.latest_row_at + CLOCK_TOLERANCE_S


def is_another_known_model(row: HistoryRow, lost: LostSubmit) -> bool:
    """Does the row name another slug of the model registry? A display name proves nothing."""
    return row.model is not None and row.model != lost.model and row.model in MODELS


def compare_prompts(row: HistoryRow, lost: LostSubmit) -> bool | None:
    """Return whether the row's prompt is the one that was sent; None where that cannot be said."""
    if row.prompt is None or lost.prompt_digest is None:
        return None
    row_digest = make_prompt_digest(row.prompt)
    if row_digest == lost.prompt_digest:
        return True
    if lost.prompt is not None:
        is_different = not may_be_same_prompt(row.prompt, lost.prompt)
    else:
        is_different = _surely_start_differently(row_digest or "", lost.prompt_digest)
    return False if is_different else None


def make_prompt_digest(prompt: str | None) -> str | None:
    """Return two digests, of a normalised prompt's first letters and of all of it; None where there is no prompt.

    What the gateway cuts off or adds at the end, and how it writes letters, changes the second one only.
    """
    if prompt is None:
        return None
    letters = plain_letters(prompt)[:PROMPT_START]
    start = make_digest(letters) if len(letters) == PROMPT_START else ""
    return f"{start}.{make_digest(prompt)}"


def _surely_start_differently(one: str, other: str) -> bool:
    first, second = one.partition(".")[0], other.partition(".")[0]
    return bool(first) and bool(second) and first != second
