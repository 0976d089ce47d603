"""The forms of the request history: what each changes in the rows and in the queries."""

from __future__ import annotations

import ast
import json
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_runway.emulator import HISTORY_FORMS, HistoryForm
from airflow_provider_runway.emulator.history_form_inference import infer_history_form
from airflow_provider_runway.emulator.history_forms import FORM_FIELDS, change_history_form
from airflow_provider_runway.emulator.history_rows import build_rows
from airflow_provider_runway.emulator.job_handlers import make_job
from airflow_provider_runway.emulator.job_ledger import Job
from airflow_provider_runway.emulator.model_rules import get_model_rules

SUBMITTED_AT = datetime(2026, 11, 24, 20, 30, tzinfo=UTC).timestamp()
PROMPT = "  a sunflower\n & cafe\u0301 at noon, seen from far above "
IMAGE = "https://example.com/flower.png?signature=abc"
BODY = {"promptText": PROMPT, "promptImage": IMAGE, "seed": 7, "ratio": "16:9"}
TIMES = ("model_created", "created_at", "updated_at")
ROW_FIELDS = {
    "request_id",
    "model_name",
    "model_status",
    "credits_deduction",
    "request_body",
    "generation_url",
    "latency_ms",
    "error",
    *TIMES,
}


def make_sample_job() -> Job:
    """Return a job that took 30 s."""
    job = make_job(
        call="submit",
        rules=get_model_rules("runway-gen3-alphaturbo"),
        body=BODY,
        account="SG_0123456789abcdef",
        now=SUBMITTED_AT,
        rng=random.Random(1),
        time_scale=1.0,
        lag_range_s=(0.0, 0.0),
    )
    return replace(job, request_id="id-1", queue_s=10.0, run_s=20.0)


def build_row(form: str | HistoryForm, after_s: float = 100.0) -> dict[str, Any]:
    """Return the row of that job in a form, some seconds after its submission; empty without a row."""
    chosen = HISTORY_FORMS[form].form if isinstance(form, str) else form
    rows = build_rows(make_sample_job(), SUBMITTED_AT + after_s, "http://emulator", chosen)
    return rows[0] if rows else {}


def build_inputs(form: str) -> dict[str, Any]:
    """Return the inputs in the request_body of a form that does not nest them."""
    body = build_row(form)["request_body"]
    return dict(body if isinstance(body, dict) else ast.literal_eval(body))


def test_the_plain_form_has_the_inputs_as_sent():
    row = build_row("plain")
    assert set(row) == ROW_FIELDS
    assert (row["request_id"], row["model_name"], row["model_status"]) == (
        "id-1",
        "runway-gen3-alphaturbo",
        "COMPLETED",
    )
    assert ast.literal_eval(row["request_body"]) == BODY
    assert [row[name] for name in TIMES] == ["2026-11-24T20:30:00.000Z"] * 2 + ["2026-11-24T20:30:30.000Z"]


def test_a_form_changes_the_format_and_the_nesting_of_the_body():
    assert json.loads(build_row("json_text")["request_body"]) == BODY
    assert build_row("object")["request_body"] == BODY
    assert json.loads(json.loads(build_row("json_twice")["request_body"])) == BODY
    assert build_row("body_truncated")["request_body"] == repr(BODY)[:100]
    assert build_row("body_empty")["request_body"] == {}
    assert build_row("body_null")["request_body"] is None
    assert build_row("nested_input")["request_body"] == {"input": BODY}
    assert ast.literal_eval(build_row("nested_inputs")["request_body"]) == {"inputs": BODY}
    assert json.loads(build_row("nested_parameters")["request_body"]) == {"parameters": BODY}
    assert build_row("nested_twice")["request_body"] == {"input": {"parameters": BODY}}


#: form -> the inputs that differ from those sent; None for an input that is missing
CHANGED_INPUTS: dict[str, dict[str, Any]] = {
    "snake_case": {"promptText": None, "promptImage": None, "prompt_text": PROMPT, "prompt_image": IMAGE},
    "lower_case": {"promptText": None, "promptImage": None, "prompttext": PROMPT, "promptimage": IMAGE},
    "trimmed": {"promptText": PROMPT.strip()},
    "collapsed": {"promptText": " ".join(PROMPT.split())},
    "nfc": {"promptText": PROMPT.replace("e\u0301", "\u00e9")},
    "html_escaped": {"promptText": PROMPT.replace("&", "&amp;")},
    "prompt_truncated": {"promptText": PROMPT[:40]},
    "seed_missing": {"seed": None},
    "images_rehosted": {"promptImage": "http://emulator/assets/0b7f23a494661c07de6737762bf199e5.png"},
    "images_without_query": {"promptImage": "https://example.com/flower.png"},
    "defaults_dropped": {"ratio": None},
    "defaults_filled": {"duration": 5},
}


def test_a_form_changes_the_inputs():
    for name, changes in CHANGED_INPUTS.items():
        expected = {key: value for key, value in (BODY | changes).items() if value is not None}
        assert build_inputs(name) == expected, name


def test_a_form_changes_the_type_of_the_seed():
    assert json.loads(build_row("seed_text")["request_body"])["seed"] == "7"
    assert repr(json.loads(build_row("seed_float")["request_body"])["seed"]) == "7.0"


def test_a_form_changes_the_format_of_times():
    created = {name: build_row(name).get("model_created") for name in HISTORY_FORMS}
    assert created["time_offset"] == "2026-11-25T02:00:00.000+05:30"
    assert created["time_utc_naive"] == "2026-11-24T20:30:00.000"
    assert created["time_local_east"] == "2026-11-25 09:30:00.000"
    assert created["time_local_west"] == "2026-11-24 12:30:00.000"
    assert created["time_minutes"] == "2026-11-24T20:30Z"
    assert created["time_http_date"] == "Tue, 24 Nov 2026 20:30:00 GMT"
    assert created["time_us"] == "11/24/2026, 8:30:00 PM"
    assert created["epoch_text"] == str(int(SUBMITTED_AT))
    assert created["epoch_seconds"] == SUBMITTED_AT
    assert created["epoch_milliseconds"] == SUBMITTED_AT * 1000
    assert created["date_only"] == "2026-11-24"
    assert created["time_of_completion"] == "2026-11-24T20:30:30.000Z"
    assert build_row("time_of_completion", after_s=20)["model_created"] is None
    assert ROW_FIELDS - set(build_row("time_missing")) == set(TIMES)
    assert set(build_row("time_other_name")) == ROW_FIELDS - set(TIMES) | {"createdAt"}


def test_a_form_lacks_fields_or_has_other_words():
    for name in ("body_missing", "model_missing", "id_missing", "status_missing"):
        (missing,) = ROW_FIELDS - set(build_row(name))
        assert name.partition("_")[0] in missing
    assert build_row("display_name")["model_name"] == "Runway Gen-3 AlphaTurbo"
    assert build_row("status_lower_case")["model_status"] == "completed"
    words = [build_row("status_other_words", after_s)["model_status"] for after_s in (5, 100)]
    assert words == ["STARTED", "SUCCEEDED"]
    assert set(build_row("sparse")) == {"request_id", "model_status", "credits_deduction"}


def test_a_form_delays_the_row_or_its_request_id():
    def list_ids(name: str) -> list[str | None]:
        return [build_row(name, after_s).get("request_id", "no row") for after_s in (5, 20, 40)]

    assert list_ids("plain") == ["id-1"] * 3
    assert list_ids("id_when_running") == [None, "id-1", "id-1"]
    assert list_ids("id_when_finished") == [None, None, "id-1"]
    assert list_ids("appears_at_completion") == ["no row", "no row", "id-1"]
    assert list_ids("empty") == ["no row"] * 3


def test_a_late_row_appears_through_the_emulator(start_api):
    api = start_api(history_form="appears_late")
    request_id = api.submit()
    lengths = []
    for _ in range(4):
        rows = api.list_rows()
        lengths.append([row["request_body"] is not None for row in rows])
        api.gateway.advance(110)
    assert lengths == [[], [], [False], [True]]
    assert api.get(f"{api.gateway.history_url}/{request_id}").status_code == 200


def test_a_row_cannot_be_fetched_before_it_has_its_request_id(start_api):
    api = start_api(history_form="id_when_finished")
    request_id = api.submit()
    path = f"{api.gateway.history_url}/{request_id}"
    assert api.list_rows()[0]["request_id"] is None
    assert api.get(path).status_code == 404
    api.gateway.advance(100)
    assert api.get(path).status_code == 200
    other = start_api(history_form="lookup_fails")
    request_id = other.submit_finished()
    assert other.list_rows()
    assert other.get(f"{other.gateway.history_url}/{request_id}").status_code == 404


def test_filters_can_be_refused(start_api):
    for name, status in (("filters_refused_400", 400), ("filters_refused_422", 422)):
        api = start_api(history_form=name)
        api.submit()
        for parameter in ("from_date", "model_name", "sort_by"):
            refused = api.get(api.gateway.history_url, params={parameter: "x"})
            assert (refused.status_code, refused.json()) == (status, {"error": f"Unknown query parameter: {parameter}"})
        assert len(api.list_rows(page=1, per_page=100)) == 1


def test_filters_and_sorting_can_be_ignored_and_pages_small(start_api):
    api = start_api(history_form="oldest_first")
    request_ids = []
    for _ in range(7):
        request_ids.append(api.submit())
        api.gateway.advance(100)
    query = {"per_page": 100, "model_name": "other", "from_date": "2020-01-01", "sort_order": "desc"}
    pages = [[row["request_id"] for row in api.list_rows(page=page, **query)] for page in (1, 2, 3)]
    assert pages == [request_ids[:5], request_ids[5:], []]


def test_a_display_name_is_what_the_filter_compares(start_api):
    api = start_api(history_form="display_name")
    api.submit()
    assert api.list_rows(model_name="runway-gen3") == []
    assert len(api.list_rows(model_name="AlphaTurbo")) == 1


def test_dates_are_those_of_the_servers_zone(start_api):
    api = start_api(history_form="time_local_east")
    api.submit()
    day = api.list_rows()[0]["model_created"][:10]
    assert len(api.list_rows(from_date=day, to_date=day)) == 1


def test_a_date_filter_can_exclude_its_last_day_or_refuse_the_future(start_api):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    exclusive = start_api(history_form="to_date_exclusive")
    exclusive.submit()
    today = exclusive.list_rows()[0]["model_created"][:10]
    assert exclusive.list_rows(to_date=today) == []
    assert len(exclusive.list_rows(to_date=tomorrow)) == 1
    refused = start_api(history_form="future_date_refused")
    response = refused.get(refused.gateway.history_url, params={"to_date": tomorrow})
    assert (response.status_code, response.json()) == (400, {"error": "to_date must not be in the future"})


def test_pages_can_begin_with_zero(start_api):
    api = start_api(history_form="pages_from_zero")
    api.submit()
    assert [len(api.list_rows(page=page)) for page in (0, 1)] == [1, 0]


def test_a_query_without_rows_can_be_a_404_or_a_204(start_api):
    for name, status, text in (("no_rows_404", 404, '{"error": "No records found"}'), ("no_rows_204", 204, "")):
        api = start_api(history_form=name)
        response = api.get(api.gateway.history_url)
        assert (response.status_code, response.text) == (status, text)
        api.submit()
        assert len(api.list_rows()) == 1


def test_totals_can_be_missing(start_api):
    api = start_api(history_form="data_only")
    assert api.get(api.gateway.history_url).json() == {"data": []}


def test_one_field_can_differ_from_a_named_form(start_api):
    api = start_api(history_form="snake_case", history_body="object", history_zone_minutes="60", history_times="offset")
    api.submit()
    (row,) = api.list_rows()
    assert set(row["request_body"]) == {"prompt_text", "prompt_image"}
    assert row["model_created"].endswith("+01:00")
    with pytest.raises(ValueError, match="history_body must be one of python, json, json_twice"):
        change_history_form(HistoryForm(), body="xml")
    with pytest.raises(ValueError, match="there is no history form 'odd'; known forms: plain, json_text"):
        start_api(history_form="odd")


def test_every_value_of_every_field_is_in_a_named_form():
    used = {(name, getattr(named.form, name)) for named in HISTORY_FORMS.values() for name in FORM_FIELDS}
    choices = {(name, value) for name, spec in FORM_FIELDS.items() for value in spec.get("choices", ())}
    rare = {("time_of", "start"), ("time_fields", "timestamp"), ("time_fields", "model_created"),
            ("time_fields", "created_at")}  # fmt: skip
    assert choices - used == rare
    assert all(named.about and "\n" not in named.about for named in HISTORY_FORMS.values())


def test_a_replayed_form_has_the_same_fields_and_types():
    def list_types(row: dict[str, Any]) -> dict[str, type]:
        return {name: type(value) for name, value in row.items()}

    for name in HISTORY_FORMS:
        row = build_row(name)
        replayed = build_row(infer_history_form([row] if row else []))
        assert list_types(replayed) == list_types(row), name


def test_a_transcript_is_replayed_from_a_file(start_api, tmp_path):
    inputs = {"prompt_text": "[text of 9 characters]", "prompt_image": "https://redacted.example/file.png", "seed": 7}
    row = {
        "request_id": "6ba713cf-2cc5-482a-82eb-38df744fd392",
        "model_name": "runway-gen3-alphaturbo",
        "model_status": "COMPLETED",
        "request_body": json.dumps({"input": inputs}),
        "created_at": "2026-11-24 12:30:00",
        "unknown_field": 1,
    }
    history = {"rows": [row], "query": {"page": "1"}, "refused_filters": ["sort_by", "sort_order"]}
    file = tmp_path / "transcript.json"
    file.write_text(json.dumps({"version": 1, "clock_offset_s": 300.2, "history": history}))
    api = start_api(replay=file)
    api.submit(seed=7)
    (shown,) = api.list_rows()
    assert set(shown) == set(row) - {"unknown_field"}
    assert set(json.loads(shown["request_body"])["input"]) == set(inputs)
    assert datetime.fromisoformat(shown["created_at"]).replace(tzinfo=UTC).timestamp() > time.time() + 290
    assert api.get(api.gateway.history_url, params={"sort_by": "model_created"}).status_code == 400
    assert api.get(api.gateway.history_url, params={"status": "FAILED"}).status_code == 200
    file.write_text("{}")
    with pytest.raises(ValueError, match="is not a transcript with history rows"):
        start_api(replay=file)


def test_a_body_that_was_cut_off_and_a_wrong_order_are_replayed():
    rows = [{"request_body": "[text of 100 characters]", "created_at": f"2026-11-24T12:0{n}:00Z"} for n in range(3)]
    form = infer_history_form(rows)
    assert (form.body_length, form.order, form.filters) == (100, "oldest_first", "ignored")
    assert infer_history_form(rows[::-1]).filters == "work"
