"""Every snippet of the README is run: its DAGs in a real Airflow, its commands in a shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.job_summary import JobSummary
from local_airflow import LocalAirflow, Run, until

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


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
    "airflow pools set": "test_the_backfill_runs_as_said_and_pays_once",
    "airflow dags unpause": "test_the_backfill_runs_as_said_and_pays_once",
    "airflow backfill create": "test_the_backfill_runs_as_said_and_pays_once",
}


def test_every_command_is_run_by_something() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line]
    assert [line for line in lines if not line.startswith(tuple(RUN_BY))] == []
    assert [start for start in RUN_BY if not any(line.startswith(start) for line in lines)] == []


@pytest.fixture(scope="module")
def started(
    airflow: LocalAirflow, dags_folder: Path, pool: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Run]]:
    """A run of each DAG of the README, all on their way at once, and the folder that stands for its /tmp."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "pictures").mkdir()
    for name in ("one.jpg", "two.jpg"):
        shutil.copyfile(ROOT / "demo" / "picture.jpg", folder / "pictures" / name)
    for number, code in enumerate(blocks("python")):
        (dags_folder / f"readme_{number}.py").write_text(code.replace('"/tmp/', f'"{folder}/'))
    return folder, [start(airflow, code) for code in blocks("python")]


def start(airflow: LocalAirflow, code: str) -> Run:
    """Start a run of a DAG: where it has a schedule, by that."""
    dag_id = dag_of(code)
    if "schedule=None" in code:
        return airflow.trigger(dag_id)
    airflow.unpause(dag_id)
    return until(lambda: airflow.runs(dag_id), timeout_s=60, what=f"a scheduled run of {dag_id}")[0]


def dag_of(code: str) -> str:
    """Return the id of a snippet's one DAG."""
    (dag_id,) = re.findall(r"^def (\w+)\(\):", code, re.MULTILINE)
    return dag_id


@pytest.mark.parametrize("number", range(len(blocks("python"))), ids=map(dag_of, blocks("python")))
def test_each_dag_of_the_readme_runs(airflow: LocalAirflow, started: tuple[Path, list[Run]], number: int) -> None:
    folder, runs = started
    assert airflow.wait_for_run(runs[number], timeout_s=200) == "success"
    for path in re.findall(r'output_path="/tmp/([^"]+)"', blocks("python")[number]):
        assert stored(folder, path)


def stored(folder: Path, output_path: str) -> list[Path]:
    """Return the videos that a task has stored by a path of the README."""
    pattern = re.sub(r"\{\{.*?\}\}", "*", output_path)
    return [
        file for file in folder.glob(f"{pattern}*.mp4" if pattern.endswith("/") else pattern) if file.stat().st_size
    ]


def test_the_manifest_of_the_pipeline_names_what_is_stored(
    airflow: LocalAirflow, started: tuple[Path, list[Run]]
) -> None:
    folder, runs = started
    (pipeline,) = [run for run in runs if run.dag_id == "animate_a_folder"]
    assert airflow.wait_for_run(pipeline, timeout_s=200) == "success"
    rows = json.loads((folder / "videos" / "manifest.json").read_text())
    assert sorted(path for path, _ in rows) == sorted(map(str, stored(folder, "videos/")))
    assert [cost for _, cost in rows] == [0.5, 0.5]


@pytest.mark.timeout(400)
def test_the_backfill_runs_as_said_and_pays_once(
    airflow: LocalAirflow, emulator: Emulator, started: tuple[Path, list[Run]]
) -> None:
    for start_of_line in ("airflow pools set", "airflow dags unpause", "airflow backfill create"):
        airflow.command(command(start_of_line))
    assert airflow.pool("runway")["slots"] == 4
    runs = [run for run in airflow.runs("archive") if run.run_id.startswith("backfill__")]
    assert [airflow.wait_for_run(run, timeout_s=200) for run in runs] == ["success"] * 3

    (backfill,) = airflow.gateway.call("GET", "/backfills", params={"dag_id": "archive"})["backfills"]
    if backfill["completed_at"] is None:  # the scheduler notices within 30 s, and takes no second one until then
        airflow.gateway.call("PUT", f"/backfills/{backfill['id']}/cancel")
    airflow.command(command("airflow backfill create"))

    assert [airflow.gateway.run_state(run) for run in runs] == ["success"] * 3
    prompts = [job["body"]["promptText"] for job in emulator.ledger()["jobs"]]
    assert [prompts.count(f"Sunflowers on 2026-01-0{day}") for day in (1, 2, 3)] == [1, 1, 1]


def test_the_variable_is_a_connection() -> None:
    script = (
        "from airflow_provider_runway.hooks.runway import RunwayHook; "
        "print(RunwayHook().settings.base_urls.gateway, RunwayHook().settings.api_key)"
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
    assert [key for key, _ in keys] == list(JobSummary("id").to_json())
    assert [key for key, starred in keys if starred] == ["request_id", "output_url", "output_urls", "output_path"]
