"""The command ``spend``: its three formats, its exit code, and that its sums are those of the emulator's ledger."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from submits import count_requests, set_connection_extra

from airflow_provider_runway.cli.commands import main
from airflow_provider_runway.emulator import HISTORY_FORMS, Emulator
from airflow_provider_runway.hooks.runway import RunwayHook

BODY = {"promptImage": "https://private.example/a.png", "promptText": "a secret cat", "seed": 7}
STILL = {"promptText": "x", "referenceImages": [{"uri": "https://private.example/a.png", "tag": "cat"}]}
DAY_S = 86_400.0
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick_connection(connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command waits between its requests, by the connection's rate limit."""
    set_connection_extra(monkeypatch, requests_per_minute=60_000)


def run_jobs(gateway: Emulator) -> None:
    """Run jobs on three days: 1.50 the day before yesterday, 0.10 and a failed one yesterday, 0.50 and one running."""
    with RunwayHook() as hook:
        hook.submit("runway-gen3-alphaturbo", BODY)
        hook.submit("runway-gen4-turbo", BODY | {"duration": 10, "seed": 8})
        gateway.advance(DAY_S)
        hook.submit("runway-gen4-image", STILL)
        hook.submit("runway-gen3-alphaturbo", BODY | {"promptText": "a forbidden cat"})
        gateway.advance(DAY_S)
        hook.submit("runway-gen3-alphaturbo", BODY | {"seed": 9})
        gateway.advance(5)
        gateway.add_fault("submit:job_sticks")
        hook.submit("runway-gen3-alphaturbo", BODY | {"seed": 10})


def get_days() -> list[str]:
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=age)).isoformat() for age in (2, 1, 0)]


@pytest.fixture
def days(gateway: Emulator) -> list[str]:
    """The days of the jobs of :func:`run_jobs`, oldest first."""
    run_jobs(gateway)
    return get_days()


def spend(*options: str) -> int:
    return main(["spend", "--from", get_days()[0], "--to", get_days()[-1], *options])


def test_the_table_has_a_line_for_each_day_and_model_and_their_sum(
    gateway: Emulator, days: list[str], capsys: Capture
) -> None:
    posts = gateway.ledger()["posts"]
    assert spend() == 0
    text = capsys.readouterr().out
    head, _, *lines, _, note = text.rstrip().splitlines()
    assert head == f"Connection runway_default: {days[0]} to {days[2]}, days in UTC, cost in USD."
    assert [line.split() for line in lines] == [
        ["day", "model", "jobs", "completed", "failed", "running", "cost_usd"],
        [days[0], "runway-gen3-alphaturbo", "1", "1", "0", "0", "0.50"],
        [days[0], "runway-gen4-turbo", "1", "1", "0", "0", "1.00"],
        [days[1], "runway-gen3-alphaturbo", "1", "0", "1", "0", "0.00"],
        [days[1], "runway-gen4-image", "1", "1", "0", "0", "0.10"],
        [days[2], "runway-gen3-alphaturbo", "2", "1", "0", "1", "0.50"],
        ["total", "6", "4", "1", "1", "2.10"],
    ]
    assert note == "Jobs of the last minutes may be missing, because their rows can appear late."
    assert gateway.ledger()["billed_usd"] == 2.1
    assert gateway.ledger()["posts"] == posts
    for private in (gateway.test_key, "secret", "private.example"):
        assert private not in text


def test_csv_and_json_say_the_same(days: list[str], capsys: Capture) -> None:
    assert spend("--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert spend("--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["from"], report["to"], report["time_zone"]) == (days[0], days[2], "UTC")
    assert report["read_at"].endswith("+00:00")
    assert (report["total_usd"], report["unclear"], report["is_whole"]) == (2.1, [], True)
    assert [(row["day"], row["model"], float(row["cost_usd"])) for row in rows] == [
        (line["day"], line["model"], line["cost_usd"]) for line in report["days"]
    ]


def test_only_the_days_that_are_asked_for_are_summed(days: list[str], capsys: Capture) -> None:
    assert main(["spend", "--from", days[1], "--to", days[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_usd"] == 0.1


def test_without_dates_it_is_the_month_so_far(days: list[str], capsys: Capture) -> None:
    assert main(["spend", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["from"], report["to"]) == (f"{days[2][:8]}01", days[2])


def find_wrong_report(report: dict[str, Any], exit_code: int, billed_usd: float) -> str:
    """Return what is wrong with a report of an account that was billed so much; "" for nothing."""
    possible_usd = report["total_usd"] + sum(rows["cost_usd"] for rows in report["unclear"])
    if report["total_usd"] > billed_usd + 1e-6:
        return "it says more than was billed"
    if exit_code == 0 and report["total_usd"] != billed_usd:
        return "it is not all, and says that it is"
    says_less = any(rows["reason"] in ("no_cost", "no_state", "unreadable") for rows in report["unclear"])
    if report["is_whole"] and not says_less and possible_usd < billed_usd - 1e-6:
        return "rows that are not summed are not counted either"
    return ""


def test_in_no_form_of_the_history_does_a_report_say_too_much_or_pass_a_part_for_the_whole(
    gateway: Emulator, days: list[str], capsys: Capture
) -> None:
    wrong, certain = {}, set()
    for name in HISTORY_FORMS:
        gateway.clear_faults()
        gateway.add_fault(fault="history_form", form=name, times=0)
        exit_code = spend("--json")
        output = capsys.readouterr().out
        if not output:
            assert exit_code == 1, name
            continue
        if problem := find_wrong_report(json.loads(output), exit_code, 2.1):
            wrong[name] = problem
        if exit_code == 0:
            certain.add(name)
    # A row that never appears, or has not appeared yet, cannot be missed. The report says until when it is.
    hidden = {"empty", "appears_late"}
    assert {name: problem for name, problem in wrong.items() if name not in hidden} == {}
    assert {"plain", "display_name", "pages_from_zero", "oldest_first", "epoch_milliseconds"} <= certain
    assert not {"id_missing", "time_missing", "time_local_east", "date_only"} & certain


def test_unclear_rows_are_named_and_give_exit_code_1(gateway: Emulator, days: list[str], capsys: Capture) -> None:
    gateway.add_fault(fault="history_form", form="id_missing", times=0)
    assert spend() == 1
    text = capsys.readouterr().out
    assert "6 unclear, in no sum: no request id, so it may repeat another row." in text
    assert "With them the total is up to USD 2.10 more." in text
    assert spend("--csv") == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1, "the header alone"
    assert "6 unclear" in captured.err


def test_times_without_a_zone_are_utc_if_the_user_says_so(gateway: Emulator, days: list[str], capsys: Capture) -> None:
    gateway.add_fault(fault="history_form", form="time_utc_naive", times=0)
    assert spend("--json") == 1
    assert any(line["day"] is None for line in json.loads(capsys.readouterr().out)["days"])
    assert spend("--json", "--assume-utc") == 0
    assert json.loads(capsys.readouterr().out)["total_usd"] == 2.1


@pytest.mark.usefixtures("empty_connection_table")
def test_a_history_that_cannot_be_read_gives_an_error_and_no_report(gateway: Emulator, capsys: Capture) -> None:
    gateway.add_fault("history:forbidden:times=0")
    assert spend() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "HTTP 403" in captured.err
    assert main(["spend", "--conn-id", "nope"]) == 1
    assert "There is no connection 'nope'" in capsys.readouterr().err


def test_a_429_is_waited_for(gateway: Emulator, days: list[str], capsys: Capture) -> None:
    gateway.add_fault("history:rate_limited:times=1,window=1")
    assert spend("--json") == 0
    assert json.loads(capsys.readouterr().out)["total_usd"] == 2.1


def test_options_that_cannot_be_used_are_refused(gateway: Emulator, capsys: Capture) -> None:
    assert spend("--csv", "--json") == 2
    with pytest.raises(SystemExit):
        main(["spend", "--from", "yesterday"])
    assert "'yesterday' is no date; write it as 2026-11-24" in capsys.readouterr().err
    assert main(["spend", "--from", "2026-11-02", "--to", "2026-11-01"]) == 1
    assert "give 1 to 366 days" in capsys.readouterr().err
    assert count_requests(gateway) == 0
