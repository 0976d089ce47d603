"""The intent of a submit, as a value: built before the POST, presumed where it was lost, and taken over by a later try.

Also what the history is asked for on its account. No clock and no I/O: the time is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.history.row_inputs import find_image_url, find_prompt, find_seed
from airflow_provider_runway.inputs.job_request import JobRequest, make_digest
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.journal import JournalEntry, Phase
from airflow_provider_runway.submission.row_matching import LostSubmit, make_prompt_digest

if TYPE_CHECKING:
    from airflow_provider_runway.history.rows import HistoryRow
    from airflow_provider_runway.transports.client_settings import ClientSettings


def build_intent(
    request: JobRequest,
    body: Mapping[str, Any],
    last: JournalEntry | None,
    *,
    generation: int,
    seed: int | None,
    try_number: int,
    max_tries: int,
    now: float,
    spent_usd: float | None,
    reserved_usd: float | None,
) -> JournalEntry:
    """Return the intent to send this body now. It expires soon, and keeps the ids of earlier jobs.

    :param last: the entry that it replaces.
    :param spent_usd: by the jobs before this one. :param reserved_usd: the price of this one. None: not known.
    """
    previous = () if last is None else (*last.previous_request_ids, *filter(None, [last.request_id]))
    is_same_try = last is not None and last.try_number == try_number
    return JournalEntry(
        phase=Phase.INTENT,
        fingerprint=request.fingerprint,
        model=request.model,
        generation=generation,
        seed=find_seed(body) if seed is None else seed,
        try_number=try_number,
        max_tries=max_tries,
        sent_at=now,
        image_digest=_digest_or_none(find_image_url(body)),
        previous_request_ids=tuple(dict.fromkeys(previous)),
        expires_at=now + get_intent_lifetime_s(),
        prompt_digest=make_prompt_digest(find_prompt(body)),
        unanswered_submits=last.unanswered_submits if last is not None and is_same_try else 0,
        spent_usd=spent_usd,
        reserved_usd=reserved_usd,
    )


def presume_intent(
    request: JobRequest,
    *,
    try_number: int,
    max_tries: int,
    earliest_submit_at: float,
    now: float,
    last: JournalEntry | None = None,
) -> JournalEntry:
    """Return the intent that stands for whatever earlier tries may have sent until now, of which nothing is known.

    :param last: what is known to have been sent before that. Its job is not looked for.
    """
    generation = 0 if last is None else last.generation + (last.request_id is not None)
    previous = () if last is None else (*last.previous_request_ids, *filter(None, [last.request_id]))
    seed = request.identity.seed(generation) if request.derives_seed else request.seed
    if last is not None and last.generation == generation and last.seed is not None:
        seed = last.seed
    return JournalEntry(
        phase=Phase.INTENT,
        fingerprint=request.fingerprint,
        model=request.model,
        generation=generation,
        seed=seed,
        try_number=try_number,
        max_tries=max_tries,
        sent_at=earliest_submit_at,
        expires_at=now,
        previous_request_ids=tuple(dict.fromkeys(previous)),
        is_presumed=True,
    )


def take_over_intent(entry: JournalEntry, try_number: int, now: float) -> JournalEntry:
    """Return an earlier try's intent as this try's own, so that the earlier one, if it is still alive, stops.

    Where tries in between left no entry, anything may have been sent until now.
    """
    if entry.try_number >= try_number:
        return entry
    expires_at = now if entry.try_number < try_number - 1 else entry.expires_at
    return replace(entry, try_number=try_number, expires_at=expires_at, unanswered_submits=0)


def get_intent_lifetime_s() -> float:
    """Return the seconds after which the writer of an intent sends nothing any more."""
    return get_timing().submit_retry.max_elapsed_s + get_timing().intent_margin_s


def get_accepted_until(entry: JournalEntry, settings: ClientSettings) -> float:
    """Return until when (epoch seconds) the gateway can have accepted the submit of an intent, if at all."""
    expires_at = entry.sent_at + get_intent_lifetime_s() if entry.expires_at is None else entry.expires_at
    return expires_at + settings.connect_timeout_s + settings.read_timeout_s + get_timing().response_margin_s


def adopt_row(
    entry: JournalEntry, row: HistoryRow, request: JobRequest, *, try_number: int, max_tries: int
) -> JournalEntry:
    """Return the entry of a lost submit that a row of the history shows as a job."""
    return replace(
        entry,
        phase=Phase.SUBMITTED,
        request_id=row.request_id,
        seed=row.seed if row.seed is not None else entry.seed,
        generation=find_generation(row.seed, request, try_number, entry.generation),
        max_tries=max_tries,
        sent_at=row.created_at or entry.sent_at,
        is_presumed=False,
    )


def describe_lost_submit(
    request: JobRequest, entry: JournalEntry, *, latest_row_at: float, try_number: int, sibling_ids: Iterable[str]
) -> LostSubmit:
    """Return what to search the history for, on account of an intent whose outcome is not known."""
    body = request.build_body_with_seed(entry.seed, sending=False)
    prompt, prompt_digest = find_prompt(body), entry.prompt_digest
    image_digest = entry.image_digest
    if entry.is_presumed:
        prompt_digest = make_prompt_digest(prompt)
        is_uploaded = request.image_field is not None
        image_digest = None if is_uploaded else _digest_or_none(find_image_url(body))
    is_prompt_at_hand = make_prompt_digest(prompt) == prompt_digest
    return LostSubmit(
        model=entry.model,
        sent_from=entry.sent_at,
        latest_row_at=latest_row_at,
        seeds=list_possible_seeds(request, entry, try_number),
        has_derived_seed=request.derives_seed,
        prompt=prompt if is_prompt_at_hand else None,
        prompt_digest=prompt_digest,
        image_digest=image_digest,
        is_as_sent=not entry.is_presumed,
        other_request_ids=frozenset((*entry.previous_request_ids, *sibling_ids)),
    )


def list_possible_seeds(request: JobRequest, entry: JournalEntry, try_number: int) -> frozenset[int]:
    """Return the seeds that the lost submit can have had: of any generation where nothing was written down."""
    if entry.is_presumed and request.derives_seed:
        known = () if entry.seed is None else (entry.seed,)
        return frozenset((*known, *(request.identity.seed(generation) for generation in range(try_number + 1))))
    return frozenset() if entry.seed is None else frozenset({entry.seed})


def find_generation(seed: int | None, request: JobRequest, try_number: int, known: int) -> int:
    """Return the generation that a derived seed belongs to, so that the next one is new."""
    if not request.derives_seed or seed is None:
        return known
    numbers = [number for number in range(known, known + try_number + 1) if request.identity.seed(number) == seed]
    return numbers[0] if numbers else known


def _digest_or_none(text: str | None) -> str | None:
    return None if text is None else make_digest(text)
