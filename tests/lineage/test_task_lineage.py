"""Lineage names files without secrets, and carries the facts of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.lineage.task_lineage import (
    OutputFile,
    describe_job_lineage,
    to_dataset_name,
    to_lineage_uri,
)
from airflow_provider_runway.segmind.jobs import JobSummary

JOB = JobSummary(
    "job-1",
    status="COMPLETED",
    model="runway-gen4-turbo",
    cost=0.5,
    seed=7,
    output_urls=("https://images.example/videos/1.mp4?sig=s3cret",),
)


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        pytest.param("https://host.example/a/b.png", "https://host.example/a/b.png", id="a URL"),
        pytest.param("https://host.example/b.png?X-Amz-Signature=s3cret#x", "https://host.example/b.png", id="signed"),
        pytest.param("https://user:s3cret@host.example/b.png", "https://host.example/b.png", id="with a password"),
        pytest.param("s3://my_conn@bucket/a/b.png", "s3://bucket/a/b.png", id="with a connection"),
        pytest.param("S3://bucket/B.png", "s3://bucket/B.png", id="an upper-case scheme"),
        pytest.param("/data/in put.png", "file:///data/in put.png", id="a path"),
        pytest.param(Path("/data/input.png"), "file:///data/input.png", id="a path object"),
        pytest.param("file:///data/input.png", "file:///data/input.png", id="a file URL"),
        pytest.param("data:image/png;base64,AAAA", None, id="a data URL"),
        pytest.param(b"\x89PNG", None, id="bytes"),
        pytest.param("", None, id="nothing"),
        pytest.param(None, None, id="None"),
        pytest.param("https://[", None, id="no address at all"),
    ],
)
def test_a_location_is_named_without_secrets(location: Any, uri: str | None) -> None:
    assert to_lineage_uri(location) == uri


def test_a_path_of_a_storage_is_named_by_its_url() -> None:
    assert to_lineage_uri(make_storage_path("s3://bucket/a/b.png", "my_conn")) == "s3://bucket/a/b.png"


def test_a_relative_path_is_named_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert to_lineage_uri("videos/1.mp4") == f"file://{tmp_path}/videos/1.mp4"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        pytest.param("s3://bucket/a/b.mp4", ("s3://bucket", "a/b.mp4"), id="a bucket"),
        pytest.param("https://host.example/a/b.mp4", ("https://host.example", "a/b.mp4"), id="a web server"),
        pytest.param("file:///a/b.mp4", ("file", "/a/b.mp4"), id="this machine"),
        pytest.param("s3://bucket", ("s3://bucket", "/"), id="no path"),
    ],
)
def test_a_dataset_is_named_by_the_rules_of_openlineage(uri: str, name: tuple[str, str]) -> None:
    assert to_dataset_name(uri) == name


def test_a_job_reads_its_image_and_leaves_its_output_url() -> None:
    lineage = describe_job_lineage("https://images.example/in.png?sig=s3cret", JOB)
    assert lineage.inputs == ("https://images.example/in.png",)
    assert lineage.outputs == (OutputFile("https://images.example/videos/1.mp4"),)
    assert "s3cret" not in repr(lineage)


def test_stored_files_take_the_place_of_the_output_url() -> None:
    stored = OutputFile("s3://videos/1.mp4", 1234, "video/mp4")
    assert describe_job_lineage(None, JOB, [stored]).outputs == (stored,)


def test_the_facts_of_the_job_are_carried_and_the_prompt_is_not() -> None:
    lineage = describe_job_lineage(None, JOB)
    assert lineage.asset_facts == {"request_id": "job-1", "model": "runway-gen4-turbo", "cost": 0.5, "seed": 7}
    assert lineage.run_facts == {**lineage.asset_facts, "status": "COMPLETED", "submitted_at": None} | {
        "completed_at": None
    }


def test_before_there_is_a_job_only_the_input_is_known() -> None:
    lineage = describe_job_lineage("/data/in.png", None)
    assert (lineage.inputs, lineage.outputs, lineage.run_facts) == (("file:///data/in.png",), (), {})
