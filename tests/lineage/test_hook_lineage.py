"""Files on this machine and in a bucket are in Airflow's own lineage, where other backends read them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.lineage import hook as compat_lineage
from airflow_runtime import TaskInstance, run_task
from tasks import make_operator

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A collector that collects: Airflow's own does so only where a lineage backend is installed."""
    collector = sdk.HookLineageCollector()
    monkeypatch.setattr(sdk, "get_hook_lineage_collector", lambda: collector, raising=False)
    return compat_lineage.get_hook_lineage_collector()  # type: ignore[no-untyped-call]


def test_a_local_image_and_a_local_video_are_in_the_lineage(
    ti: TaskInstance, collector: Any, image_file: Path, tmp_path: Path
) -> None:
    run_task(partial(make_operator, prompt_image=str(image_file), output_path=f"{tmp_path}/a.mp4"), ti)
    collected = collector.collected_assets
    assert {each.asset.uri for each in collected.inputs} == {f"file://{image_file}"}
    assert {each.asset.uri for each in collected.outputs} == {f"file://{tmp_path}/a.mp4"}


def test_a_file_that_lineage_does_not_take_loses_nothing_that_is_paid_for(
    ti: TaskInstance, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("the name is too long")

    monkeypatch.setattr(collector, "add_output_asset", refuse)
    assert run_task(partial(make_operator, output_path=f"{tmp_path}/a.mp4"), ti)["status"] == "COMPLETED"
    assert "the name is too long" in logged()
