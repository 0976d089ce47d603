"""Each snippet of README and the docs is run: the DAGs in a real Airflow 3.3 and 2.11, the commands in a shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, wait_until

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = ROOT / "docs" / "snippets"
#: The code of each snippet that is a DAG file, by its DAG's id.
DAGS = {
    dag_id: code
    for path in sorted(SNIPPETS.glob("*.py"))
    for code in [path.read_text()]
    for dag_id in re.findall(r"^@dag.*?^def (\w+)\(\):", code, re.MULTILINE | re.DOTALL)
    if not path.name.startswith("test_")
}
COMMANDS = [line for line in (SNIPPETS / "commands.sh").read_text().splitlines() if line and line[0] != "#"]
#: Each command of the docs, and what runs it. Add a new command here.
RUN_BY = {
    "make demo": "test_demo.py",
    "make build": "make check-wheel",
    "pip install -c constraints/airflow-3.3.txt .": "make check-wheel, with the wheel",
    "python -m airflow_provider_runway.emulator": "test_the_emulator_starts_and_prints_a_connection",
    "curl -X POST localhost:8081/_emulator/faults": "test_a_rule_that_curl_posts_is_in_force",
    "airflow standalone": "the fixture `airflow`, which starts the same components",
    "export AIRFLOW__RUNWAY__": "test_the_variable_sets_the_option",
    "export AIRFLOW__TRIGGERER__QUEUES_ENABLED=True": "test_the_triggerer_takes_queues",
    "airflow triggerer --queues runway": "test_the_triggerer_takes_queues",
    "python -m airflow_provider_runway check": "test_the_check_reports_on_the_emulators_account",
    "airflow runway check": "test_the_check_reports_on_the_emulators_account",
    "python -m airflow_provider_runway spend": "test_the_spend_of_the_account_is_printed",
    "airflow runway spend": "test_the_spend_of_the_account_is_printed",
    "airflow connections add": "test_the_command_adds_a_connection",
    "export AIRFLOW_CONN_RUNWAY_": "test_the_variable_is_a_connection",
    "airflow pools set": "test_with_the_pool_of_the_docs_no_more_jobs_wait_than_it_has_slots",
    "airflow dags unpause": "test_the_backfill_pays_for_its_three_dates_and_no_more",
    "airflow backfill create": "test_the_backfill_pays_for_its_three_dates_and_no_more",
    "airflow dags trigger": "test_a_person_resumes_a_job_and_decides_about_a_lost_one",
}
#: DAGs that succeed when a person or their schedule starts them.
STARTED = [
    "sunflowers",
    "sunflowers_in_two_steps",
    "every_morning",
    "animate_a_folder",
    "animate_what_a_function_returns",
    "call_the_api",
    "wait_without_a_triggerer",
    "two_accounts",
    "migrate",
    "make_a_video",
    "animate_a_list",
    "still_then_video",
]


def find_command(start: str) -> str:
    """Return the first command of the docs that begins with ``start``."""
    return next(line for line in COMMANDS if line.startswith(start))


def adapt(code: str, folder: Path, emulator: Emulator) -> str:
    """Return a snippet with a folder of the test and the emulator in the places of ``/tmp`` and of Segmind."""
    # In two parts, for Airflow stores the code of a DAG in its database, where another test looks for the key.
    key = f"{emulator.test_key[:6]!r} + {emulator.test_key[6:]!r}"
    client = f"SegmindClient(api_key={key}, base_url={emulator.url + '/v1'!r})"
    return (
        code.replace('"/tmp/', f'"{folder}/')
        .replace("https://api.segmind.com", emulator.url)
        .replace('os.environ["SEGMIND_API_KEY"]', key)
        .replace("SegmindClient()", client)
    )


def test_each_command_is_run_by_a_test() -> None:
    assert [line for line in COMMANDS if not line.startswith(tuple(RUN_BY))] == []
    assert [start for start in RUN_BY if not any(line.startswith(start) for line in COMMANDS)] == []


@dataclass(frozen=True)
class Snippets:
    """The DAGs of the docs in Airflow. Two runs go on at once at most, because SQLite does not like many.

    :param folder: Replaces ``/tmp``.
    :param runs: A run of each DAG that was asked for, by its id.
    """

    airflow: LocalAirflow
    folder: Path
    runs: dict[str, Run] = field(default_factory=dict)

    def run(self, dag_id: str) -> Run:
        """Return a finished run of a DAG that a person or its schedule starts. The next one starts meanwhile."""
        position = STARTED.index(dag_id)
        for each in STARTED[position : position + 2]:
            if each not in self.runs:
                self.runs[each] = self._start(each)
        self.airflow.wait_for_run(self.runs[dag_id], timeout_s=200)
        return self.runs[dag_id]

    def _start(self, dag_id: str) -> Run:
        if "schedule=None" in DAGS[dag_id]:
            return self.airflow.trigger(dag_id)
        self.airflow.unpause(dag_id)
        found: list[Run] = wait_until(
            lambda: self.airflow.list_runs(dag_id), timeout_s=60, what=f"a scheduled run of {dag_id}"
        )
        return found[0]

    def find_videos(self, output_path: str) -> list[Path]:
        """Return the videos that a task has stored at a path of a snippet, without its ``/tmp/``."""
        pattern = re.sub(r"\{\{.*?\}\}", "*", output_path)
        files = self.folder.glob(f"{pattern}*.mp4" if pattern.endswith("/") else pattern)
        return [file for file in files if file.stat().st_size]


@pytest.fixture(scope="module")
def snippets(
    airflow: LocalAirflow, dags_folder: Path, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Snippets:
    """All DAGs of the docs, parsed."""
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "images").mkdir()
    for name in ("one.jpg", "two.JPG"):
        shutil.copyfile(ROOT / "demo" / "sunflowers.jpg", folder / "images" / name)
    (folder / "images" / "three.png").write_text("This is not an image.")
    (folder / "images" / "notes.txt").write_text("The pipeline leaves this file out.")
    for code, dag_id in {code: dag_id for dag_id, code in DAGS.items()}.items():  # some have two DAGs
        (dags_folder / f"{dag_id}.py").write_text(adapt(code, folder, emulator))
    for dag_id in DAGS:
        airflow.wait_for_dag(dag_id)
    airflow.unpause("follow_the_videos")  # a DAG that is paused misses the videos of the tests before its own
    return Snippets(airflow, folder)


def make_id() -> str:
    """Return a run id that no other test has."""
    return f"manual__{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("dag_id", [dag_id for dag_id in STARTED if dag_id != "animate_a_folder"])
def test_each_dag_succeeds_and_stores_its_video(airflow: LocalAirflow, snippets: Snippets, dag_id: str) -> None:
    assert airflow.client.get_run_state(snippets.run(dag_id)) == "success"
    for path in re.findall(r'output_path="/tmp/([^"]+)"', DAGS[dag_id]):
        assert snippets.find_videos(path)


def test_the_dag_that_follows_the_videos_runs_and_reads_what_they_cost(
    airflow: LocalAirflow, snippets: Snippets
) -> None:
    result = airflow.get_xcom(snippets.run("make_a_video"), "animate")
    (run,) = wait_until(lambda: airflow.list_runs("follow_the_videos"), timeout_s=60, what="a run by the asset")
    assert airflow.wait_for_run(run) == "success"
    assert airflow.get_xcom(run, "list_costs") == {f"file://{result['output_path']}": 0.5}


def test_the_pipeline_lists_each_image_with_its_video_or_its_error(snippets: Snippets) -> None:
    snippets.run("animate_a_folder")
    rows = json.loads((snippets.folder / "videos" / "manifest.json").read_text())
    assert [Path(row["image"]).name for row in rows] == ["one.jpg", "three.png", "two.JPG"]
    videos = {row["video"] for row in rows if row["video"]}
    assert len(videos) == 2
    assert videos <= set(map(str, snippets.find_videos("videos/")))  # other snippets store theirs there, too
    assert [row["cost"] for row in rows] == [0.5, None, 0.5]
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert "is not a JPEG" in rows[1]["error"]


def test_the_grid_names_the_image_of_each_mapped_task(airflow: LocalAirflow, snippets: Snippets) -> None:
    run = snippets.run("animate_a_folder")
    path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/animate/listMapped"
    tasks = airflow.client.call("GET", path)["task_instances"]
    assert {task["map_index"]: task["rendered_map_index"] for task in tasks} == {
        0: "one.jpg",
        1: "three.png",
        2: "two.JPG",
    }


@pytest.mark.timeout(400)
def test_with_the_pool_of_the_docs_no_more_jobs_wait_than_it_has_slots(
    airflow: LocalAirflow, snippets: Snippets, dags_folder: Path
) -> None:
    airflow.run_command(find_command("airflow pools set").replace("runway 4", "runway 1"))
    code = DAGS["animate_a_folder"].replace("animate_a_folder", "animate_with_a_pool")
    code = code.replace("# pool=", "pool=").replace('"/tmp/', f'"{snippets.folder}/')
    (dags_folder / "docs_pool.py").write_text(code)
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
    runs = airflow.list_runs("one_video_a_day")
    assert sorted(run.run_id[:20] for run in runs) == [f"backfill__2026-01-0{day}" for day in (1, 2, 3)]
    assert [airflow.wait_for_run(run, timeout_s=200) for run in runs] == ["success"] * 3

    (backfill,) = airflow.client.call("GET", "/backfills", params={"dag_id": "one_video_a_day"})["backfills"]
    if backfill["completed_at"] is None:  # the scheduler completes it within 30 s, and refuses another until then
        airflow.client.call("PUT", f"/backfills/{backfill['id']}/cancel")
    airflow.run_command(find_command("airflow backfill create"))

    assert [airflow.client.get_run_state(run) for run in airflow.list_runs("one_video_a_day")] == ["success"] * 3
    prompts = [job["body"]["promptText"] for job in emulator.ledger()["jobs"]]
    assert sorted(prompt for prompt in prompts if prompt.startswith("Sunflowers on 20")) == [
        f"Sunflowers on 2026-01-0{day}" for day in (1, 2, 3)
    ]


def run_python_after(export: str, script: str) -> str:
    """Return the last line that a Python script prints in a shell that has run an export of the docs."""
    process = subprocess.run(
        ["bash", "-c", f"{find_command(export)}\n{shlex.quote(sys.executable)} -c {shlex.quote(script)}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return process.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("conn_id", "attribute", "value"),
    [("default", "api_key", "SG_0123456789abcdef"), ("second", "requests_per_minute", "60.0")],
)
def test_the_variable_is_a_connection(conn_id: str, attribute: str, value: str) -> None:
    script = (
        "from airflow_provider_runway.hooks.runway import RunwayHook; "
        f"settings = RunwayHook('runway_{conn_id}').settings; print(settings.base_urls.gateway, settings.{attribute})"
    )
    printed = run_python_after(f"export AIRFLOW_CONN_RUNWAY_{conn_id.upper()}", script)
    assert printed.split() == ["https://api.segmind.com", value]


@pytest.mark.parametrize("option", ["journal_path", "catalogue"])
def test_the_variable_sets_the_option(option: str) -> None:
    export = find_command(f"export AIRFLOW__RUNWAY__{option.upper()}=")
    script = f"from airflow.configuration import conf; print(conf.get('runway', '{option}'))"
    assert run_python_after(export, script) == export.partition("=")[2]


def test_the_triggerer_takes_queues(airflow: LocalAirflow) -> None:
    command = f"{find_command('export AIRFLOW__TRIGGERER')}; {find_command('airflow triggerer')} --help"
    assert "--queues" in airflow.run_command(command)


@pytest.mark.parametrize("start", ["python -m airflow_provider_runway check", "airflow runway check"])
def test_the_check_reports_on_the_emulators_account(airflow: LocalAirflow, start: str) -> None:
    report = airflow.run_command(find_command(start))
    assert "The key is valid" in report
    assert "A lost submit can be found again" in report


@pytest.mark.parametrize("start", ["python -m airflow_provider_runway spend", "airflow runway spend"])
def test_the_spend_of_the_account_is_printed(airflow: LocalAirflow, snippets: Snippets, start: str) -> None:
    snippets.run("sunflowers")
    today = datetime.now(UTC).date()
    command = re.sub(r"--from \S+ --to \S+", f"--from {today - timedelta(days=1)} --to {today}", find_command(start))
    report = airflow.run_command(command)
    assert re.search(r"runway-gen3-alphaturbo\W+[1-9]", report)
    assert "0.50" in report or "1.00" in report or "cost_usd" in report


def test_the_command_adds_a_connection(airflow: LocalAirflow) -> None:
    env = {name: value for name, value in airflow.env.items() if name != "AIRFLOW_CONN_RUNWAY_DEFAULT"}
    process = subprocess.run(
        ["bash", "-c", find_command("airflow connections add")], env=env, capture_output=True, text=True, timeout=90
    )
    assert process.returncode == 0, process.stderr
    assert "Successfully added `conn_id`=runway_default" in process.stdout


@pytest.mark.parametrize("line", [line for line in COMMANDS if "airflow_provider_runway.emulator" in line])
def test_the_emulator_starts_and_prints_a_connection(line: str) -> None:
    line = line.replace("--port 8081", "--port 0").replace("python", sys.executable, 1)
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(shlex.split(line), stdout=subprocess.PIPE, text=True, env=env) as emulator:
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline(), emulator.stdout.readline()]
        emulator.terminate()
        emulator.communicate(timeout=20)
    assert lines[0].startswith("Segmind emulator on http://127.0.0.1:")
    assert lines[1].startswith("export AIRFLOW_CONN_RUNWAY_DEFAULT=")


def test_a_rule_that_curl_posts_is_in_force() -> None:
    with Emulator(time_scale=0.01) as emulator:
        command = find_command("curl").replace("localhost:8081", emulator.url)
        subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=30)
        (rule,) = emulator.faults()
    assert (rule["call"], rule["fault"], rule["times"]) == ("submit", "rate_limited", 3)


@pytest.mark.timeout(400)
def test_a_person_resumes_a_job_and_decides_about_a_lost_one(
    airflow: LocalAirflow, emulator: Emulator, snippets: Snippets
) -> None:
    paid = airflow.trigger("decide_about_a_lost_submit", {"on_orphaned_intent": "resubmit"}, make_id())
    assert airflow.wait_for_run(paid, timeout_s=200) == "success"
    request_id = airflow.get_xcom(paid, "video", "request_id")
    jobs = len(emulator.ledger()["jobs"])

    airflow.unpause("resume_a_job")
    conf = {"request_id": request_id}
    command = re.sub(r"--conf '.*'", f"--conf '{json.dumps(conf)}'", find_command("airflow dags trigger resume_a_job"))
    airflow.run_command(command)
    (run,) = airflow.list_runs("resume_a_job")
    assert airflow.wait_for_run(run, timeout_s=200) == "success"
    assert [path.stem for path in snippets.find_videos("resumed/")] == [request_id]
    assert len(emulator.ledger()["jobs"]) == jobs


@pytest.mark.timeout(400)
def test_the_callback_and_the_retry_policy_know_the_error(
    airflow: LocalAirflow, emulator: Emulator, snippets: Snippets
) -> None:
    emulator.add_fault(call="submit", fault="job_fails", match="a prompt that always fails", times=0)
    failed = airflow.trigger("one_new_job", {"prompt": "a prompt that always fails"}, make_id())
    blocked = airflow.trigger("report_failures", {"prompt": "a forbidden sunflower"}, make_id())
    assert airflow.wait_for_run(blocked, timeout_s=200) == "failed"
    request_id = airflow.get_xcom(blocked, "video", "request_id")
    log = airflow.get_task_log(blocked, "video")
    assert f"video failed with content_blocked ({request_id})" in log

    assert airflow.wait_for_run(failed, timeout_s=200) == "failed"
    jobs = [job for job in emulator.ledger()["jobs"] if job["body"]["promptText"] == "a prompt that always fails"]
    assert [job["billed"] for job in jobs] == [False, False], "the policy ends the task after the second job"


def test_the_test_of_a_dag_passes(airflow: LocalAirflow, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "sunflowers.py").write_text(adapt(DAGS["sunflowers"], tmp_path, emulator))
    shutil.copy(SNIPPETS / "test_sunflowers.py", tmp_path)
    variables = {
        "PYTHONPATH": f"{tmp_path}:$PYTHONPATH",
        "AIRFLOW_HOME": tmp_path,
        "AIRFLOW__CORE__DAGS_FOLDER": tmp_path,
        # Not the database of `airflow`, which others lock: Airflow once sent the call that starts a task again, 14 s
        # later, and then failed the task because it was running already.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    export = "export " + " ".join(f"{name}={value}" for name, value in variables.items())
    pytest_command = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:xdist --rootdir {tmp_path}"
    output = airflow.run_command(f"{export}; airflow db migrate && {pytest_command} {tmp_path}/test_sunflowers.py")
    assert "2 passed" in output


@pytest.fixture(scope="module")
def snippets_on_airflow2(
    airflow2: LocalAirflow, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder that replaces ``/tmp`` in the DAGs of the docs on Airflow 2.11."""
    folder = tmp_path_factory.mktemp("snippets-2.11")
    dags = {code: dag_id for dag_id, code in DAGS.items()}  # some files have two DAGs
    files = [Path(airflow2.env["AIRFLOW__CORE__DAGS_FOLDER"]) / f"{dag_id}.py" for dag_id in dags.values()]
    for file, code in zip(files, dags, strict=True):
        if "airflow.sdk" not in code:
            file.write_text(adapt(code, folder, emulator))
    yield folder
    for file in files:
        file.unlink(missing_ok=True)


@pytest.mark.timeout(400)
def test_the_dags_are_parsed_on_airflow_2_and_one_of_them_makes_a_video(
    airflow2: LocalAirflow, snippets_on_airflow2: Path
) -> None:
    run = airflow2.trigger("sunflowers")
    for dag_id, code in DAGS.items():
        if "airflow.sdk" not in code:
            airflow2.wait_for_dag(dag_id)
    assert airflow2.wait_for_run(run, timeout_s=200) == "success"
    assert (snippets_on_airflow2 / "sunflowers.mp4").stat().st_size
