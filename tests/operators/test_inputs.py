"""What is wrong with the inputs is said before anything leaves the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import TaskInstance
from submits import count, set_extra
from tasks import generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES

pytestmark = pytest.mark.usefixtures("connection", "quick")

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"prompt_text": None}, "prompt_text is missing", id="no prompt"),
        pytest.param({"prompt_text": "  "}, "prompt_text is empty", id="a blank prompt"),
        pytest.param({"prompt_text": 7}, "prompt_text", id="a prompt that is no text"),
        pytest.param({"prompt_image": None}, "prompt_image is missing", id="no picture"),
        pytest.param({"prompt_image": " "}, "prompt_image is empty", id="a blank picture"),
        pytest.param({"prompt_image": "http://a.example/1.png"}, "https URL", id="a picture without TLS"),
        pytest.param(
            {"prompt_image": "nosuch://bucket/1.png"},
            "Install the Airflow provider",
            id="a storage of a picture that nobody serves",
        ),
        pytest.param({"prompt_image": "/nowhere/at/all.png"}, "cannot be read", id="a file that is not there"),
        pytest.param({"duration": 6}, "duration is 6", id="a duration that no model takes"),
        pytest.param({"duration": "5.0"}, "whole number", id="a duration that is no whole number"),
        pytest.param({"duration": True}, "whole number", id="a duration that is a yes"),
        pytest.param({"ratio": "4:3"}, "ratio is '4:3'", id="a ratio of another model"),
        pytest.param({"seed": 0}, "seed is 0", id="a seed below the range"),
        pytest.param({"seed": 100_000}, "seed is 100000", id="a seed above the range"),
        pytest.param({"model": "../v1/other"}, "model='../v1/other'", id="a model that climbs out of its address"),
        pytest.param({"model": ""}, "model=''", id="no model"),
        pytest.param({"model": "runway-gen4-aleph"}, "has no field for prompt_image", id="a picture for a video model"),
        pytest.param({"model_params": "a text"}, "must be a dict", id="parameters that are none"),
        pytest.param({"model_params": {"seed": -1}}, "seed is -1", id="a bad parameter"),
        pytest.param({"request_id": "../../v1"}, "request_id='../../v1'", id="an id that climbs out of its address"),
        pytest.param({"request_id": ""}, "request_id=''", id="an id that was rendered to nothing"),
        pytest.param({"output_path": " "}, "output_path is", id="a blank path"),
        pytest.param({"output_path": "nosuch://bucket/"}, "nosuch", id="a storage that nobody serves"),
        pytest.param({"runway_conn_id": "elsewhere"}, "There is no connection 'elsewhere'", id="no such connection"),
    ],
)
def test_a_bad_input_ends_the_task_before_any_request(
    gateway: Emulator, ti: TaskInstance, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        generate(**arguments).execute(ti.context())
    assert said in str(caught.value)
    assert gateway.requests() == []
    assert not ti.store.values or ti.store.entry["phase"] == "withdrawn", "the next try must not look for a job"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"password": None}, "no API key", id="no key"),
        pytest.param({"password": "SG_not a key"}, "no key has", id="a key with a blank"),
        pytest.param({"host": "ftp://a.example"}, "not an http(s) address", id="a host that is none"),
        pytest.param({"extra": {"timeout": "soon"}}, '"timeout"', id="a timeout that is none"),
    ],
)
def test_a_bad_connection_ends_the_task_before_any_request(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], said: str
) -> None:
    set_extra(monkeypatch, **fields.pop("extra", {}), fields=fields)
    with pytest.raises(AirflowFailException) as caught:
        generate().execute(ti.context())
    assert said in str(caught.value)
    assert gateway.requests() == []


def test_every_problem_is_named_at_once(ti: TaskInstance) -> None:
    with pytest.raises(AirflowFailException) as caught:
        generate(prompt_text=None, duration=7, seed=0).execute(ti.context())
    for part in ("prompt_text", "duration", "seed"):
        assert part in str(caught.value)


def test_a_path_for_the_video_needs_a_task_that_waits_for_it() -> None:
    with pytest.raises(ValueError, match="output_path needs wait_for_completion=True"):
        generate(wait_for_completion=False, output_path="/videos/")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("picture.jpg", b"I am a text", "is not a JPEG, PNG or WebP picture", id="a text called .jpg"),
        pytest.param("picture.gif", b"GIF89a" + bytes(9), "is not a JPEG", id="a GIF"),
        pytest.param("picture.png", b"", "is empty", id="an empty file"),
        pytest.param("picture.png", PNG + bytes(MAX_IMAGE_BYTES - 7), "more than 16 MB", id="16 MB and one byte"),
    ],
)
def test_a_local_file_that_is_no_picture_is_not_sent(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AirflowFailException, match=said):
        generate(prompt_image=str(tmp_path / name)).execute(ti.context())
    assert gateway.requests() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("picture.txt", PNG + bytes(9), id="a PNG called .txt"),
        pytest.param("picture", b"\xff\xd8\xff" + bytes(9), id="a JPEG without an ending"),
        pytest.param("picture.png", b"RIFF0000WEBP", id="a WebP called .png"),
        pytest.param("picture.png", PNG + bytes(MAX_IMAGE_BYTES - 8), id="16 MB to the byte"),
    ],
)
def test_a_local_picture_is_judged_by_its_bytes_and_uploaded_once(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    generate(prompt_image=str(tmp_path / name), wait_for_completion=False).execute(ti.context())
    assert count(gateway, "upload") == 1
    (job,) = gateway.ledger()["jobs"]
    assert job["body"]["promptImage"].startswith(gateway.url)


def test_a_folder_is_no_picture(ti: TaskInstance, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="cannot be read"):
        generate(prompt_image=str(tmp_path)).execute(ti.context())


def test_an_upload_that_fails_leaves_no_doubt(gateway: Emulator, ti: TaskInstance, picture: Path) -> None:
    gateway.add_fault("upload:server_error:times=0")
    with pytest.raises(AirflowException) as caught:
        generate(prompt_image=str(picture)).execute(ti.context())
    assert not isinstance(caught.value, AirflowFailException)
    assert gateway.ledger()["posts"] == 0
    assert ti.store.values == {}


def test_a_lost_answer_to_an_upload_is_asked_for_again(gateway: Emulator, ti: TaskInstance, picture: Path) -> None:
    gateway.add_fault("upload:cut_after")
    generate(prompt_image=str(picture), wait_for_completion=False).execute(ti.context())
    assert gateway.ledger()["accepted"] == 1


def test_an_uploaded_picture_whose_submit_was_lost_is_recognised(
    gateway: Emulator, ti: TaskInstance, picture: Path
) -> None:
    gateway.add_fault("submit:cut_after")
    generate(prompt_image=str(picture), wait_for_completion=False).execute(ti.context())
    assert gateway.ledger()["posts"] == 1


def test_a_changed_file_under_the_same_name_is_another_input(
    gateway: Emulator, ti: TaskInstance, picture: Path
) -> None:
    generate(prompt_image=str(picture), wait_for_completion=False).execute(ti.context())
    picture.write_bytes(PNG + b"another one")
    ti.retry()
    generate(prompt_image=str(picture), wait_for_completion=False).execute(ti.context())
    assert gateway.ledger()["accepted"] == 2
