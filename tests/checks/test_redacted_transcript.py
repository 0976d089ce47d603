"""Redacted transcripts: nothing private is left, and the form of the history still is."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.checks.account_evidence import AccountEvidence
from airflow_provider_runway.checks.redacted_transcript import make_transcript, redact_row, redact_text

PROMPT = "A Secret cat: on the moon"
BODY = {"promptText": PROMPT, "promptImage": "https://private.example/me.png?sig=abc", "seed": 7, "ratio": "16:9"}
PRIVATE = ("Secret", "private.example", "sig=abc", "SG_0123456789abcdef", "images.segmind.com", "somebody")
ROW = {
    "request_id": "0b1c2d",
    "model_name": "runway-gen3-alphaturbo",
    "model_status": "COMPLETED",
    "credits_deduction": 0.5,
    "request_body": repr(BODY),
    "generation_url": "https://images.segmind.com/0b1c2d.mp4?token=sig=abc",
    "latency_ms": 27380,
    "error": None,
    "model_created": "2026-11-24 22:15:00",
    "user_email": "somebody@example.com",
    "api_key": "SG_0123456789abcdef",
}


def test_inputs_keep_their_form_and_lose_their_texts(subtests: pytest.Subtests) -> None:
    for case, body, decode in (
        ("the text of a Python dict", repr(BODY), ast.literal_eval),
        ("JSON text", json.dumps(BODY), json.loads),
        ("JSON text of a JSON text", json.dumps(json.dumps(BODY)), lambda text: json.loads(json.loads(text))),
        ("an object", BODY, dict),
        ("in", json.dumps({"input": {"parameters": BODY}}), lambda t: json.loads(t)["input"]["parameters"]),
    ):
        with subtests.test(case):
            redacted = redact_row({**ROW, "request_body": body})
            inputs = decode(redacted["request_body"])
            assert inputs == {
                "promptText": f"[text of {len(PROMPT)} characters]",
                "promptImage": "https://redacted.example/file.png",
                "seed": 7,
                "ratio": "16:9",
            }
            assert [word for word in PRIVATE if word in json.dumps(redacted)] == []


def test_ids_times_numbers_and_states_are_kept() -> None:
    redacted = redact_row(ROW)
    for name in (
        "request_id",
        "model_name",
        "model_status",
        "credits_deduction",
        "latency_ms",
        "error",
        "model_created",
    ):
        assert redacted[name] == ROW[name]
    assert redacted["generation_url"] == "https://redacted.example/file.mp4"
    assert list(redacted) == list(ROW)


def test_a_transcript_is_plain_json_of_version_1() -> None:
    evidence = AccountEvidence(checked_at=1_800_000_000.0, query={"page": "1"}, raw_rows=(ROW, "no row", None))
    transcript = json.loads(json.dumps(make_transcript(evidence)))
    assert transcript["version"] == 1
    assert transcript["history"]["query"] == {"page": "1"}
    assert transcript["history"]["rows"][1:] == ["[text of 6 characters]", None]


@given(st.text(alphabet=st.characters(categories=("L",)), min_size=3))
def test_no_word_passes(text: str) -> None:
    assert redact_text(text) != text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_row_can_be_redacted(row: Any) -> None:
    json.dumps(redact_row(row))
