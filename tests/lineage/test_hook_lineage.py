"""Files on this machine and in a bucket are in Airflow's own lineage, where other backends read them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from tasks import make_operator

pytestmark = pytest.mark.usefixtures("connection", "quick")


def test_a_local_image_and_a_local_video_are_in_the_lineage(
    ti: TaskInstance, lineage_collector: Any, image_file: Path, tmp_path: Path
) -> None:
    run_task(partial(make_operator, prompt_image=str(image_file), output_path=f"{tmp_path}/a.mp4"), ti)
    collected = lineage_collector.collected_assets
    assert {each.asset.uri for each in collected.inputs} == {f"file://{image_file}"}
    assert {each.asset.uri for each in collected.outputs} == {f"file://{tmp_path}/a.mp4"}


def test_a_file_that_lineage_does_not_take_loses_nothing_that_is_paid_for(
    ti: TaskInstance, lineage_collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("the name is too long")

    monkeypatch.setattr(lineage_collector, "add_output_asset", refuse)
    assert run_task(partial(make_operator, output_path=f"{tmp_path}/a.mp4"), ti)["status"] == "COMPLETED"
    assert "the name is too long" in logged()
