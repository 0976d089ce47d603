"""The video on other storages than this machine's: a bucket, and one that only knows files and renaming."""

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
from tasks import generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_files import read_clip
from airflow_provider_runway.outputs.store import check_target

pytestmark = pytest.mark.usefixtures("connection", "quick")

CLIP = read_clip("05s-16x9.mp4")
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """The address of an S3 on loopback."""
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
    made = boto3.resource("s3", endpoint_url=s3_url, **KEYS).create_bucket(Bucket="videos")
    yield made
    made.objects.delete()
    made.meta.client.close()


def keys(bucket: Any) -> list[str]:
    """Return the names of what is in a bucket, and of what was begun to be."""
    begun = bucket.meta.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    return [each.key for each in bucket.objects.all()] + [f"begun: {upload['Key']}" for upload in begun]


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
    outcome = run_task(partial(generate, output_path=output_path, output_conn_id=output_conn_id), ti)
    (key,) = keys(bucket)
    assert key == f"a/{outcome['request_id']}.mp4"
    assert outcome["output_path"].endswith(f"videos/{key}")
    stored = bucket.Object(key).get()
    assert (stored["Body"].read(), stored["ContentType"]) == (CLIP, "video/mp4")


def test_several_outputs_go_into_a_bucket(bucket: Any, gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:output_shape:shape=images,count=3")
    run_task(partial(generate, output_path="s3://videos/{index}/", output_conn_id="aws_default"), ti)
    assert [key.partition("/")[0] for key in keys(bucket)] == ["0", "1", "2"]


def test_a_download_that_fails_leaves_a_bucket_as_it_was(bucket: Any, gateway: Emulator, ti: TaskInstance) -> None:
    bucket.put_object(Key="clip.mp4", Body=b"the video of yesterday")
    gateway.add_fault("output:cut_body:times=0,names=nothing")
    with pytest.raises(AirflowException, match="paid for"):
        run_task(partial(generate, output_path="s3://videos/clip.mp4", output_conn_id="aws_default"), ti)
    assert keys(bucket) == ["clip.mp4"]
    assert bucket.Object("clip.mp4").get()["Body"].read() == b"the video of yesterday"


def test_an_upload_that_is_refused_says_what_was_paid_for_and_is_worth_a_retry(
    bucket: Any, gateway: Emulator, ti: TaskInstance
) -> None:
    make = partial(generate, output_path="s3://no-such-bucket/clip.mp4", output_conn_id="aws_default")
    with pytest.raises(AirflowException, match=r"could not be stored at s3://no-such-bucket.*paid for") as caught:
        run_task(make, ti)
    assert not isinstance(caught.value, AirflowFailException)
    assert gateway.ledger()["posts"] == 1


def test_lineage_learns_what_was_written(bucket: Any, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    lineage = import_module("airflow.sdk.lineage" if find_spec("airflow.sdk") is not None else "airflow.lineage.hook")
    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    run_task(partial(generate, output_path="s3://videos/clip.mp4", output_conn_id="aws_default"), ti)
    assert [output.asset.uri for output in collector.collected_assets.outputs] == ["s3://videos/clip.mp4"]


class Shelf(MemoryFileSystem):
    """Files in memory, on a storage that shows a file while it is written, and may fail at any step of it."""

    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012  fsspec's own way; this class's own store
    pseudo_dirs = [""]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.refuses: set[str] = set()

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        if "put" in self.refuses:
            self.pipe_file(rpath, b"half")
            raise PermissionError("the shelf is full")
        super().put_file(lpath, rpath, **more)

    def mv(self, path1: str, path2: str, **more: Any) -> None:
        if "mv" in self.refuses:
            raise RuntimeError("an error of the client's own")
        if "rights" in self.refuses:
            raise PermissionError(errno.EACCES, "no renaming here")
        if "replace" in self.refuses and self.exists(path2):
            raise OSError(errno.EEXIST, "in the way", path2)
        super().mv(path1, path2, **more)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """That storage, at ``memory://``."""
    module = "airflow.sdk.io.store" if find_spec("airflow.sdk") is not None else "airflow.io.store"
    store = import_module(module)
    made = Shelf()
    store.attach("memory", fs=made)
    yield made
    del store._STORE_CACHE["memory"]
    made.store.clear()
    made.pseudo_dirs[:] = [""]


def files(shelf: Shelf) -> dict[str, bytes]:
    """Return all that is on the shelf."""
    return {path: shelf.cat_file(path) for path in shelf.find("")}


@pytest.mark.parametrize("refuses", [set(), {"replace"}], ids=["it renames onto a file", "it does not"])
def test_a_storage_without_whole_uploads_gets_the_file_by_renaming(
    shelf: Shelf, gateway: Emulator, ti: TaskInstance, refuses: set[str]
) -> None:
    shelf.pipe_file("/videos/clip.mp4", b"the video of yesterday")
    shelf.refuses = refuses
    outcome = run_task(partial(generate, output_path="memory://videos/clip.mp4"), ti)
    assert outcome["output_path"] == "memory://videos/clip.mp4"
    assert files(shelf) == {"/videos/clip.mp4": CLIP}


@pytest.mark.parametrize("step", ["put", "mv", "rights"])
def test_a_write_that_breaks_off_leaves_the_old_file_and_no_part(
    shelf: Shelf, gateway: Emulator, ti: TaskInstance, step: str
) -> None:
    shelf.pipe_file("/videos/clip.mp4", b"the video of yesterday")
    shelf.refuses = {step}
    with pytest.raises(AirflowException, match=r"could not be stored at memory://.*paid for") as caught:
        run_task(partial(generate, output_path="memory://videos/clip.mp4"), ti)
    assert not isinstance(caught.value, AirflowFailException)
    assert files(shelf) == {"/videos/clip.mp4": b"the video of yesterday"}


@pytest.mark.parametrize("path", ["nosuch://bucket/clip.mp4", "nosuch://{model}/"])
def test_a_storage_that_nobody_serves_is_known_beforehand(path: str) -> None:
    with pytest.raises(Exception, match="Nothing was sent"):
        check_target(path, None)
