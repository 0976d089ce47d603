"""All rows of a batch are checked before any money moves, and all that is wrong is one error."""

from __future__ import annotations

import csv
import gc
import json
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_runway.batch.batch_rows import BatchRow, make_list_source
from airflow_provider_runway.batch.check_rows import MAX_NAMED_ROWS, check_rows
from airflow_provider_runway.batch.input_file_reader import make_file_source
from airflow_provider_runway.exceptions import BadInputError, UnreachableError
from airflow_provider_runway.segmind.images import make_data_url

GOOD = {"prompt_text": "it turns", "prompt_image": "https://images.example/shoe.png"}
DEFAULTS = {"model": "runway-gen3-alphaturbo", "duration": 5}

pytestmark = pytest.mark.usefixtures("empty_connection_table")


def check(*rows: Any, result_path: str = "/results", **defaults: Any) -> int:
    return check_rows(make_list_source(list(rows), {**DEFAULTS, **defaults}), result_path)


def find_problems(*rows: Any, **more: Any) -> list[str]:
    """Return the lines of the error: a head, and one for each row with problems."""
    with pytest.raises(BadInputError) as refused:
        check(*rows, **more)
    return str(refused.value).split("\n")


def test_good_rows_are_counted_and_handed_on_with_their_bodies() -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []

    def on_row(row: BatchRow, body: Mapping[str, Any]) -> None:
        told.append((row.custom_id, body))

    source = make_list_source([GOOD, {**GOOD, "custom_id": "b", "duration": "10"}], DEFAULTS)
    assert check_rows(source, "/results", on_row) == 2
    assert [custom_id for custom_id, _ in told] == ["row-000000", "b"]
    assert told[1][1] == {"promptText": "it turns", "promptImage": GOOD["prompt_image"], "duration": 10}


def test_every_problem_of_every_row_is_in_one_error() -> None:
    head, *lines = find_problems(
        {**GOOD, "duration": 7, "ratio": "4:3"},
        GOOD,
        "a prompt",
        {**GOOD, "custom_id": "c", "prompt_text": " ", "seed": 0},
        {**GOOD, "custom_id": "c"},
        {**GOOD, "model": "runway-gen4-aleph"},
    )
    assert head == "5 of 6 rows cannot be submitted, so none was: nothing is billed."
    assert lines[0].startswith("Row 0 (row-000000): duration is 7; allowed: ")
    assert "ratio is '4:3'; allowed: " in lines[0]
    assert lines[1].startswith("Row 2 is a text")
    assert lines[2].startswith("Row 3 (c): prompt_text is empty")
    assert "seed is 0" in lines[2]
    assert lines[3].startswith("Row 4 has the custom_id 'c' of row 3")
    assert lines[4].startswith("Row 5 (row-000005): runway-gen4-aleph has no field for prompt_image.")


def test_only_the_first_rows_with_problems_are_named_and_the_others_counted() -> None:
    lines = find_problems(*[{**GOOD, "duration": 7}] * 120, GOOD)
    assert lines[0].startswith("120 of 121 rows cannot be submitted")
    assert len(lines) == 1 + MAX_NAMED_ROWS + 1
    assert lines[-1] == "The other 70 are not listed."


def test_images_that_are_none_are_named(tmp_path: Path, image_file: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").touch()
    with (tmp_path / "large.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(17 * 1024 * 1024)
    good = [str(image_file), image_file, image_file.read_bytes(), make_data_url(image_file.read_bytes())]
    bad = [
        "/nowhere/a.png",
        str(tmp_path),
        f"{tmp_path}/notes.txt",
        f"{tmp_path}/empty.png",
        f"{tmp_path}/large.png",
        b"no image",
        "data:image/png;base64,?",
        "http://images.example/a.png",
        "nowhere://bucket/a.png",
        "s3://no_such@bucket/a.png",
    ]
    _, *lines = find_problems(*({**GOOD, "prompt_image": image} for image in good + bad))
    said = [
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "is not a JPEG, PNG or WebP image",
        "is empty",
        "has more than 16 MB",
        "is not a JPEG, PNG or WebP image",
        "whose base64 is broken",
        "must be an https URL",
        "Install the Airflow provider that serves it",
        "Add the connection, or name another with image_conn_id",
    ]
    assert len(lines) == len(said)
    for index, (line, words) in enumerate(zip(lines, said, strict=True), start=len(good)):
        assert line.startswith(f"Row {index} (")
        assert words in line
        assert "Nothing was sent" not in line


def test_images_in_a_storage_are_looked_at_and_not_read(memory_storage: MemoryFileSystem, monkeypatch: Any) -> None:
    memory_storage.pipe_file("/images/shoe.png", b"x" * 100)
    memory_storage.pipe_file("/images/empty.png", b"")
    monkeypatch.setattr(memory_storage, "_open", None)
    images = [f"memory://images/{name}" for name in ("shoe.png", "hat.png", "empty.png")]
    _, *lines = find_problems(*({**GOOD, "prompt_image": image} for image in images), {**GOOD, "image_conn_id": ""})
    assert [line.partition(" (")[0] for line in lines] == ["Row 1", "Row 2"]
    assert "cannot be read" in lines[0]


def test_an_image_that_rows_share_is_looked_at_once(memory_storage: MemoryFileSystem, monkeypatch: Any) -> None:
    asked = []
    monkeypatch.setattr(memory_storage, "info", lambda path: asked.append(path) or {"size": 9, "type": "file"})
    assert check(*[{"prompt_text": "x"}] * 600, prompt_image="memory://images/shoe.png") == 600
    assert len(asked) == 1


def test_a_storage_that_does_not_respond_is_no_problem_of_the_rows(
    memory_storage: MemoryFileSystem, monkeypatch: Any
) -> None:
    def info(path: str) -> Any:
        raise TimeoutError("no response")

    monkeypatch.setattr(memory_storage, "info", info)
    with pytest.raises(UnreachableError, match="a retry reads it again"):
        check(GOOD, {**GOOD, "prompt_image": "memory://images/shoe.png"})


def test_a_row_whose_video_would_replace_another_is_refused() -> None:
    _, *lines = find_problems(GOOD, GOOD, {**GOOD, "seed": 3}, GOOD, output_path="/videos/{model}-{seed}.mp4", seed=3)
    assert [line.partition(" Its video")[0] for line in lines] == [
        "Row 1 (row-000001):",
        "Row 2 (row-000002):",
        "Row 3 (row-000003):",
    ]
    assert "would replace that of row 0" in lines[0]
    assert "Put {custom_id} into it" in lines[0]
    for output_path in ("/videos/", "/videos/{custom_id}.mp4", "/videos/{request_id}.mp4", "/videos/{seed}.mp4"):
        assert check(GOOD, GOOD, output_path=output_path) == 2


def test_an_output_path_that_cannot_be_used_is_refused(subtests: pytest.Subtests) -> None:
    for case, output_path, said in (
        ("unknown placeholder", "/videos/{sku}.mp4", "{sku} is no placeholder"),
        ("no provider", "nowhere://bucket/{custom_id}.mp4", "cannot be used"),
        ("no connection", "s3://no_such@bucket/{custom_id}.mp4", "cannot be used"),
        ("a folder", "/tmp", "is a folder: end it in '/'"),
        ("no text", 5, "output_path is of type int"),
    ):
        with subtests.test(case):
            _, line = find_problems(GOOD | {"output_path": output_path})
            assert said in line


def test_a_result_path_with_braces_is_a_folder() -> None:
    assert check(GOOD, result_path="/results/{x}") == 1


def test_ten_thousand_rows_are_checked_in_bounded_memory(tmp_path: Path, image_file: Path) -> None:
    row = (
        '{"custom_id": "%d", "prompt_text": "'
        + "x" * 1000
        + '", "prompt_image": "'
        + str(image_file)
        + '", "duration": %d}\n'
    )
    path = tmp_path / "shots.jsonl"
    path.write_text("".join(row % (number, 5 + (number % 100 == 0)) for number in range(10_000)))
    source = make_file_source(path, DEFAULTS)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(BadInputError, match=r"^100 of 10000 rows"):
        check_rows(source, "/results")
    took_s = time.process_time() - started
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10_000_000  # the file has 12 MB, and modules are imported on the way
    print(f"{took_s:.1f} s of CPU while memory is traced, {peak_bytes / 1e6:.1f} MB")


def write_rows(path: Path, count: int) -> Path:
    """Write rows of more than 1,000 bytes in the format of the path's suffix."""
    rows = ({**GOOD, "custom_id": f"shoe-{number}", "prompt_text": "x" * 1000} for number in range(count))
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, [*GOOD, "custom_id"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def measure_peak(path: Path, count: int) -> int:
    """Return the bytes that a check of a file needs at its peak."""
    source = make_file_source(path, DEFAULTS)
    gc.collect()
    tracemalloc.start()
    try:
        assert check_rows(source, "/results") == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_of_a_checked_row_only_its_name_and_a_number_are_kept(tmp_path: Path, suffix: str) -> None:
    few, many = 2_000, 10_000
    measure_peak(write_rows(tmp_path / f"first.{suffix}", 10), 10)  # modules are imported on the way
    peak_of_few = measure_peak(write_rows(tmp_path / f"few.{suffix}", few), few)
    peak_of_many = measure_peak(write_rows(tmp_path / f"many.{suffix}", many), many)
    assert (peak_of_many - peak_of_few) / (many - few) < 250
    assert peak_of_many < 1.8 * peak_of_few


def test_a_local_folder_is_looked_up_once_for_the_rows_that_share_it(monkeypatch: Any) -> None:
    asked = []
    monkeypatch.setattr(
        "airflow_provider_runway.batch.check_rows.check_output_path", lambda *args, **_: asked.append(args)
    )
    own = [{**GOOD, "output_path": "/videos/{custom_id}.mp4"}] * 2
    assert check(GOOD, GOOD, *own, GOOD) == 5
    assert [path for path, _ in asked] == ["/results/", "/videos/{custom_id}.mp4", "/results/"]


def test_reference_images_of_a_row_are_looked_at_like_its_prompt_image(tmp_path: Path) -> None:
    (tmp_path / "hero.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(10))
    still = {"prompt_text": "@hero waves", "model": "runway-gen4-image", "duration": None}
    good = {"uri": f"{tmp_path}/hero.png", "tag": "hero"}
    missing = [good, {"uri": f"{tmp_path}/none.png", "tag": "none"}]
    assert check({**still, "reference_images": [good]}) == 1
    _, first, second, third = find_problems(
        {**still, "reference_images": missing},
        {**still, "reference_images": [{**good, "tag": "the hero"}]},
        {**still, "reference_images": [good], "output_path": "stills/{custom_id}.mp4"},
    )
    assert "The image reference_images[1]['uri']=" in first
    assert "cannot be read: No such file" in first
    assert "has the tag 'the hero' at position 0" in second
    assert "runway-gen4-image makes images" in third
