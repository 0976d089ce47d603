"""The same image is uploaded once per run, wherever that can be known; otherwise once more, which is free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, resume
from submits import count_requests
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.inputs.prompt_image_upload import MAX_UPLOAD_AGE_S, UPLOAD_XCOM_KEY

pytestmark = pytest.mark.usefixtures("connection", "quick")

PNG = b"\x89PNG\r\n\x1a\n"


def make_mapped(index: int, xcoms: dict[Any, str]) -> TaskInstance:
    """Return one instance of a mapped task; those of one run share their XComs."""
    return TaskInstance(map_index=index, xcoms=xcoms)


def submit(ti: TaskInstance, image: Any, **arguments: Any) -> None:
    make_operator(prompt_image=image, wait_for_completion=False, **arguments).execute(ti.context())


def get_image_urls(gateway: Emulator) -> list[str]:
    """Return the image URL of each job, in the order of the jobs."""
    return [job["body"]["promptImage"] for job in gateway.ledger()["jobs"]]


def test_mapped_instances_one_after_another_upload_their_image_once(gateway: Emulator, image_file: Path) -> None:
    xcoms: dict[Any, str] = {}
    for index in range(8):
        submit(make_mapped(index, xcoms), str(image_file), prompt_text=f"scene {index}")
    assert count_requests(gateway, "upload") == 1
    assert len(set(get_image_urls(gateway))) == 1
    assert gateway.ledger()["accepted"] == 8


def test_each_image_is_uploaded_once(gateway: Emulator) -> None:
    xcoms: dict[Any, str] = {}
    for index in range(4):
        submit(make_mapped(index, xcoms), PNG + bytes([index % 2]))
    assert count_requests(gateway, "upload") == 2
    first, second, *others = get_image_urls(gateway)
    assert others == [first, second]


def test_instances_that_start_together_each_upload(gateway: Emulator, image_file: Path) -> None:
    for index in range(3):
        submit(make_mapped(index, {}), str(image_file))
    assert (count_requests(gateway, "upload"), gateway.ledger()["accepted"]) == (3, 3)


@pytest.mark.parametrize(
    ("change", "uploads"),
    [
        pytest.param({}, 0, id="unchanged"),
        pytest.param({"age_s": MAX_UPLOAD_AGE_S - 60}, 0, id="young enough"),
        pytest.param({"age_s": MAX_UPLOAD_AGE_S + 60}, 1, id="too old"),
        pytest.param({"conn_id": "another"}, 1, id="another connection"),
        pytest.param({"sha256": "another"}, 1, id="another image"),
        pytest.param({"url": None}, 1, id="no URL"),
        pytest.param({"at": "yesterday"}, 1, id="no time"),
        pytest.param("a text", 1, id="no entry"),
    ],
)
def test_only_a_young_upload_of_the_same_image_and_connection_is_used_again(
    gateway: Emulator, image_file: Path, change: Any, uploads: int
) -> None:
    first = make_mapped(0, {})
    submit(first, str(image_file))
    entry = first.xcom(UPLOAD_XCOM_KEY)
    if isinstance(change, dict):
        change = {"at": entry["at"] - change.get("age_s", 0), **change}
        entry = {name: change.get(name, value) for name, value in entry.items()}
    else:
        entry = change
    first.xcom_push(UPLOAD_XCOM_KEY, entry)
    before = count_requests(gateway, "upload")
    submit(make_mapped(1, first.xcoms), str(image_file), prompt_text="another")
    assert count_requests(gateway, "upload") - before == uploads


def test_a_submit_that_was_throttled_uses_its_own_upload_again(
    gateway: Emulator, ti: TaskInstance, image_file: Path
) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    with pytest.raises(TaskDeferred) as throttled:
        submit(ti, str(image_file))
    gateway.advance(60)
    resume(make_operator(prompt_image=str(image_file), wait_for_completion=False), ti, throttled.value, None)
    assert (count_requests(gateway, "upload"), gateway.ledger()["accepted"]) == (1, 1)


@pytest.mark.parametrize("shared", [True, False], ids=["upload of another instance", "own upload"])
def test_a_lost_submit_with_an_uploaded_image_is_found_again(gateway: Emulator, image_file: Path, shared: bool) -> None:
    xcoms: dict[Any, str] = {}
    if shared:
        submit(make_mapped(0, xcoms), str(image_file))
    gateway.add_fault("submit:cut_after")
    ti = make_mapped(1, xcoms)
    for _ in range(2):
        submit(ti, str(image_file))
        assert (count_requests(gateway, "upload"), gateway.ledger()["posts"]) == (1, 1 + shared)
        ti.retry()


def test_an_upload_that_fails_leaves_no_doubt_about_a_submit(
    gateway: Emulator, ti: TaskInstance, image_file: Path
) -> None:
    gateway.add_fault("upload:server_error:times=0")
    with pytest.raises(AirflowException) as caught:
        submit(ti, str(image_file))
    assert not isinstance(caught.value, AirflowFailException)
    assert gateway.ledger()["posts"] == 0


def test_a_lost_response_to_an_upload_is_retried(gateway: Emulator, ti: TaskInstance, image_file: Path) -> None:
    gateway.add_fault("upload:cut_after")
    submit(ti, str(image_file))
    assert gateway.ledger()["accepted"] == 1


def test_the_cache_holds_no_image_and_no_key(gateway: Emulator, image_file: Path) -> None:
    ti = make_mapped(0, {})
    submit(ti, str(image_file))
    assert set(ti.xcom(UPLOAD_XCOM_KEY)) == {"sha256", "url", "at", "conn_id"}
    assert len(ti.xcoms["generate", 0, UPLOAD_XCOM_KEY]) < 400


def test_a_url_needs_no_upload(ti: TaskInstance) -> None:
    submit(ti, "https://images.example/1.png")
    assert ti.pushes == ["request_id"]
