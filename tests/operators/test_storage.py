"""The video in its place: whole or not at all, and never at the price of a second job."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow_runtime import TaskInstance, run_task
from submits import only_job
from tasks import assert_contract, generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import BadInput
from airflow_provider_runway.operators import storage
from airflow_provider_runway.operators.storage import check_target, target_name

pytestmark = pytest.mark.usefixtures("connection", "quick")


def is_clip(path: Path) -> bool:
    return path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("output_path", "index", "target"),
    [
        pytest.param("/videos/", 0, "/videos/id.mp4", id="a folder"),
        pytest.param("/videos/", 1, "/videos/id-1.mp4", id="a folder, the second output"),
        pytest.param("/videos/clip.mp4", 0, "/videos/clip.mp4", id="a file"),
        pytest.param("/videos/clip.mp4", 2, "/videos/clip-2.mp4", id="a file, the third output"),
        pytest.param("s3://bucket/a.b/clip", 1, "s3://bucket/a.b/clip-1", id="a dot in a folder's name"),
        pytest.param("clip.mp4", 1, "clip-1.mp4", id="a bare name"),
    ],
)
def test_each_output_has_a_name(output_path: str, index: int, target: str) -> None:
    assert target_name(output_path, "id", index) == target


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "polling in the worker"])
@pytest.mark.parametrize("form", ["{}/clip.mp4", "{}/", "file://{}/clip.mp4", "{}/new/folders/"])
def test_the_video_is_stored(gateway: Emulator, ti: TaskInstance, tmp_path: Path, form: str, deferrable: bool) -> None:
    outcome = run_task(partial(generate, output_path=form.format(tmp_path), deferrable=deferrable), ti)
    assert_contract(outcome)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert is_clip(file)
    assert outcome["output_path"] == ti.xcom("output_path")
    assert outcome["output_path"].removeprefix("file://") == str(file)
    assert file.name == (f"{outcome['request_id']}.mp4" if form.endswith("/") else "clip.mp4")


def test_a_relative_path_begins_at_the_working_folder(
    ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_task(partial(generate, output_path="videos/clip.mp4"), ti)
    assert is_clip(tmp_path / "videos" / "clip.mp4")


def test_every_output_of_a_job_is_stored(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    gateway.add_fault("submit:output_shape:shape=list,count=3")
    outcome = run_task(partial(generate, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-1.mp4", "clip-2.mp4", "clip.mp4"]
    assert outcome["output_path"] == f"{tmp_path}/clip.mp4"


def test_the_file_can_be_read_by_whoever_may_enter_the_folder(ti: TaskInstance, tmp_path: Path) -> None:
    run_task(partial(generate, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert (tmp_path / "clip.mp4").stat().st_mode & 0o777 == 0o644


BROKEN = ["cut_body", "output_wrong_type", "not_found", "server_error", "empty_body", "cut_before"]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_download_that_fails_leaves_the_old_file_and_no_part(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"the video of yesterday")
    gateway.add_fault(f"output:{fault}:times=0")
    with pytest.raises(AirflowException) as caught:
        run_task(partial(generate, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert not isinstance(caught.value, AirflowFailException), "a retry fetches again"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"the video of yesterday"
    said = str(caught.value)
    for part in (only_job(gateway), "paid for", "RunwayJobSensor(request_id="):
        assert part in said


@pytest.mark.parametrize("fault", BROKEN)
def test_a_retry_after_a_failed_download_only_fetches(
    gateway: Emulator, tmp_path: Path, fault: str, newest_airflow: bool
) -> None:
    ti = TaskInstance(has_store=newest_airflow)
    make = partial(generate, output_path=f"{tmp_path}/clip.mp4")
    gateway.add_fault(f"output:{fault}:times=0")
    with pytest.raises(AirflowException):
        run_task(make, ti)
    gateway.clear_faults()
    ti.retry()
    assert run_task(make, ti)["output_path"] == f"{tmp_path}/clip.mp4"
    assert is_clip(tmp_path / "clip.mp4")
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("fault", ["cut_body", "server_error:status=503", "output_wrong_type", "cut_before"])
def test_a_passing_fault_of_the_download_is_not_seen(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, fault: str
) -> None:
    gateway.add_fault(f"output:{fault}")
    run_task(partial(generate, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert is_clip(tmp_path / "clip.mp4")


def test_a_clear_after_a_failed_download_only_fetches(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    make = partial(generate, output_path=f"{tmp_path}/clip.mp4")
    gateway.add_fault("output:not_found")
    with pytest.raises(AirflowException):
        run_task(make, ti)
    ti.clear()
    run_task(make, ti)
    assert gateway.ledger()["posts"] == 1


def test_a_folder_that_cannot_be_written_is_a_failed_download(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AirflowException, match="could not be stored"):
        run_task(partial(generate, output_path=f"{tmp_path}/file/clip.mp4"), ti)


def test_no_key_goes_to_the_host_of_the_video(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    run_task(partial(generate, output_path=f"{tmp_path}/"), ti)
    assert [request["key"] for request in gateway.requests() if request["call"] == "output"] == [False]


class MemoryPath:
    """A path on a storage that is not local, as far as it is used."""

    protocol = "s3"
    files: dict[str, bytes] = {}  # noqa: RUF012  one storage for a test

    def __init__(self, path: str, conn_id: str | None) -> None:
        self.name = path
        self.fs = SimpleNamespace()

    def open(self, mode: str) -> MemoryPath:
        return self

    def __enter__(self) -> MemoryPath:
        self.files[self.name] = b""
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, data: bytes) -> int:
        self.files[self.name] += data
        return len(data)


def test_another_storage_gets_the_whole_file_at_once(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "storage_path", MemoryPath)
    MemoryPath.files.clear()
    outcome = run_task(partial(generate, output_path="s3://bucket/clip.mp4"), ti)
    assert outcome["output_path"] == "s3://bucket/clip.mp4"
    assert MemoryPath.files["s3://bucket/clip.mp4"][4:8] == b"ftyp"
    MemoryPath.files.clear()
    gateway.add_fault("output:cut_body:times=0")
    with pytest.raises(AirflowException):
        run_task(partial(generate, output_path="s3://bucket/clip.mp4"), TaskInstance(task_id="another"))
    assert MemoryPath.files == {}, "nothing appears before it is whole"


@pytest.mark.parametrize("path", ["", "  ", "nosuch://bucket/clip.mp4"])
def test_a_path_that_cannot_be_stored_at_is_known_beforehand(path: str) -> None:
    with pytest.raises(BadInput):
        check_target(path, None)
