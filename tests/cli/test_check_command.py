"""The command ``check``: its output, its exit code, and that it costs nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_runway.cli.commands import get_airflow_commands, main
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.hooks.runway import RunwayHook

BODY = {"promptImage": "https://private.example/a.png", "promptText": "a secret cat", "seed": 7}

pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture
def finished_job(gateway: Emulator, connection: str) -> str:
    """A job of the account that has ended."""
    with RunwayHook() as hook:
        request_id = hook.submit("runway-gen3-alphaturbo", BODY).request_id
    gateway.advance(120)
    return request_id


def test_a_sound_account_is_described_and_gives_exit_code_0(
    gateway: Emulator, finished_job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 0
    output = capsys.readouterr().out
    for part in ("The key is valid.", "Credits: ", "clock", "The history is readable: 1"):
        assert part in output
    assert output.rstrip().splitlines()[-1].startswith("A lost submit can be found again: yes, because every row")
    assert gateway.ledger()["posts"] == 1, "only the job that was there before"
    assert gateway.test_key not in output


def test_the_json_output_has_findings_and_the_verdict(finished_job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "--request-id", finished_job]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["conn_id"] == "runway_default"
    assert report["lost_submit_can_be_found"] == "yes"
    assert {"key", "balance", "clock", "rate_limit", "history", "row_seed", "lookup", "job"} <= {
        finding["name"] for finding in report["findings"]
    }


def test_a_transcript_is_written_without_private_texts(
    gateway: Emulator, finished_job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "transcript.json"
    assert main(["check", "--record", str(path)]) == 0
    text = path.read_text()
    assert json.loads(text)["history"]["rows"][0]["request_id"] == finished_job
    for private in ("secret", "private.example", gateway.test_key, gateway.url):
        assert private not in text
    assert str(path) in capsys.readouterr().out


def test_an_empty_history_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "not known yet, because the history has no rows yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "name"), [("credits:refuse_auth:times=0", "key"), ("history:forbidden:times=0", "history")]
)
def test_a_problem_gives_exit_code_1(
    gateway: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, name: str
) -> None:
    gateway.add_fault(fault)
    path = tmp_path / "transcript.json"
    assert main(["check", "--record", str(path)]) == 1
    output = capsys.readouterr().out
    assert re.search(rf"^PROBLEM +{name} ", output, re.MULTILINE)
    assert "No transcript was written" in output
    assert not path.exists()


@pytest.mark.usefixtures("empty_connection_table")
def test_a_missing_connection_gives_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--conn-id", "nope"]) == 1
    assert "There is no connection 'nope'" in capsys.readouterr().out


def test_without_airflows_database_nothing_is_said_about_the_connection(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_runway", "check", "--conn-id", "nope"],
        env=environment | {"AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "no such table: connection" in done.stdout
    assert f"AIRFLOW_HOME is {tmp_path} here." in done.stdout
    assert "There is no connection" not in done.stdout


def test_airflows_command_has_the_same_options() -> None:
    (group,) = get_airflow_commands()
    options = {command.name: [argument.flags[0] for argument in command.args] for command in group.subcommands}
    assert group.name == "runway"
    assert options == {
        "check": ["--conn-id", "--request-id", "--json", "--record"],
        "spend": ["--conn-id", "--from", "--to", "--assume-utc", "--csv", "--json"],
    }


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "airflow_provider_runway", "check", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "--record FILE" in done.stdout
