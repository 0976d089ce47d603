"""XCom between tasks, mapped and not, and the links on their pages: in a real Airflow 3.3 and a real 2.11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from local_airflow import LocalAirflow, Run

ROOT = Path(__file__).resolve().parents[2]
OLDER = ROOT / ".venv-2.11"
CONSOLE = "https://cloud.segmind.com"

# Whichever test comes first waits for the run; on SQLite 2.11 starts its tasks one after the other.
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Forms:
    """A finished run of the DAG, and what was seen on the way."""

    airflow: LocalAirflow
    run: Run
    jobs: dict[str, dict[str, Any]]  # by request id
    links_while_deferred: dict[str, str]

    def held(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the result of a task."""
        return dict(self.airflow.xcom(self.run, task_id, map_index=map_index))

    def values(self, task_id: str, many: int) -> list[Any]:
        """Return the results of a mapped task, in order."""
        return [self.airflow.xcom(self.run, task_id, map_index=index) for index in range(many)]


@pytest.fixture(scope="module", params=["3.3", "2.11"])
def major(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runway_default: str
) -> Iterator[LocalAirflow]:
    """The Airflow that the other tests share, then one of the older major."""
    if request.param == "3.3":
        yield request.getfixturevalue("airflow")
        return
    if not (OLDER / "bin" / "airflow").exists():
        pytest.skip("no .venv-2.11, so nothing was tested on 2.11: `make test` makes it where there is a Python for it")
    folder = tmp_path_factory.mktemp("dags-2.11")
    (folder / "forms.py").symlink_to(Path(__file__).parent / "dags" / "forms.py")
    (folder / "examples").symlink_to(ROOT / "dags")
    env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": runway_default}
    with LocalAirflow(tmp_path_factory.mktemp("airflow-2.11"), folder, venv=OLDER, env=env) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def forms(major: LocalAirflow, emulator: Emulator) -> Forms:
    """A finished run; one of its jobs is slow, so that its task is seen while it waits."""
    raw_status = f"forms{major.version[0]}"
    emulator.add_fault(call="submit", fault="job_latency", match=f"{raw_status} slow", times=0, seconds=6)
    run = major.trigger("forms", {"raw_status": raw_status})
    major.wait_for_task(run, "alone", "deferred", timeout_s=90)
    links = major.links(run, "alone")
    assert major.wait_for_run(run, timeout_s=300) == "success", major.task_states(run)
    jobs = {job["request_id"]: job for job in emulator.ledger()["jobs"] if raw_status in job["body"]["promptText"]}
    return Forms(major, run, jobs, links)


def test_each_task_instance_has_exactly_its_own_job(forms: Forms) -> None:
    held = {
        forms.held(task_id, index)["request_id"]: (task_id, index)
        for task_id, many in {"alone": 0, "submit": 2, "kwargs": 1, "group.submit": 2}.items()
        for index in (range(many) if many else (-1,))
    }
    assert sorted(held) == sorted(forms.jobs)
    for request_id, (task_id, index) in held.items():
        label = task_id.removesuffix(".submit") + (f" {index}" if "submit" in task_id else "")
        assert forms.jobs[request_id]["body"]["promptText"].startswith(label)


def test_a_task_that_is_not_mapped_hands_on_single_keys(forms: Forms) -> None:
    url = forms.held("alone")["output_url"]
    assert url
    assert forms.airflow.xcom(forms.run, "urls_alone") == [url]
    assert forms.values("each_url_alone", 1) == [url]


def test_a_sensor_expands_over_the_jobs_of_a_mapped_operator(forms: Forms) -> None:
    for index in range(2):
        waited, submitted = forms.held("wait", index), forms.held("submit", index)
        assert waited["request_id"] == submitted["request_id"]
        assert waited["output_url"] == forms.jobs[waited["request_id"]]["output_url"]


def test_the_urls_of_mapped_tasks_arrive_together_and_one_by_one(forms: Forms) -> None:
    urls = [forms.held("wait", index)["output_url"] for index in range(2)]
    assert forms.airflow.xcom(forms.run, "urls") == urls
    assert forms.values("each_url", 2) == urls


def test_whole_sets_of_arguments_can_be_mapped(forms: Forms) -> None:
    job = forms.jobs[forms.held("kwargs", 0)["request_id"]]
    assert (job["body"]["seed"], job["body"]["ratio"]) == (7, "9:16")


def test_in_a_mapped_group_each_member_goes_its_own_way(forms: Forms) -> None:
    for index in range(2):
        job = forms.jobs[forms.held("group.submit", index)["request_id"]]
        assert (job["body"]["promptText"][:7], job["body"]["seed"]) == (f"group {index}", 11 + index)
        assert forms.held("group.wait", index)["output_url"] == job["output_url"]


def test_a_task_that_waits_has_no_video_link_yet_and_its_page_is_not_broken(forms: Forms) -> None:
    assert set(forms.links_while_deferred) == {"Video", "Segmind console"}
    assert forms.links_while_deferred["Video"] == ""


@pytest.mark.parametrize(
    ("task_id", "map_index", "video"),
    [
        pytest.param("alone", -1, True, id="operator"),
        pytest.param("kwargs", 0, True, id="mapped operator"),
        pytest.param("wait", 1, True, id="mapped sensor"),
        pytest.param("group.wait", 0, True, id="sensor in a mapped group"),
        pytest.param("submit", 1, False, id="a task that only submits"),
    ],
)
def test_an_ended_task_links_to_its_own_video_and_to_the_console(
    forms: Forms, task_id: str, map_index: int, video: bool
) -> None:
    expected = forms.held(task_id, map_index)["output_url"] if video else ""
    assert forms.airflow.links(forms.run, task_id, map_index) == {"Video": expected, "Segmind console": CONSOLE}


def test_expanding_over_a_single_key_is_refused_by_airflow_itself() -> None:
    with DAG("refused", schedule=None):
        job = RunwayGenerateOperator(task_id="job")
        with pytest.raises(ValueError, match="cannot map over XCom with custom key"):
            RunwayJobSensor.partial(task_id="wait").expand(request_id=job.output["request_id"])


def test_every_example_can_be_read(major: LocalAirflow) -> None:
    for dag_id in ("runway_image_to_video", "runway_scheduled", "runway_pipeline", "runway_backfill"):
        major.wait_for_dag(dag_id)
