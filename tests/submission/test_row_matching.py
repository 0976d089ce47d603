"""Which history rows are a lost submit's job: ours, surely not ours, or unclear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.history.row_inputs import find_prompt
from airflow_provider_runway.history.rows import HistoryRow, parse_row
from airflow_provider_runway.inputs.job_request import make_digest
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.submission.row_matching import (
    CLOCK_TOLERANCE_S,
    LostSubmit,
    RowMatch,
    classify_row,
    make_prompt_digest,
    match_rows,
)

SENT_AT = 1_790_000_000.0
PROMPT = "A lighthouse in heavy weather, seen from the sea"
OTHER_PROMPT = "A city at night"
IMAGE = "https://pictures.example/1.png"
BODY = {"promptText": PROMPT, "promptImage": IMAGE, "seed": 7}

LOST = LostSubmit(
    model="runway-gen4-turbo",
    sent_from=SENT_AT,
    latest_row_at=SENT_AT + 300,
    seeds=frozenset({7}),
    prompt=find_prompt(BODY),
    prompt_digest=make_prompt_digest(find_prompt(BODY)),
    image_digest=make_digest(IMAGE),
    other_request_ids=frozenset({"a-sibling"}),
)
#: The author gave the seed, so other tasks may have the same.
AUTHORS_SEED = replace(LOST, has_derived_seed=False)
#: The model takes no seed.
NO_SEED = replace(LOST, seeds=frozenset(), has_derived_seed=False)
#: Without a journal nobody knows what was sent; the digests are of what would be sent now.
NO_JOURNAL = replace(LOST, is_as_sent=False)
#: The template renders another prompt by now; of the one that was sent only the digest is left.
CHANGED_PROMPT = replace(LOST, prompt=None)


def make_row(body: Mapping[str, Any] | None = None, without: str = "", **fields: Any) -> HistoryRow:
    """Return the row of the lost submit, as the history writes it, or one that differs in ``fields`` and its body."""
    sent = {name: value for name, value in {**BODY, **(body or {})}.items() if name not in without.split()}
    row = parse_row(
        {
            "request_id": "one",
            "model_name": LOST.model,
            "model_status": "COMPLETED",
            "request_body": sent,
            "model_created": "2026-09-21T14:13:22Z",  # two seconds after SENT_AT
            **fields,
        }
    )
    assert row is not None
    return row


OURS, ALONE, UNCLEAR, NOT_OURS = RowMatch.OURS, RowMatch.OURS_IF_ALONE, RowMatch.UNCLEAR, RowMatch.NOT_OURS


def test_a_row_is_compared_with_a_submit_of_a_derived_seed(subtests: pytest.Subtests) -> None:
    for case, row, match in (
        ("the body as it was sent", make_row(), OURS),
        ("the seed as text", make_row({"seed": "7"}), OURS),
        ("the seed alone", make_row(without="promptText promptImage"), OURS),
        ("a copied image", make_row({"promptImage": "https://cdn.example/copy.png"}), OURS),
        ("other white space", make_row({"promptText": f"  {PROMPT.replace(' ', '  ')} "}), OURS),
        ("a prompt that was cut off", make_row({"promptText": PROMPT[:20]}), OURS),
        ("a display name", make_row(model_name="Runway Gen-4 Turbo"), OURS),
        ("no model and no time", make_row(model_name=None, model_created=None), OURS),
        ("our seed, another prompt", make_row({"promptText": OTHER_PROMPT}), UNCLEAR),
        (
            "our seed, another image, no prompt",
            make_row({"promptImage": "https://cdn.example/copy.png"}, without="promptText"),
            UNCLEAR,
        ),
        ("another seed", make_row({"seed": 8}), NOT_OURS),
        ("the id of another task's job", make_row(request_id="a-sibling"), NOT_OURS),
        ("another known model", make_row(model_name="runway-gen3-alphaturbo"), NOT_OURS),
        ("no seed, prompt and image match", make_row(without="seed"), ALONE),
        ("no seed, no image, the prompt matches", make_row(without="seed promptImage"), ALONE),
        (
            "no seed, the prompt matches, a copied image",
            make_row({"promptImage": "https://cdn.example/copy.png"}, without="seed"),
            UNCLEAR,
        ),
        ("no seed, no prompt", make_row(without="seed promptText"), UNCLEAR),
        ("no seed, another prompt", make_row({"promptText": OTHER_PROMPT}, without="seed"), NOT_OURS),
        ("no seed, other letters", make_row({"promptText": PROMPT.upper()}, without="seed"), UNCLEAR),
        ("no body", make_row(request_body=None), UNCLEAR),
        ("a body in an unknown form", make_row(request_body="<unreadable>"), UNCLEAR),
    ):
        with subtests.test(case):
            assert classify_row(row, LOST) is match


def test_an_authors_own_seed_is_not_enough(subtests: pytest.Subtests) -> None:
    for case, row, match in (
        ("seed, prompt and image match", make_row(), ALONE),
        ("the same seed, another prompt", make_row({"promptText": OTHER_PROMPT}), NOT_OURS),
        ("the same seed, another image", make_row({"promptImage": "https://cdn.example/2.png"}), UNCLEAR),
        ("the same seed, no prompt", make_row(without="promptText"), UNCLEAR),
        ("another seed", make_row({"seed": 8}), NOT_OURS),
    ):
        with subtests.test(case):
            assert classify_row(row, AUTHORS_SEED) is match


def test_a_model_without_seeds_is_recognised_by_prompt_and_image() -> None:
    assert classify_row(make_row(), NO_SEED) is ALONE
    assert classify_row(make_row({"promptText": OTHER_PROMPT}), NO_SEED) is NOT_OURS


def test_without_a_journal_another_prompt_proves_nothing() -> None:
    """The template may have rendered another one in the try that sent it."""
    assert classify_row(make_row({"promptText": OTHER_PROMPT}), NO_JOURNAL) is UNCLEAR
    assert classify_row(make_row({"promptText": OTHER_PROMPT}, without="seed"), NO_JOURNAL) is RowMatch.UNLIKELY
    assert classify_row(make_row({"seed": 8}), NO_JOURNAL) is NOT_OURS


def test_the_digest_of_the_sent_prompt_is_enough_to_recognise_it() -> None:
    assert classify_row(make_row(without="seed"), CHANGED_PROMPT) is ALONE
    assert (
        classify_row(make_row({"promptText": OTHER_PROMPT + " in the rain"}, without="seed"), CHANGED_PROMPT)
        is NOT_OURS
    )
    assert classify_row(make_row({"promptText": PROMPT[:30]}, without="seed"), CHANGED_PROMPT) is UNCLEAR


def test_a_time_excludes_a_row_only_where_no_clock_and_no_zone_could_bring_it_in(subtests: pytest.Subtests) -> None:
    for case, created, is_possible in (
        ("a clock that is behind", SENT_AT - CLOCK_TOLERANCE_S + 1, True),
        ("older than any clock explains", SENT_AT - CLOCK_TOLERANCE_S - 5, False),
        ("written when the job ended", LOST.latest_row_at + CLOCK_TOLERANCE_S, True),
        ("later than the job can have ended", LOST.latest_row_at + CLOCK_TOLERANCE_S + 5, False),
        ("milliseconds", 1000 * SENT_AT, True),
        ("no zone: nine hours ahead, as in Japan", "2026-09-21T23:13:22", True),
        ("no zone: seven hours behind, as in California", "2026-09-21T07:13:22", True),
        ("no zone: sixteen hours ahead, as nowhere", "2026-09-22T06:13:22", False),
        ("no zone: fifteen hours behind, as nowhere", "2026-09-20T23:13:22", False),
        ("a date alone", "2026-09-21", True),
        ("minutes", "2026-09-21T14:13Z", True),
        ("no time that can be read", "yesterday", True),
    ):
        with subtests.test(case):
            assert (classify_row(make_row(model_created=created), LOST) is not NOT_OURS) is is_possible


def test_failed_jobs_are_left_out_for_they_are_not_billed() -> None:
    matched = match_rows([replace(make_row(), state=JobState.FAILED), make_row(request_id="two")], LOST)
    assert [row.request_id for row in matched.ours] == ["two"]


def test_rows_are_sorted_newest_first() -> None:
    rows = [make_row(request_id="older"), make_row(request_id="newer", model_created="2026-09-21T14:14:00Z")]
    for order in (rows, rows[::-1]):
        assert [row.request_id for row in match_rows(order, LOST).ours] == ["newer", "older"]


def test_prompts_in_scripts_without_latin_letters_are_told_apart_by_equality_alone() -> None:
    lost = replace(NO_SEED, prompt="海上の灯台", prompt_digest=make_prompt_digest("海上の灯台"))
    assert classify_row(make_row({"promptText": "海上の灯台"}), lost) is ALONE
    assert classify_row(make_row({"promptText": "夜の街"}), lost) is UNCLEAR
