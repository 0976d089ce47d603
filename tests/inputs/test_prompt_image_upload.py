"""An image reaches Segmind unchanged from every source; one that cannot be read ends the task."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from airflow_runtime import IMAGE_URL, TaskInstance
from moto.server import ThreadedMotoServer
from submits import count_requests
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException, make_storage_path
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.inputs.prompt_image_upload import read_bounded, read_image
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, make_data_url

pytestmark = pytest.mark.usefixtures("connection", "quick")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
BUCKET = "images"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Serve a bucket with an image, a text and an image of more than 16 MB; return the URL of its server."""
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
    """The id of a connection to the bucket."""
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


def get_uploaded_bytes(gateway: Emulator) -> bytes:
    """Return the image of the only job."""
    (job,) = gateway.ledger()["jobs"]
    with urlopen(job["body"]["promptImage"]) as answer:
        return bytes(answer.read())


#: How an author can pass the same image, given its path.
SOURCES: dict[str, Callable[[Path], Any]] = {
    "a path as text": str,
    "a path": lambda path: path,
    "a file URL": lambda path: f"file://{path}",
    "bytes": Path.read_bytes,
    "a view": lambda path: memoryview(path.read_bytes()),
    "a data URL": lambda path: make_data_url(path.read_bytes()),
    "a data URL of another type": lambda path: "DATA:;BASE64," + base64.b64encode(path.read_bytes()).decode(),
    "a data URL without base64": lambda path: "data:," + "".join(f"%{byte:02x}" for byte in path.read_bytes()),
    "an object in a bucket": lambda _: f"s3://buckets@{BUCKET}/in/1.png",
    "a storage path of an object": lambda _: make_storage_path(f"s3://{BUCKET}/in/1.png", "buckets"),
}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_an_image_is_uploaded_from_every_source(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, source: Callable[[Path], Any]
) -> None:
    path = tmp_path / "image with blank.png"
    path.write_bytes(PNG)
    submit(source(path), ti)
    assert get_uploaded_bytes(gateway) == PNG
    assert count_requests(gateway, "upload") == 1
    ti.retry()
    submit(str(path), ti)  # the same image from another source is the same job
    assert gateway.ledger()["posts"] == 1
    assert count_requests(gateway, "upload") == 1


def test_the_storage_connection_can_be_an_argument(gateway: Emulator, ti: TaskInstance, bucket: str) -> None:
    submit(f"s3://{BUCKET}/in/1.png", ti, image_conn_id=bucket)
    assert get_uploaded_bytes(gateway) == PNG


def test_the_connection_in_the_url_wins(gateway: Emulator, ti: TaskInstance, bucket: str) -> None:
    submit(f"s3://{bucket}@{BUCKET}/in/1.png", ti, image_conn_id="there_is_none")
    assert get_uploaded_bytes(gateway) == PNG


def test_a_url_is_fetched_by_segmind_itself(gateway: Emulator, ti: TaskInstance) -> None:
    submit(IMAGE_URL, ti)
    (job,) = gateway.ledger()["jobs"]
    assert job["body"]["promptImage"] == IMAGE_URL
    assert count_requests(gateway, "upload") == 0


def test_model_params_win_over_an_image_which_is_then_not_read(gateway: Emulator, ti: TaskInstance) -> None:
    submit("/nowhere/at/all.png", ti, model_params={"promptImage": IMAGE_URL})
    (job,) = gateway.ledger()["jobs"]
    assert job["body"]["promptImage"] == IMAGE_URL
    assert count_requests(gateway, "upload") == 0


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(f"s3://buckets@{BUCKET}/nothing.png", "cannot be read", id="no such object"),
        pytest.param("s3://buckets@no-such-bucket/1.png", "cannot be read", id="no such bucket"),
        pytest.param("s3://buckets@UPPER CASE/1.png", "cannot be read", id="an invalid bucket name"),
        pytest.param(f"s3://nobody@{BUCKET}/1.png", "nobody", id="no such connection"),
        pytest.param(f"s3://buckets@{BUCKET}/note.txt", "is not a JPEG, PNG or WebP", id="a text in a bucket"),
        pytest.param(f"s3://buckets@{BUCKET}/giant.png", "more than 16 MB", id="an object that is too large"),
        pytest.param("file:///nowhere/1.png", "cannot be read", id="no such file"),
        pytest.param("file:///", "cannot be read", id="a folder"),
        pytest.param("ftp://a.example/1.png", "Install the Airflow provider", id="a storage without a provider"),
        pytest.param("https:///1.png", "must be an https URL", id="a URL without a host"),
        pytest.param("data:image/png;base64", "without a comma", id="a data URL without a comma"),
        pytest.param("data:image/png;base64,AAA", "base64 is broken", id="broken base64"),
        pytest.param("data:," + "A" * (2 * MAX_IMAGE_BYTES), "more than 16 MB", id="a data URL that is too large"),
        pytest.param(b"GIF89a", "is not a JPEG, PNG or WebP", id="bytes of a GIF"),
        pytest.param(repr(PNG), "prompt_image=upstream.output", id="bytes that a template rendered"),
        pytest.param("a\x00b", "cannot be read", id="a path with a zero byte"),
        pytest.param([IMAGE_URL], "is of type list", id="a list"),
    ],
)
def test_an_image_that_cannot_be_used_ends_the_task(
    gateway: Emulator, ti: TaskInstance, image: Any, expected: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        submit(image, ti)
    message = str(caught.value)
    for part in ("prompt_image", expected, "Nothing was sent"):
        assert part in message
    assert len(message) < 700
    assert message.isprintable()
    assert gateway.http_requests() == []
    assert ti.store.entry["phase"] == "started"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xd8\xff" + bytes(9), id="JPEG"),
        pytest.param(b"RIFF0000WEBP", id="WebP"),
        pytest.param(PNG[:8] + bytes(MAX_IMAGE_BYTES - 8), id="PNG of exactly 16 MB"),
    ],
)
def test_a_file_is_checked_by_its_bytes_and_not_by_its_name(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "image.txt").write_bytes(content)
    submit(str(tmp_path / "image.txt"), ti)
    assert get_uploaded_bytes(gateway) == content


class Storage:
    """A stand-in for a path on a storage, which raises an error or yields endless bytes."""

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
        pytest.param(OSError(22, "Bad Request"), True, id="400"),
        pytest.param(ImportError("s3fs is not there"), True, id="no library"),
        pytest.param(TimeoutError(), False, id="a timeout"),
        pytest.param(OSError(16, "SlowDown"), False, id="503"),
        pytest.param(RuntimeError("what\nelse\ud800"), False, id="anything else"),
    ],
)
def test_only_an_error_that_may_pass_is_retried(
    gateway: Emulator, ti: TaskInstance, problem: Exception, final: bool
) -> None:
    with pytest.raises(AirflowException) as caught:
        submit(Storage(problem), ti)
    assert isinstance(caught.value, AirflowFailException) is final
    assert "s3://bucket/1.png" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert str(caught.value).isprintable()
    assert gateway.http_requests() == []


def test_a_storage_that_is_down_is_retried(
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
    assert gateway.http_requests() == []


def test_reading_stops_one_byte_after_the_limit(ti: TaskInstance) -> None:
    endless = Storage()
    with pytest.raises(AirflowFailException, match="more than 16 MB"):
        submit(endless, ti)
    assert endless.read_bytes == MAX_IMAGE_BYTES + 1
    assert len(read_bounded(Storage())) == MAX_IMAGE_BYTES + 1  # type: ignore[arg-type]


def test_the_error_of_a_missing_file_names_the_job_of_the_earlier_try(
    gateway: Emulator, ti: TaskInstance, image_file: Path
) -> None:
    submit(str(image_file), ti)
    (job,) = gateway.ledger()["jobs"]
    image_file.unlink()
    ti.retry()
    with pytest.raises(AirflowFailException) as caught:
        submit(str(image_file), ti)
    assert f'RunwayJobSensor(request_id="{job["request_id"]}")' in str(caught.value)
    assert gateway.ledger()["posts"] == 1


def test_the_repr_of_an_image_does_not_show_its_bytes() -> None:
    assert "PNG" not in repr(read_image(PNG))


def test_a_changed_file_under_the_same_name_is_another_input(
    gateway: Emulator, ti: TaskInstance, image_file: Path
) -> None:
    submit(str(image_file), ti)
    image_file.write_bytes(PNG + b"another one")
    ti.clear()
    submit(str(image_file), ti)
    assert gateway.ledger()["accepted"] == 2


def test_an_unreadable_journal_does_not_hide_the_error_of_an_input(ti: TaskInstance) -> None:
    ti.store.set("runway_submission", {"phase": "of a later release"})
    with pytest.raises(AirflowFailException, match="cannot be read: No such file"):
        submit("/nowhere/1.png", ti)
