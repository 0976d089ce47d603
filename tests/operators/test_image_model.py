"""The image model: reference images are checked, uploaded once and tagged, and its output is stored as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from airflow_runtime import IMAGE_URL, TaskInstance, run_task
from submits import count_requests
from tasks import make_operator

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

pytestmark = pytest.mark.usefixtures("connection", "quick")
PNG = b"\x89PNG\r\n\x1a\n"


def make_image_operator(*references: Any, **arguments: Any) -> RunwayGenerateOperator:
    return make_operator(
        **{"model": "runway-gen4-image", "prompt_image": None, "reference_images": list(references), **arguments}
    )


def get_references(gateway: Emulator) -> list[dict[str, str]]:
    """Return the reference images of the last job, as they were sent."""
    images: list[dict[str, str]] = gateway.ledger()["jobs"][-1]["body"]["referenceImages"]
    return images


def fetch(url: str) -> bytes:
    with urlopen(url) as response:
        return bytes(response.read())


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "polling in the worker"])
def test_an_image_is_made_of_reference_images_and_stored_as_an_image(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, deferrable: bool
) -> None:
    hero = {"uri": IMAGE_URL, "tag": "hero"}
    result = run_task(
        lambda: make_image_operator(hero, output_path=f"{tmp_path}/stills/", deferrable=deferrable, ratio="1920:1080"),
        ti,
    )
    assert get_references(gateway) == [hero]
    assert (result["model"], result["cost"], result["seed"]) == ("runway-gen4-image", 0.1, None)
    stored = Path(result["output_path"])
    assert stored.name == f"{result['request_id']}.png"
    assert stored.read_bytes() == fetch(result["output_url"])


def test_local_reference_images_are_uploaded_once_each_and_keep_their_tags(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    hero, room = tmp_path / "hero.png", tmp_path / "room.png"
    hero.write_bytes(PNG + b"hero")
    room.write_bytes(PNG + b"room")
    given = [{"uri": str(hero), "tag": "hero"}, {"uri": room, "tag": "room"}, {"uri": PNG + b"hero", "tag": "twin"}]
    make_image_operator(*given, wait_for_completion=False).execute(ti.context())
    sent = get_references(gateway)
    assert [(image["tag"], fetch(image["uri"])) for image in sent] == [
        ("hero", PNG + b"hero"),
        ("room", PNG + b"room"),
        ("twin", PNG + b"hero"),
    ]
    assert count_requests(gateway, "upload") == 2
    sibling = TaskInstance(map_index=1, xcoms=ti.xcoms)
    make_image_operator(*given, wait_for_completion=False, prompt_text="another").execute(sibling.context())
    assert count_requests(gateway, "upload") == 2, "mapped instances of a run share their uploads"
    assert get_references(gateway) == sent


def test_a_retry_with_the_same_local_images_resumes_the_job_and_changed_ones_are_noticed(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Any
) -> None:
    hero = tmp_path / "hero.png"
    hero.write_bytes(PNG + b"hero")
    image = {"uri": str(hero), "tag": "hero"}
    first = make_image_operator(image, wait_for_completion=False).execute(ti.context())
    ti.retry()
    logged()
    again = make_image_operator(image, wait_for_completion=False).execute(ti.context())
    assert again["request_id"] == first["request_id"]
    assert "inputs changed" not in logged()
    hero.write_bytes(PNG + b"villain")
    ti.retry()
    make_image_operator(image, wait_for_completion=False).execute(ti.context())
    assert "inputs changed" in logged()
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("is_local", [False, True], ids=["URLs", "uploaded"])
def test_a_lost_submit_of_reference_images_is_found_again(
    gateway: Emulator, ti: TaskInstance, image_file: Path, is_local: bool
) -> None:
    gateway.add_fault("submit:cut_after")
    image = {"uri": str(image_file) if is_local else IMAGE_URL, "tag": "hero"}
    result = run_task(lambda: make_image_operator(image), ti)
    assert (result["status"], gateway.ledger()["posts"]) == ("COMPLETED", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"reference_images": None}, "reference_images is missing", id="no images"),
        pytest.param({"prompt_image": IMAGE_URL}, "no field for prompt_image", id="a prompt image"),
        pytest.param({"reference_images": "None"}, "template without a value", id="a template of nothing"),
        pytest.param(
            {"reference_images": [{"uri": "/no/such.png", "tag": "hero"}]},
            "The image reference_images[0]['uri']='/no/such.png' cannot be read",
            id="no such file",
        ),
        pytest.param(
            {"reference_images": [{"uri": b"text", "tag": "hero"}]},
            "of reference_images[0]['uri']'s bytes is not a JPEG, PNG or WebP",
            id="no image",
        ),
        pytest.param({"reference_images": [{"uri": "None", "tag": "a"}]}, "template without", id="a URI of nothing"),
        pytest.param({"seed": 7}, "no field for seed", id="a seed"),
        pytest.param({"output_path": "still.mp4"}, "makes images", id="a file name of a video"),
    ],
)
def test_bad_inputs_are_refused_before_anything_is_sent(
    gateway: Emulator, ti: TaskInstance, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        make_image_operator({"uri": IMAGE_URL, "tag": "hero"}, **arguments).execute(ti.context())
    assert words in str(caught.value)
    assert gateway.http_requests() == []
