"""The command line of the emulator, run as a process of its own."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from airflow_provider_runway.emulator import FAULTS, HISTORY_FORMS, EmulatorControl
from airflow_provider_runway.emulator.__main__ import main, make_parser, parse_options

COMMAND = [sys.executable, "-W", "error", "-m", "airflow_provider_runway.emulator", "--port", "0"]


@contextmanager
def run_emulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the emulator; yields the process and the URL that it printed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *options], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            first_line = re.fullmatch(r"Segmind emulator on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
            assert first_line is not None
            yield process, first_line[1]
        finally:
            process.kill()


def test_it_serves_until_a_signal(subtests):
    for number in (signal.SIGTERM, signal.SIGINT):
        with subtests.test(number=number):
            with run_emulator("--time-scale", "0.001", "--fault", "status:unknown_status") as (process, url):
                variable, advice = process.stdout.readline(), process.stdout.readline()
                connection = json.loads(shlex.split(variable)[1].partition("=")[2])
                headers = {"x-api-key": connection["password"]}
                submit = requests.post(
                    f"{url}/v2/any-model", json={"promptText": "secret wish"}, headers=headers, timeout=10
                )
                status = requests.get(submit.json()["status_url"], headers=headers, timeout=10)
                history = requests.get(connection["extra"]["history_url"], headers=headers, timeout=10)
                ledger = EmulatorControl(url).ledger()
                process.send_signal(number)
                _, log = process.communicate(timeout=10)
            assert "--state FILE keeps them" in advice
            assert variable.startswith("export AIRFLOW_CONN_RUNWAY_DEFAULT='{")
            assert connection["conn_type"] == "runway"
            assert connection["host"] == connection["extra"]["storage_url"] == url
            assert status.json()["status"] == "THROTTLED"
            assert len(history.json()["data"]) == ledger["accepted"] == 1
            assert process.returncode == 0
            lines = log.splitlines()
            assert len(lines) == 3
            assert "submit POST /v2/any-model -> 200" in lines[0]
            assert lines[1].endswith("[unknown_status]")
            assert connection["password"] not in log
            assert "secret wish" not in log


def test_help_lists_every_fault_and_every_form(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert "examples:" in text
    for name, fault in FAULTS.items():
        assert re.search(rf"^  {name} +{re.escape(fault.about)}$", text, re.MULTILINE)
    for name, form in HISTORY_FORMS.items():
        assert re.search(rf"^  {name} +{re.escape(form.about)}$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault", "submit:gremlin"], "there is no fault 'gremlin'"),
        (["--history-lag", "x"], "history_lag"),
        (["--reset-format", "rfc"], "invalid choice"),
    ],
)
def test_a_wrong_option_is_explained(options, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_used_port_ends_with_exit_code_1(gateway, capsys):
    assert main(["--port", gateway.url.rpartition(":")[2]]) == 1
    assert "cannot listen on" in capsys.readouterr().err


def test_the_arguments_become_options():
    line = (
        "--history-form snake_case --history-seed float --clock-offset -300 --state jobs.json --time-scale 0.5"
        " --key SG_a --key SG_b,SG_c --model m --history-lag 1-2 --record-ttl 9 --credits 3 --seed 4"
    )
    options = parse_options(make_parser().parse_args(shlex.split(line)))
    assert (options.time_scale, options.record_ttl, options.credits, options.seed) == (0.5, 9, 3, 4)
    assert (options.history.keys, options.history.seed) == ("snake_case", "float")
    assert (options.clock_offset, options.state) == (-300, "jobs.json")
    assert (options.keys, options.models, options.history.lag_range_s) == (("SG_a", "SG_b,SG_c"), ("m",), (1, 2))
