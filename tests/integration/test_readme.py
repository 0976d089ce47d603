"""Every snippet of the README is run: its DAGs in a real Airflow, its commands in a shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_runway.segmind.report import JobReport
from local_airflow import LocalAirflow

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def command(start: str) -> str:
    """Return the one command of the README that begins so."""
    (found,) = [line for block in blocks("bash") for line in block.splitlines() if line.startswith(start)]
    return found


#: Each command of the README, and what runs it. A new one has to find its place here.
RUN_BY = {
    "make demo": "test_demo.py",
    "make test": "this very run",
    "pip install airflow-provider-runway": "the check of the wheel in CI",
    "export AIRFLOW_CONN_RUNWAY_DEFAULT=": "test_the_variable_is_a_connection",
    "airflow connections add": "test_the_command_adds_a_connection",
    "python -m airflow_provider_runway.emulator": "test_the_emulator_starts_as_said",
}


def test_every_command_is_run_by_something() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line]
    assert [line for line in lines if not line.startswith(tuple(RUN_BY))] == []
    assert [start for start in RUN_BY if not any(line.startswith(start) for line in lines)] == []


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_each_dag_of_the_readme_runs(airflow: LocalAirflow, dags_folder: Path, tmp_path: Path, number: int) -> None:
    code = blocks("python")[number].replace('"/tmp/', f'"{tmp_path}/')
    (dags_folder / f"readme_{number}.py").write_text(code)
    (dag_id,) = re.findall(r"^def (\w+)\(\):", code, re.MULTILINE)
    run = airflow.trigger(dag_id)
    assert airflow.wait_for_run(run, timeout_s=120) == "success"
    for path in re.findall(r'output_path="([^"]+)"', code):
        assert Path(path).stat().st_size > 0


def test_the_variable_is_a_connection() -> None:
    script = (
        "from airflow_provider_runway.hooks.runway import RunwayHook; "
        "print(RunwayHook().settings.endpoints.gateway, RunwayHook().settings.api_key)"
    )
    told = subprocess.run(
        ["bash", "-c", f"{command('export AIRFLOW_CONN')}\n{shlex.quote(sys.executable)} -c {shlex.quote(script)}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout.split()[-2:] == ["https://api.segmind.com", "SG_0123456789abcdef"]


def test_the_command_adds_a_connection(airflow: LocalAirflow) -> None:
    env = {name: value for name, value in airflow.env.items() if name != "AIRFLOW_CONN_RUNWAY_DEFAULT"}
    added = subprocess.run(
        ["bash", "-c", command("airflow connections add")], env=env, capture_output=True, text=True, timeout=90
    )
    assert added.returncode == 0, added.stderr
    assert "Successfully added `conn_id`=runway_default" in added.stdout


def test_the_emulator_starts_as_said() -> None:
    line = command("python -m").replace("--port 8081", "--port 0").replace("python", sys.executable, 1)
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(shlex.split(line), stdout=subprocess.PIPE, text=True, env=env) as emulator:
        assert emulator.stdout is not None
        first = emulator.stdout.readline()
        emulator.terminate()
        emulator.communicate(timeout=20)
    assert first.startswith("Segmind emulator on http://127.0.0.1:")


def test_the_table_of_xcom_keys_is_the_contract() -> None:
    section = README.split("## What a task returns")[1].split("\n## ")[0]
    keys = re.findall(r"^\| `(\w+)`( \*)? \|", section, re.MULTILINE)
    assert [key for key, _ in keys] == list(JobReport("id").as_json())
    assert [key for key, starred in keys if starred] == ["request_id", "output_url", "output_urls", "output_path"]
