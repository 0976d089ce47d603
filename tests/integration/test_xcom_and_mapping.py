"""XCom between mapped and unmapped tasks, and their links, in a real Airflow 3.3 and a real 2.11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from local_airflow import LocalAirflow, Run

CONSOLE = "https://cloud.segmind.com"

# The first test waits for the run. On SQLite, Airflow 2.11 runs one task at a time.
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class MappingRun:
    """A finished run of the DAG ``mapping``."""

    airflow: LocalAirflow
    run: Run
    jobs: dict[str, dict[str, Any]]  # by request id
    links_while_deferred: dict[str, str]

    def get_result(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the result of a task."""
        return dict(self.airflow.get_xcom(self.run, task_id, map_index=map_index))

    def get_values(self, task_id: str, count: int) -> list[Any]:
        """Return the results of a mapped task, by map index."""
        return [self.airflow.get_xcom(self.run, task_id, map_index=index) for index in range(count)]


@pytest.fixture(scope="module")
def mapping(airflow_major: LocalAirflow, emulator: Emulator) -> MappingRun:
    """A finished run. One of its jobs is slow, so that its task is seen deferred."""
    label = f"mapping{airflow_major.version[0]}"
    emulator.add_fault(call="submit", fault="job_latency", match=f"{label} slow", times=0, seconds=6)
    run = airflow_major.trigger("mapping", {"label": label})
    airflow_major.wait_for_task(run, "unmapped", "deferred", timeout_s=90)
    links = airflow_major.get_links(run, "unmapped")
    assert airflow_major.wait_for_run(run, timeout_s=300) == "success", airflow_major.get_task_states(run)
    jobs = {job["request_id"]: job for job in emulator.ledger()["jobs"] if label in job["body"]["promptText"]}
    return MappingRun(airflow_major, run, jobs, links)


def test_each_task_instance_has_exactly_its_own_job(mapping: MappingRun) -> None:
    results = {
        mapping.get_result(task_id, index)["request_id"]: (task_id, index)
        for task_id, count in {"unmapped": 0, "submit": 2, "kwargs": 1, "group.submit": 2}.items()
        for index in (range(count) if count else (-1,))
    }
    assert sorted(results) == sorted(mapping.jobs)
    for request_id, (task_id, index) in results.items():
        label = task_id.removesuffix(".submit") + (f" {index}" if "submit" in task_id else "")
        assert mapping.jobs[request_id]["body"]["promptText"].startswith(label)


def test_an_unmapped_task_passes_on_single_keys(mapping: MappingRun) -> None:
    url = mapping.get_result("unmapped")["output_url"]
    assert url
    assert mapping.airflow.get_xcom(mapping.run, "urls_unmapped") == [url]
    assert mapping.get_values("each_url_unmapped", 1) == [url]


def test_a_sensor_expands_over_the_jobs_of_a_mapped_operator(mapping: MappingRun) -> None:
    for index in range(2):
        waited, submitted = mapping.get_result("wait", index), mapping.get_result("submit", index)
        assert waited["request_id"] == submitted["request_id"]
        assert waited["output_url"] == mapping.jobs[waited["request_id"]]["output_url"]


def test_the_urls_of_mapped_tasks_arrive_together_and_one_by_one(mapping: MappingRun) -> None:
    urls = [mapping.get_result("wait", index)["output_url"] for index in range(2)]
    assert mapping.airflow.get_xcom(mapping.run, "urls") == urls
    assert mapping.get_values("each_url", 2) == urls


def test_whole_sets_of_arguments_can_be_mapped(mapping: MappingRun) -> None:
    job = mapping.jobs[mapping.get_result("kwargs", 0)["request_id"]]
    assert (job["body"]["seed"], job["body"]["ratio"]) == (7, "9:16")


def test_in_a_mapped_group_each_member_has_its_own_job(mapping: MappingRun) -> None:
    for index in range(2):
        job = mapping.jobs[mapping.get_result("group.submit", index)["request_id"]]
        assert (job["body"]["promptText"][:7], job["body"]["seed"]) == (f"group {index}", 11 + index)
        assert mapping.get_result("group.wait", index)["output_url"] == job["output_url"]


def test_a_deferred_task_has_no_video_link_yet(mapping: MappingRun) -> None:
    assert set(mapping.links_while_deferred) - {"Videos page"} == {"Video", "Segmind console"}
    assert mapping.links_while_deferred["Video"] == ""


@pytest.mark.parametrize(
    ("task_id", "map_index", "video"),
    [
        pytest.param("unmapped", -1, True, id="operator"),
        pytest.param("kwargs", 0, True, id="mapped operator"),
        pytest.param("wait", 1, True, id="mapped sensor"),
        pytest.param("group.wait", 0, True, id="sensor in a mapped group"),
        pytest.param("submit", 1, False, id="a task that only submits"),
    ],
)
def test_a_finished_task_links_to_its_own_video_and_to_the_console(
    mapping: MappingRun, task_id: str, map_index: int, video: bool
) -> None:
    expected = mapping.get_result(task_id, map_index)["output_url"] if video else ""
    links = mapping.airflow.get_links(mapping.run, task_id, map_index)
    page = links.pop("Videos page", "")
    assert links == {"Video": expected, "Segmind console": CONSOLE}
    assert page.endswith(f"/tasks/{task_id}/{map_index}") is (mapping.airflow.version >= (3, 1))


def test_links_store_no_empty_xcom_and_log_no_missing_one(mapping: MappingRun) -> None:
    """Airflow 3 asks for the links on the worker; Airflow 2 asks in its webserver, and stores nothing."""
    assert mapping.airflow.get_xcom(mapping.run, "submit", key="_link_runway_video", map_index=1) is None
    logs = [path.read_text(errors="replace") for path in (mapping.airflow.home / "logs").rglob("*.log")]
    missing = [line for log in logs for line in log.splitlines() if "XCom not found" in line]
    # Airflow itself logs one with an offset where a task reads the values of a mapped one up to their end.
    assert [line for line in missing if " offset=" not in line] == []


def test_expanding_over_a_single_key_is_refused_by_airflow_itself() -> None:
    with DAG("refused", schedule=None):
        job = RunwayGenerateOperator(task_id="job")
        with pytest.raises(ValueError, match="cannot map over XCom with custom key"):
            RunwayJobSensor.partial(task_id="wait").expand(request_id=job.output["request_id"])


def test_every_example_can_be_imported(airflow_major: LocalAirflow) -> None:
    for dag_id in (
        "runway_image_to_video",
        "runway_scheduled",
        "runway_pipeline",
        "runway_backfill",
        "runway_chained_clips",
    ):
        airflow_major.wait_for_dag(dag_id)
