"""The same picture goes up once per run, wherever that can be known; what is not known costs an upload and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, resume
from submits import count_requests
from tasks import make_operator

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.inputs.input_images import MAX_UPLOAD_AGE_S, UPLOAD_XCOM_KEY

pytestmark = pytest.mark.usefixtures("connection", "quick")

PNG = b"\x89PNG\r\n\x1a\n"


def mapped(index: int, xcoms: dict[Any, str], **changes: Any) -> TaskInstance:
    """One instance of a mapped task; those of one run share what Airflow keeps of it."""
    return TaskInstance(map_index=index, xcoms=xcoms, **changes)


def submit(ti: TaskInstance, image: Any, **arguments: Any) -> None:
    make_operator(prompt_image=image, wait_for_completion=False, **arguments).execute(ti.context())


def pictures(gateway: Emulator) -> list[str]:
    """The URL of each job's picture, in the order of the jobs."""
    return [job["body"]["promptImage"] for job in gateway.ledger()["jobs"]]


def test_eight_instances_one_after_another_upload_their_picture_once(gateway: Emulator, picture: Path) -> None:
    xcoms: dict[Any, str] = {}
    for index in range(8):
        submit(mapped(index, xcoms), str(picture), prompt_text=f"scene {index}")
    assert count_requests(gateway, "upload") == 1
    assert len(set(pictures(gateway))) == 1
    assert gateway.ledger()["accepted"] == 8


def test_instances_with_pictures_of_their_own_upload_each(gateway: Emulator) -> None:
    xcoms: dict[Any, str] = {}
    for index in range(4):
        submit(mapped(index, xcoms), PNG + bytes([index % 2]))
    assert count_requests(gateway, "upload") == 2
    one, other, *again = pictures(gateway)
    assert again == [one, other]


def test_those_that_start_at_the_same_moment_each_upload(gateway: Emulator, picture: Path) -> None:
    together = [mapped(index, {}) for index in range(3)]
    for ti in together:
        submit(ti, str(picture))
    assert count_requests(gateway, "upload") == 3
    assert gateway.ledger()["accepted"] == 3


@pytest.mark.parametrize(
    ("entry", "uploads"),
    [
        pytest.param({}, 0, id="as it was left"),
        pytest.param({"at": 0}, 1, id="too old"),
        pytest.param({"conn_id": "another"}, 1, id="of another connection"),
        pytest.param({"sha256": "another"}, 1, id="another picture"),
        pytest.param({"url": None}, 1, id="without its URL"),
        pytest.param({"at": "yesterday"}, 1, id="of a moment that is none"),
        pytest.param("a text", 1, id="nothing of ours"),
        pytest.param(None, 1, id="nothing"),
    ],
)
def test_only_a_fresh_upload_of_the_same_picture_is_used_again(
    gateway: Emulator, picture: Path, entry: Any, uploads: int
) -> None:
    first = mapped(0, {})
    submit(first, str(picture))
    left = first.xcom(UPLOAD_XCOM_KEY)
    first.xcom_push(UPLOAD_XCOM_KEY, {**left, **entry} if isinstance(entry, dict) else entry)
    before = count_requests(gateway, "upload")
    submit(mapped(1, first.xcoms), str(picture), prompt_text="another")
    assert count_requests(gateway, "upload") - before == uploads


def test_an_upload_is_used_again_for_an_hour(gateway: Emulator, picture: Path) -> None:
    first = mapped(0, {})
    submit(first, str(picture))
    left = first.xcom(UPLOAD_XCOM_KEY)
    for age_s, uploads in ((MAX_UPLOAD_AGE_S - 60, 1), (MAX_UPLOAD_AGE_S + 60, 2)):
        first.xcom_push(UPLOAD_XCOM_KEY, {**left, "at": left["at"] - age_s})
        submit(mapped(1, dict(first.xcoms)), str(picture), prompt_text=f"{age_s}")
        assert count_requests(gateway, "upload") == uploads


def test_a_task_that_is_not_mapped_uploads_again_only_in_its_next_try(
    gateway: Emulator, ti: TaskInstance, picture: Path
) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    with pytest.raises(TaskDeferred) as throttled:
        submit(ti, str(picture))
    gateway.advance(60)
    resume(make_operator(prompt_image=str(picture), wait_for_completion=False), ti, throttled.value, None)
    assert count_requests(gateway, "upload") == 1
    assert gateway.ledger()["accepted"] == 1


def test_a_submit_with_a_borrowed_picture_is_recognised_when_its_answer_is_lost(
    gateway: Emulator, picture: Path
) -> None:
    xcoms: dict[Any, str] = {}
    submit(mapped(0, xcoms), str(picture))
    gateway.add_fault("submit:cut_after")
    second = mapped(1, xcoms)
    submit(second, str(picture))
    assert (count_requests(gateway, "upload"), gateway.ledger()["posts"]) == (1, 2)
    second.retry()
    submit(second, str(picture))
    assert (count_requests(gateway, "upload"), gateway.ledger()["posts"]) == (1, 2)


def test_what_is_kept_is_no_picture_and_no_key(gateway: Emulator, picture: Path) -> None:
    ti = mapped(0, {})
    submit(ti, str(picture))
    assert set(ti.xcom(UPLOAD_XCOM_KEY)) == {"sha256", "url", "at", "conn_id"}
    assert len(ti.xcoms["generate", 0, UPLOAD_XCOM_KEY]) < 400


def test_a_url_asks_for_nothing(ti: TaskInstance) -> None:
    submit(ti, "https://pictures.example/1.png")
    assert ti.pushes == ["request_id"]
