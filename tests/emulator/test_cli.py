"""The command line, as a process of its own."""

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

from airflow_provider_runway.emulator import FAULTS, EmulatorControl
from airflow_provider_runway.emulator.__main__ import main, parser, settings_from

COMMAND = [sys.executable, "-W", "error", "-m", "airflow_provider_runway.emulator", "--port", "0"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the emulator; gives the process and the address it printed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *options], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            first = re.fullmatch(r"Segmind emulator on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
            assert first is not None
            yield process, first[1]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_quietly_at_a_signal(number):
    with running("--time-scale", "0.001", "--fault", "status:unknown_status") as (process, url):
        variable = process.stdout.readline()
        connection = json.loads(shlex.split(variable)[1].partition("=")[2])
        headers = {"x-api-key": connection["password"]}
        posted = requests.post(f"{url}/v2/any-model", json={"promptText": "secret wish"}, headers=headers, timeout=10)
        status = requests.get(posted.json()["status_url"], headers=headers, timeout=10)
        history = requests.get(connection["extra"]["history_url"], headers=headers, timeout=10)
        book = EmulatorControl(url).ledger()
        process.send_signal(number)
        _, log = process.communicate(timeout=10)
    assert variable.startswith("export AIRFLOW_CONN_RUNWAY_DEFAULT='{")
    assert connection["conn_type"] == "runway"
    assert connection["host"] == connection["extra"]["storage_url"] == url
    assert status.json()["status"] == "THROTTLED"
    assert len(history.json()["data"]) == book["accepted"] == 1
    assert process.returncode == 0
    lines = log.splitlines()
    assert len(lines) == 3
    assert "submit POST /v2/any-model -> 200" in lines[0]
    assert lines[1].endswith("[unknown_status]")
    assert connection["password"] not in log
    assert "secret wish" not in log


def test_help_names_every_option_and_every_fault(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    for name, fault in FAULTS.items():
        assert re.search(rf"^  {name} +{re.escape(fault.about)}$", text, re.MULTILINE)
    assert "examples:" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--fault", "submit:gremlin"], "there is no fault 'gremlin'", id="no such fault"),
        pytest.param(["--history-lag", "x"], "history_lag", id="a lag that is none"),
        pytest.param(["--reset-format", "rfc"], "invalid choice", id="no such format"),
    ],
)
def test_a_wrong_option_is_explained(options, words, capsys):
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_a_taken_port_is_said_and_ends_with_1(gateway, capsys):
    assert main(["--port", gateway.url.rpartition(":")[2]]) == 1
    assert "cannot listen on" in capsys.readouterr().err


def test_the_options_become_settings():
    line = "--time-scale 0.5 --key SG_a --key SG_b,SG_c --model m --history-lag 1-2 --record-ttl 9 --credits 3 --seed 4"
    settings = settings_from(parser().parse_args(shlex.split(line)))
    assert (settings.time_scale, settings.record_ttl, settings.credits, settings.seed) == (0.5, 9, 3, 4)
    assert (settings.keys, settings.models, settings.lag_range_s) == (("SG_a", "SG_b,SG_c"), ("m",), (1, 2))
