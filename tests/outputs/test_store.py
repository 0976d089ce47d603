"""Outputs on the local file system: stored completely or not at all, and never paid for twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from submits import get_only_job_id
from tasks import assert_contract, make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.outputs.store import check_output_path

pytestmark = pytest.mark.usefixtures("connection", "quick")


def is_clip(path: Path) -> bool:
    return path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("form", ["{}/clip.mp4", "{}/", "file://{}/clip.mp4", "{}/new/folders/"])
def test_the_video_is_stored_at_the_path(gateway: Emulator, ti: TaskInstance, tmp_path: Path, form: str) -> None:
    result = run_task(partial(make_operator, output_path=form.format(tmp_path)), ti)
    assert_contract(result)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert is_clip(file)
    assert result["output_path"] == ti.xcom("output_path")
    assert result["output_path"].removeprefix("file://") == str(file)
    assert file.name == (f"{result['request_id']}.mp4" if form.endswith("/") else "clip.mp4")


def test_the_video_is_stored_when_the_worker_polls(ti: TaskInstance, tmp_path: Path) -> None:
    run_task(partial(make_operator, output_path=f"{tmp_path}/clip.mp4", deferrable=False), ti)
    assert is_clip(tmp_path / "clip.mp4")


def test_a_relative_path_starts_at_the_working_folder(
    ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_task(partial(make_operator, output_path="videos/clip.mp4"), ti)
    assert is_clip(tmp_path / "videos" / "clip.mp4")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_stored_file_has_the_permissions_of_the_umask(
    ti: TaskInstance, tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        run_task(partial(make_operator, output_path=f"{tmp_path}/clip.mp4"), ti)
    finally:
        os.umask(before)
    assert (tmp_path / "clip.mp4").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("fault", ["cut_body", "output_wrong_type", "not_found"])
def test_a_failed_download_leaves_the_old_file_and_no_temporary_one(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, fault: str, logged: Callable[[], str]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"the video of yesterday")
    gateway.add_fault(f"output:{fault}:times=0")
    with pytest.raises(AirflowException) as caught:
        run_task(partial(make_operator, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert not isinstance(caught.value, AirflowFailException), "a retry downloads again"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"the video of yesterday"
    text = str(caught.value) + logged()
    for part in (get_only_job_id(gateway), "paid for", "RunwayJobSensor(request_id="):
        assert part in text


@pytest.mark.parametrize("fault", ["cut_body", "not_found"])
def test_a_retry_after_a_failed_download_only_downloads(
    gateway: Emulator, tmp_path: Path, fault: str, has_state_store: bool
) -> None:
    ti = TaskInstance(has_store=has_state_store)
    make = partial(make_operator, output_path=f"{tmp_path}/clip.mp4")
    gateway.add_fault(f"output:{fault}:times=0")
    with pytest.raises(AirflowException):
        run_task(make, ti)
    gateway.clear_faults()
    ti.retry()
    assert run_task(make, ti)["output_path"] == f"{tmp_path}/clip.mp4"
    assert is_clip(tmp_path / "clip.mp4")
    assert gateway.ledger()["posts"] == 1


def test_a_clear_after_a_failed_download_only_downloads(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    make = partial(make_operator, output_path=f"{tmp_path}/clip.mp4")
    gateway.add_fault("output:not_found")
    with pytest.raises(AirflowException):
        run_task(make, ti)
    ti.clear()
    run_task(make, ti)
    assert gateway.ledger()["posts"] == 1


def test_a_folder_that_cannot_be_written_is_a_failed_download(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AirflowException, match="could not be stored"):
        run_task(partial(make_operator, output_path=f"{tmp_path}/file/clip.mp4"), ti)


def test_every_output_of_a_job_is_stored(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    gateway.add_fault("submit:output_shape:shape=images,count=3")
    result = run_task(partial(make_operator, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-1.mp4", "clip-2.mp4", "clip.mp4"]
    assert result["output_path"] == f"{tmp_path}/clip.mp4"
    assert len(set(result["output_urls"])) == 3


def test_placeholders_name_each_output(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    gateway.add_fault("submit:output_shape:shape=list,count=2")
    pattern = f"{tmp_path}/{{model}}/{{seed}}/{{index:02}}-{{request_id}}.mp4"
    result = run_task(partial(make_operator, output_path=pattern, seed=4711), ti)
    folder, job = tmp_path / "runway-gen3-alphaturbo" / "4711", result["request_id"]
    assert sorted(path.name for path in folder.iterdir()) == [f"00-{job}.mp4", f"01-{job}.mp4"]
    assert result["output_path"] == f"{folder}/00-{job}.mp4"
    log = logged()
    for index in (0, 1):
        size = (folder / f"{index:02}-{job}.mp4").stat().st_size
        line = f"Job {job}: output {index + 1} of 2 stored, {size} bytes at {folder}/{index:02}-{job}.mp4."
        assert log.count(line) == 1


def test_a_file_in_a_folder_gets_the_extension_of_its_type(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    gateway.add_fault("submit:output_shape:shape=list,count=3")
    gateway.add_fault("output:output_kind:kind=png")
    gateway.add_fault("output:output_kind:kind=unknown")
    job = run_task(partial(make_operator, output_path=f"{tmp_path}/"), ti)["request_id"]
    # A file of an unknown type keeps the extension of its URL.
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{job}-1.mp4", f"{job}-2.mp4", f"{job}.png"]
    assert f"the output at {tmp_path}/{job}-1.mp4 is stored as it is: its first bytes, 7f 52 41 57" in logged()


def test_where_one_of_several_outputs_fails_a_retry_stores_the_rest(
    gateway: Emulator, tmp_path: Path, has_state_store: bool
) -> None:
    ti = TaskInstance(has_store=has_state_store)
    make = partial(make_operator, output_path=f"{tmp_path}/{{index}}.mp4")
    gateway.add_fault("submit:output_shape:shape=list,count=3")
    gateway.add_fault("output:not_found:skip=1")
    with pytest.raises(AirflowException, match=r"output 2 of 3: The output cannot be downloaded: HTTP 404"):
        run_task(make, ti)
    assert [path.name for path in tmp_path.iterdir()] == ["0.mp4"]
    ti.retry()
    assert run_task(make, ti)["output_path"] == f"{tmp_path}/0.mp4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.mp4", "1.mp4", "2.mp4"]
    assert gateway.ledger()["posts"] == 1


def test_an_output_above_the_size_limit_fails_until_the_limit_is_raised(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    make = partial(make_operator, output_path=f"{tmp_path}/clip.mp4")
    with pytest.raises(AirflowFailException, match="raise max_output_bytes"):
        run_task(partial(make, max_output_bytes=1000), ti)
    text = logged()
    job, url = get_only_job_id(gateway), gateway.ledger()["jobs"][0]["output_url"]
    for part in (job, "paid for", f"The output is at {url} until 20", f'RunwayJobSensor(request_id="{job}")'):
        assert part in text
    assert list(tmp_path.iterdir()) == []
    ti.clear()
    run_task(make, ti)
    assert is_clip(tmp_path / "clip.mp4")
    assert gateway.ledger()["posts"] == 1


def test_an_invalid_size_limit_is_refused_when_the_dag_is_parsed(subtests: pytest.Subtests) -> None:
    for limit in (0, None, 1e9, True):
        with subtests.test(limit=limit), pytest.raises(ValueError, match="max_output_bytes"):
            make_operator(max_output_bytes=limit)


def test_a_redirect_that_must_not_be_followed_is_final(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    gateway.add_fault("output:redirect:to=ftp://elsewhere.invalid/clip.mp4")
    with pytest.raises(AirflowFailException, match=r"is no http\(s\) URL.* paid for"):
        run_task(partial(make_operator, output_path=f"{tmp_path}/clip.mp4"), ti)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v/{date}.mp4", id="an unknown placeholder"),
        pytest.param("/v/{index.mp4", id="an open brace"),
        pytest.param("FOLDER", id="a folder"),
        pytest.param("file://FOLDER", id="a folder, as a URL"),
        pytest.param("/v/a\x00b.mp4", id="a control character"),
        pytest.param("/v/\ud800.mp4", id="half a character"),
        pytest.param("FOLDER/" + "v" * 5000, id="a name too long for any file"),
        pytest.param("s3://nobody@bucket/v.mp4", id="a connection that is not there"),
        pytest.param(7, id="no text"),
    ],
)
def test_an_unusable_path_fails_before_the_submit(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, path: Any
) -> None:
    given = path.replace("FOLDER", str(tmp_path)) if isinstance(path, str) else path
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        run_task(partial(make_operator, output_path=given), ti)
    assert gateway.ledger()["posts"] == 0


def test_a_missing_storage_connection_fails_before_the_submit(gateway: Emulator, ti: TaskInstance) -> None:
    with pytest.raises(AirflowFailException, match=r"(?s)'s3://bucket/v/' cannot be used: .*nobody.* Nothing was sent"):
        run_task(partial(make_operator, output_path="s3://bucket/v/", output_conn_id="nobody"), ti)
    assert gateway.ledger()["posts"] == 0


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(BadInputError):
        check_output_path(" ", None)
