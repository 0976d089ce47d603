"""Wherever a picture comes from, the same bytes arrive at Segmind; where it cannot be had, nothing is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from airflow_runtime import PICTURE_URL, TaskInstance
from moto.server import ThreadedMotoServer
from submits import count_requests
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException, make_storage_path
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.inputs.input_images import read_bounded, read_prompt_image
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, make_data_url

pytestmark = pytest.mark.usefixtures("connection", "quick")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
BUCKET = "pictures"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket with a picture, a text and a picture of more than 16 MB; the address of its server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    client.create_bucket(Bucket=BUCKET)
    objects = {"in/1.png": PNG, "note.txt": b"a text", "empty.png": b"", "giant.png": PNG + bytes(MAX_IMAGE_BYTES)}
    for key, body in objects.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    client.close()
    yield url
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to the bucket, by its id."""
    fields = {
        "conn_type": "aws",
        "login": "any",
        "password": "any",
        "extra": {"endpoint_url": s3, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_BUCKETS", json.dumps(fields))
    return "buckets"


def submit(image: Any, ti: TaskInstance, **arguments: Any) -> None:
    make_operator(prompt_image=image, wait_for_completion=False, **arguments).execute(ti.context())


def arrived(gateway: Emulator) -> bytes:
    """The picture that the one job got."""
    (job,) = gateway.ledger()["jobs"]
    with urlopen(job["body"]["promptImage"]) as answer:
        return bytes(answer.read())


#: How an author can hand on one and the same picture, given its path.
SOURCES: dict[str, Callable[[Path], Any]] = {
    "a path as text": str,
    "a path": lambda path: path,
    "a file URL": lambda path: f"file://{path}",
    "a storage path of a file": lambda path: make_storage_path(f"file://{path}"),
    "bytes": Path.read_bytes,
    "a bytearray": lambda path: bytearray(path.read_bytes()),
    "a view": lambda path: memoryview(path.read_bytes()),
    "a data URL": lambda path: make_data_url(path.read_bytes()),
    "a data URL of another type": lambda path: "DATA:;BASE64," + base64.b64encode(path.read_bytes()).decode(),
    "a data URL in lines": lambda path: "data:image/png;base64," + base64.encodebytes(path.read_bytes()).decode(),
    "a data URL without base64": lambda path: "data:," + "".join(f"%{byte:02x}" for byte in path.read_bytes()),
    "an object in a bucket": lambda _: f"s3://buckets@{BUCKET}/in/1.png",
    "a storage path of an object": lambda _: make_storage_path(f"s3://{BUCKET}/in/1.png", "buckets"),
}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_picture_arrives_from_wherever_it_is(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, source: Callable[[Path], Any]
) -> None:
    path = tmp_path / "picture with blank.png"
    path.write_bytes(PNG)
    submit(source(path), ti)
    assert arrived(gateway) == PNG
    assert count_requests(gateway, "upload") == 1
    ti.retry()
    submit(str(path), ti)  # the same picture, so the same job, wherever it comes from
    assert gateway.ledger()["posts"] == 1
    assert count_requests(gateway, "upload") == 1


def test_a_connection_may_stand_beside_the_url(gateway: Emulator, ti: TaskInstance, bucket: str) -> None:
    submit(f"s3://{BUCKET}/in/1.png", ti, image_conn_id=bucket)
    assert arrived(gateway) == PNG


def test_the_connection_in_the_url_wins(gateway: Emulator, ti: TaskInstance, bucket: str) -> None:
    submit(f"s3://{bucket}@{BUCKET}/in/1.png", ti, image_conn_id="there_is_none")
    assert arrived(gateway) == PNG


def test_a_url_is_left_to_segmind(gateway: Emulator, ti: TaskInstance) -> None:
    submit(PICTURE_URL, ti)
    (job,) = gateway.ledger()["jobs"]
    assert job["body"]["promptImage"] == PICTURE_URL
    assert count_requests(gateway, "upload") == 0


def test_a_parameter_wins_over_a_picture_which_is_not_even_read(gateway: Emulator, ti: TaskInstance) -> None:
    submit("/nowhere/at/all.png", ti, model_params={"promptImage": PICTURE_URL})
    (job,) = gateway.ledger()["jobs"]
    assert job["body"]["promptImage"] == PICTURE_URL
    assert count_requests(gateway, "upload") == 0


FINAL = [
    pytest.param(f"s3://buckets@{BUCKET}/nothing.png", "cannot be read", id="no such object"),
    pytest.param("s3://buckets@no-such-bucket/1.png", "cannot be read", id="no such bucket"),
    pytest.param("s3://buckets@UPPER CASE/1.png", "cannot be read", id="no name of a bucket"),
    pytest.param("s3://", "cannot be read", id="no bucket at all"),
    pytest.param(f"s3://nobody@{BUCKET}/1.png", "nobody", id="no such connection"),
    pytest.param(f"s3://buckets@{BUCKET}/note.txt", "is not a JPEG, PNG or WebP", id="a text in a bucket"),
    pytest.param(f"s3://buckets@{BUCKET}/empty.png", "is empty", id="an empty object"),
    pytest.param(f"s3://buckets@{BUCKET}/giant.png", "more than 16 MB", id="a giant object"),
    pytest.param("file:///nowhere/1.png", "cannot be read", id="no such file"),
    pytest.param("file:///", "cannot be read", id="a folder"),
    pytest.param("ftp://a.example/1.png", "Install the Airflow provider", id="a storage that nobody serves"),
    pytest.param("HTTP://a.example/1.png", "must be an https URL", id="a URL without TLS"),
    pytest.param("https:///1.png", "must be an https URL", id="a URL without a host"),
    pytest.param("data:image/png;base64", "without a comma", id="a data URL without a comma"),
    pytest.param("data:image/png;base64,AAA", "base64 is broken", id="a data URL with half a byte"),
    pytest.param("data:image/png;base64,\ud800", "base64 is broken", id="a data URL with half a character"),
    pytest.param("data:image/png;base64,", "is empty", id="a data URL of nothing"),
    pytest.param("data:image/png;base64,R0lGODlh", "is not a JPEG, PNG or WebP", id="a data URL of a GIF"),
    pytest.param("data:," + "A" * (2 * MAX_IMAGE_BYTES), "more than 16 MB", id="a giant data URL"),
    pytest.param(b"", "is empty", id="no bytes"),
    pytest.param(b"GIF89a", "is not a JPEG, PNG or WebP", id="bytes of a GIF"),
    pytest.param(PNG + bytes(MAX_IMAGE_BYTES), "more than 16 MB", id="16 MB of bytes and more"),
    pytest.param(repr(PNG), "prompt_image=upstream.output", id="bytes that a template has rendered"),
    pytest.param("x" * 5000, "cannot be read", id="a path that is too long"),
    pytest.param("a\x00b", "cannot be read", id="a path with a zero byte"),
    pytest.param("\ud800", "cannot be read", id="a path with half a character"),
    pytest.param(7, "is of type int", id="a number"),
    pytest.param([PICTURE_URL], "is of type list", id="a list"),
]


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(("image", "said"), FINAL)
def test_a_picture_that_cannot_be_had_ends_the_task(gateway: Emulator, ti: TaskInstance, image: Any, said: str) -> None:
    with pytest.raises(AirflowFailException) as caught:
        submit(image, ti)
    message = str(caught.value)
    for part in ("prompt_image", said, "Nothing was sent"):
        assert part in message
    assert len(message) < 700
    assert message.isprintable()
    assert gateway.requests() == []
    assert ti.store.entry["phase"] == "started"


class Storage:
    """A path on a storage that answers as it is told: what a provider's file system may raise or yield."""

    protocol = "s3"

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.read_bytes = 0

    def __str__(self) -> str:
        return "s3://bucket/1.png"

    def open(self, mode: str, block_size: int) -> Storage:
        assert (mode, block_size < MAX_IMAGE_BYTES) == ("rb", True)
        if self.problem is not None:
            raise self.problem
        return self

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, size: int) -> bytes:
        part = bytes(min(size, 1_000_000))
        self.read_bytes += len(part)
        return part


@pytest.mark.parametrize(
    ("problem", "final"),
    [
        pytest.param(FileNotFoundError(2, "No such key"), True, id="404"),
        pytest.param(PermissionError("Forbidden"), True, id="403"),
        pytest.param(IsADirectoryError("a folder"), True, id="a folder"),
        pytest.param(OSError(22, "Bad Request"), True, id="400"),
        pytest.param(ImportError("s3fs is not there"), True, id="no library"),
        pytest.param(ValueError("Invalid bucket name"), True, id="a name that is none"),
        pytest.param(TimeoutError(), False, id="a timeout"),
        pytest.param(ConnectionError("reset"), False, id="a reset"),
        pytest.param(OSError(16, "SlowDown"), False, id="503"),
        pytest.param(OSError(5, "Internal error"), False, id="500"),
        pytest.param(RuntimeError("what\nelse\ud800"), False, id="anything else"),
    ],
)
def test_a_storage_that_may_answer_later_is_worth_a_retry(
    gateway: Emulator, ti: TaskInstance, problem: Exception, final: bool
) -> None:
    with pytest.raises(AirflowException) as caught:
        submit(Storage(problem), ti)
    assert isinstance(caught.value, AirflowFailException) is final
    assert "s3://bucket/1.png" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert str(caught.value).isprintable()
    assert gateway.requests() == []


def test_a_storage_that_is_down_is_worth_a_retry(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {
        "endpoint_url": "http://127.0.0.1:9",
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    fields = {"conn_type": "aws", "login": "any", "password": "any", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(fields))
    with pytest.raises(AirflowException) as caught:
        submit("s3://down@bucket/1.png", ti)
    assert not isinstance(caught.value, AirflowFailException)
    assert gateway.requests() == []


def test_of_a_giant_object_no_more_is_read_than_shows_that_it_is_one(ti: TaskInstance) -> None:
    endless = Storage()
    with pytest.raises(AirflowFailException, match="more than 16 MB"):
        submit(endless, ti)
    assert endless.read_bytes == MAX_IMAGE_BYTES + 1
    assert len(read_bounded(Storage())) == MAX_IMAGE_BYTES + 1  # type: ignore[arg-type]


def test_a_picture_that_is_gone_names_the_job_that_it_became(
    gateway: Emulator, ti: TaskInstance, picture: Path
) -> None:
    submit(str(picture), ti)
    (job,) = gateway.ledger()["jobs"]
    picture.unlink()
    ti.retry()
    with pytest.raises(AirflowFailException) as caught:
        submit(str(picture), ti)
    assert f'RunwayJobSensor(request_id="{job["request_id"]}")' in str(caught.value)
    assert gateway.ledger()["posts"] == 1


def test_no_text_of_a_picture_holds_its_bytes() -> None:
    assert "PNG" not in repr(read_prompt_image(PNG))
