"""Each snippet of the README is run: its DAGs in a real Airflow 3.3, its commands in a shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, wait_until

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def find_blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def find_command(start: str) -> str:
    """Return the one command of the README that begins with ``start``."""
    (found,) = [line for block in find_blocks("bash") for line in block.splitlines() if line.startswith(start)]
    return found


#: Each command of the README, and what runs it. Add a new command here.
RUN_BY = {
    "make demo": "test_demo.py",
    "make test": "this run",
    "pip install -c constraints/airflow-3.3.txt .": "make check-wheel, with the wheel",
    "python -m airflow_provider_runway.emulator": "test_the_emulator_starts_and_prints_a_connection",
    "airflow standalone": "the fixture `airflow`, which starts the same components",
    "export AIRFLOW__RUNWAY__JOURNAL_PATH=": "test_the_variable_sets_the_journal_path",
    "python -m airflow_provider_runway check": "test_the_check_reports_on_the_emulators_account",
    "airflow connections add": "test_the_command_adds_a_connection",
    "export AIRFLOW_CONN_RUNWAY_DEFAULT=": "test_the_variable_is_a_connection",
    "airflow pools set": "test_with_the_pool_of_the_readme_no_more_jobs_wait_than_it_has_slots",
    "airflow dags unpause": "test_the_backfill_pays_for_its_three_dates_and_no_more",
    "airflow backfill create": "test_the_backfill_pays_for_its_three_dates_and_no_more",
}
SNIPPETS = find_blocks("python")


def find_dag_id(code: str) -> str:
    """Return the id of a snippet's one DAG."""
    (dag_id,) = re.findall(r"^def (\w+)\(\):", code, re.MULTILINE)
    return dag_id


DAG_IDS = list(map(find_dag_id, SNIPPETS))


def test_each_command_is_run_by_a_test() -> None:
    lines = [line for block in find_blocks("bash") for line in block.splitlines() if line]
    assert [line for line in lines if not line.startswith(tuple(RUN_BY))] == []
    assert [start for start in RUN_BY if not any(line.startswith(start) for line in lines)] == []


@dataclass(frozen=True)
class Snippets:
    """The README's DAGs in Airflow.

    :param folder: Replaces ``/tmp``.
    :param runs: A run of each DAG that is not a backfill, by its id.
    """

    folder: Path
    runs: dict[str, Run]

    def find_videos(self, output_path: str) -> list[Path]:
        """Return the videos that a task has stored at a path of the README, without its ``/tmp/``."""
        pattern = re.sub(r"\{\{.*?\}\}", "*", output_path)
        files = self.folder.glob(f"{pattern}*.mp4" if pattern.endswith("/") else pattern)
        return [file for file in files if file.stat().st_size]


@pytest.fixture(scope="module")
def snippets(airflow: LocalAirflow, dags_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Snippets:
    """All DAGs of the README, and a run of each that a person or a schedule starts."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "images").mkdir()
    for name in ("one.jpg", "two.JPG"):
        shutil.copyfile(ROOT / "demo" / "sunflowers.jpg", folder / "images" / name)
    (folder / "images" / "three.png").write_text("This is not an image.")
    (folder / "images" / "notes.txt").write_text("The pipeline leaves this file out.")
    for dag_id, code in zip(DAG_IDS, SNIPPETS, strict=True):
        (dags_folder / f"readme_{dag_id}.py").write_text(code.replace('"/tmp/', f'"{folder}/'))
    runs = {}
    for dag_id, code in zip(DAG_IDS, SNIPPETS, strict=True):
        if "schedule=None" in code:
            runs[dag_id] = airflow.trigger(dag_id)
        else:
            airflow.unpause(dag_id)
    runs["every_morning"] = wait_until(
        lambda: airflow.list_runs("every_morning"), timeout_s=60, what="a scheduled run of every_morning"
    )[0]
    return Snippets(folder, runs)


@pytest.mark.parametrize("dag_id", [dag_id for dag_id in DAG_IDS if dag_id not in ("archive", "animate_a_folder")])
def test_each_dag_succeeds_and_stores_its_video(airflow: LocalAirflow, snippets: Snippets, dag_id: str) -> None:
    assert airflow.wait_for_run(snippets.runs[dag_id], timeout_s=200) == "success"
    for path in re.findall(r'output_path="/tmp/([^"]+)"', SNIPPETS[DAG_IDS.index(dag_id)]):
        assert snippets.find_videos(path)


def test_the_pipeline_lists_each_image_with_its_video_or_its_error(airflow: LocalAirflow, snippets: Snippets) -> None:
    run = snippets.runs["animate_a_folder"]
    airflow.wait_for_run(run, timeout_s=200)
    rows = json.loads((snippets.folder / "videos" / "manifest.json").read_text())
    assert [Path(row["image"]).name for row in rows] == ["one.jpg", "three.png", "two.JPG"]
    assert sorted(row["video"] for row in rows if row["video"]) == sorted(map(str, snippets.find_videos("videos/")))
    assert [row["cost"] for row in rows] == [0.5, None, 0.5]
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert "is not a JPEG" in rows[1]["error"]


def test_the_grid_names_the_image_of_each_mapped_task(airflow: LocalAirflow, snippets: Snippets) -> None:
    run = snippets.runs["animate_a_folder"]
    airflow.wait_for_run(run, timeout_s=200)
    path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/animate/listMapped"
    tasks = airflow.client.call("GET", path)["task_instances"]
    assert {task["map_index"]: task["rendered_map_index"] for task in tasks} == {
        0: "one.jpg",
        1: "three.png",
        2: "two.JPG",
    }


@pytest.mark.timeout(400)
def test_with_the_pool_of_the_readme_no_more_jobs_wait_than_it_has_slots(
    airflow: LocalAirflow, snippets: Snippets, dags_folder: Path
) -> None:
    airflow.run_command(find_command("airflow pools set").replace("runway 4", "runway 1"))
    code = SNIPPETS[DAG_IDS.index("animate_a_folder")].replace("animate_a_folder", "animate_with_a_pool")
    code = code.replace("# pool=", "pool=").replace('"/tmp/', f'"{snippets.folder}/')
    (dags_folder / "readme_pool.py").write_text(code)
    run = airflow.trigger("animate_with_a_pool")
    occupied = []

    def has_ended() -> bool:
        pool = airflow.get_pool("runway")
        occupied.append(pool["running"] + pool["queued"] + pool["deferred"])
        return airflow.client.get_run_state(run) in ("success", "failed")

    wait_until(has_ended, timeout_s=200, what="the end of the run")
    assert max(occupied) == 1
    states = airflow.get_task_states(run)
    assert [states[f"animate[{index}]"] for index in range(3)] == ["success", "failed", "success"]


@pytest.mark.timeout(400)
def test_the_backfill_pays_for_its_three_dates_and_no_more(
    airflow: LocalAirflow, emulator: Emulator, snippets: Snippets
) -> None:
    for start in ("airflow dags unpause", "airflow backfill create"):
        airflow.run_command(find_command(start))
    runs = airflow.list_runs("archive")
    assert sorted(run.run_id[:20] for run in runs) == [f"backfill__2026-01-0{day}" for day in (1, 2, 3)]
    assert [airflow.wait_for_run(run, timeout_s=200) for run in runs] == ["success"] * 3

    (backfill,) = airflow.client.call("GET", "/backfills", params={"dag_id": "archive"})["backfills"]
    if backfill["completed_at"] is None:  # the scheduler completes it within 30 s, and refuses another until then
        airflow.client.call("PUT", f"/backfills/{backfill['id']}/cancel")
    airflow.run_command(find_command("airflow backfill create"))

    assert [airflow.client.get_run_state(run) for run in airflow.list_runs("archive")] == ["success"] * 3
    prompts = [job["body"]["promptText"] for job in emulator.ledger()["jobs"]]
    assert sorted(prompt for prompt in prompts if prompt.startswith("Sunflowers on 20")) == [
        f"Sunflowers on 2026-01-0{day}" for day in (1, 2, 3)
    ]


def run_python_after(export: str, script: str) -> str:
    """Return the last line that a Python script prints in a shell that has run an export of the README."""
    process = subprocess.run(
        ["bash", "-c", f"{find_command(export)}\n{shlex.quote(sys.executable)} -c {shlex.quote(script)}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return process.stdout.splitlines()[-1]


def test_the_variable_is_a_connection() -> None:
    script = (
        "from airflow_provider_runway.hooks.runway import RunwayHook; "
        "print(RunwayHook().settings.base_urls.gateway, RunwayHook().settings.api_key)"
    )
    assert run_python_after("export AIRFLOW_CONN", script).split() == ["https://api.segmind.com", "SG_0123456789abcdef"]


def test_the_variable_sets_the_journal_path() -> None:
    script = "from airflow.configuration import conf; print(conf.get('runway', 'journal_path'))"
    assert run_python_after("export AIRFLOW__RUNWAY", script) == "/shared/runway-journal"


def test_the_check_reports_on_the_emulators_account(airflow: LocalAirflow) -> None:
    report = airflow.run_command(find_command("python -m airflow_provider_runway check"))
    assert "The key is valid" in report
    assert "A lost submit can be found again" in report


def test_the_command_adds_a_connection(airflow: LocalAirflow) -> None:
    env = {name: value for name, value in airflow.env.items() if name != "AIRFLOW_CONN_RUNWAY_DEFAULT"}
    process = subprocess.run(
        ["bash", "-c", find_command("airflow connections add")], env=env, capture_output=True, text=True, timeout=90
    )
    assert process.returncode == 0, process.stderr
    assert "Successfully added `conn_id`=runway_default" in process.stdout


def test_the_emulator_starts_and_prints_a_connection() -> None:
    line = (
        find_command("python -m airflow_provider_runway.emulator")
        .replace("--port 8081", "--port 0")
        .replace("python", sys.executable, 1)
    )
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(shlex.split(line), stdout=subprocess.PIPE, text=True, env=env) as emulator:
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline(), emulator.stdout.readline()]
        emulator.terminate()
        emulator.communicate(timeout=20)
    assert lines[0].startswith("Segmind emulator on http://127.0.0.1:")
    assert lines[1].startswith("export AIRFLOW_CONN_RUNWAY_DEFAULT=")
