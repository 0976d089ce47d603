"""Outputs on remote storages: a bucket, and a storage that shows files while they are written."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import boto3
import pytest
from airflow_runtime import TaskInstance, run_task
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_handlers import read_sample_file
from airflow_provider_runway.outputs.store import check_output_path

pytestmark = pytest.mark.usefixtures("connection", "quick")

CLIP = read_sample_file("05s-16x9.mp4")
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """The URL of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket "videos", which the connection ``aws_default`` leads to."""
    extra = {"endpoint_url": s3_url, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    created = boto3.resource("s3", endpoint_url=s3_url, **KEYS).create_bucket(Bucket="videos")
    yield created
    created.objects.delete()
    created.meta.client.close()


def list_keys(bucket: Any) -> list[str]:
    """Return the keys in a bucket, and those of unfinished uploads."""
    unfinished = bucket.meta.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    return [each.key for each in bucket.objects.all()] + [f"unfinished: {upload['Key']}" for upload in unfinished]


@pytest.mark.parametrize(
    ("output_path", "output_conn_id"),
    [
        pytest.param("s3://videos/a/{request_id}.mp4", "aws_default", id="a file, the connection apart"),
        pytest.param("s3://aws_default@videos/a/", None, id="a folder, the connection in the address"),
    ],
)
def test_a_video_goes_into_a_bucket(
    bucket: Any, gateway: Emulator, ti: TaskInstance, output_path: str, output_conn_id: str | None
) -> None:
    result = run_task(partial(make_operator, output_path=output_path, output_conn_id=output_conn_id), ti)
    (key,) = list_keys(bucket)
    assert key == f"a/{result['request_id']}.mp4"
    assert result["output_path"].endswith(f"videos/{key}")
    stored = bucket.Object(key).get()
    assert (stored["Body"].read(), stored["ContentType"]) == (CLIP, "video/mp4")


def test_several_outputs_go_into_a_bucket(bucket: Any, gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:output_shape:shape=images,count=3")
    run_task(partial(make_operator, output_path="s3://videos/{index}/", output_conn_id="aws_default"), ti)
    assert [key.partition("/")[0] for key in list_keys(bucket)] == ["0", "1", "2"]


def test_a_failed_download_leaves_the_bucket_unchanged(bucket: Any, gateway: Emulator, ti: TaskInstance) -> None:
    bucket.put_object(Key="clip.mp4", Body=b"the video of yesterday")
    gateway.add_fault("output:cut_body:times=0")
    with pytest.raises(AirflowException, match="paid for"):
        run_task(partial(make_operator, output_path="s3://videos/clip.mp4", output_conn_id="aws_default"), ti)
    assert list_keys(bucket) == ["clip.mp4"]
    assert bucket.Object("clip.mp4").get()["Body"].read() == b"the video of yesterday"


def test_a_refused_upload_names_the_paid_job_and_may_be_retried(
    bucket: Any, gateway: Emulator, ti: TaskInstance
) -> None:
    make = partial(make_operator, output_path="s3://no-such-bucket/clip.mp4", output_conn_id="aws_default")
    with pytest.raises(AirflowException, match=r"could not be stored at s3://no-such-bucket.*paid for") as caught:
        run_task(make, ti)
    assert not isinstance(caught.value, AirflowFailException)
    assert gateway.ledger()["posts"] == 1


def test_the_stored_file_is_reported_as_lineage(bucket: Any, ti: TaskInstance, lineage_collector: Any) -> None:
    run_task(partial(make_operator, output_path="s3://aws_default@videos/clip.mp4"), ti)
    collected = lineage_collector.collected_assets
    assert [output.asset.uri for output in collected.outputs] == ["s3://videos/clip.mp4"]


class FailingStorage(MemoryFileSystem):
    """Files in memory, on a storage that shows a file while it is written, and can fail at each step of it."""

    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012  fsspec's own way; this class's own store
    pseudo_dirs = [""]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.failing_steps: set[str] = set()

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        if "put" in self.failing_steps:
            self.pipe_file(rpath, b"half")
            raise PermissionError("the storage is full")
        super().put_file(lpath, rpath, **more)

    def mv(self, path1: str, path2: str, **more: Any) -> None:
        if "mv" in self.failing_steps:
            raise RuntimeError("an error of the client's own")
        if "rights" in self.failing_steps:
            raise PermissionError(errno.EACCES, "no renaming here")
        if "replace" in self.failing_steps and self.exists(path2):
            raise OSError(errno.EEXIST, "in the way", path2)
        super().mv(path1, path2, **more)


@pytest.fixture
def storage() -> Iterator[FailingStorage]:
    """The failing storage, at ``memory://``."""
    module = "airflow.sdk.io.store" if find_spec("airflow.sdk") is not None else "airflow.io.store"
    store = import_module(module)
    created = FailingStorage()
    store.attach("memory", fs=created)
    yield created
    del store._STORE_CACHE["memory"]
    created.store.clear()
    created.pseudo_dirs[:] = [""]


def read_files(storage: FailingStorage) -> dict[str, bytes]:
    """Return all files on the storage."""
    return {path: storage.cat_file(path) for path in storage.find("")}


@pytest.mark.parametrize("failing_steps", [set(), {"replace"}], ids=["it renames onto a file", "it does not"])
def test_a_storage_without_atomic_uploads_gets_the_file_by_renaming(
    storage: FailingStorage, gateway: Emulator, ti: TaskInstance, failing_steps: set[str]
) -> None:
    storage.pipe_file("/videos/clip.mp4", b"the video of yesterday")
    storage.failing_steps = failing_steps
    result = run_task(partial(make_operator, output_path="memory://videos/clip.mp4"), ti)
    assert result["output_path"] == "memory://videos/clip.mp4"
    assert read_files(storage) == {"/videos/clip.mp4": CLIP}


@pytest.mark.parametrize("step", ["put", "mv", "rights"])
def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    storage: FailingStorage, gateway: Emulator, ti: TaskInstance, step: str
) -> None:
    storage.pipe_file("/videos/clip.mp4", b"the video of yesterday")
    storage.failing_steps = {step}
    with pytest.raises(AirflowException, match=r"could not be stored at memory://.*paid for") as caught:
        run_task(partial(make_operator, output_path="memory://videos/clip.mp4"), ti)
    assert not isinstance(caught.value, AirflowFailException)
    assert read_files(storage) == {"/videos/clip.mp4": b"the video of yesterday"}


def test_a_storage_without_a_provider_is_refused_before_the_submit(subtests: pytest.Subtests) -> None:
    for path in ("nosuch://bucket/clip.mp4", "nosuch://{model}/"):
        with subtests.test(path=path), pytest.raises(Exception, match="Nothing was sent"):
            check_output_path(path, None)
