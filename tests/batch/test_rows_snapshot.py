"""The rows that a function returns are written into the batch's folder, and read from there by every wave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.batch.input_file_reader import make_file_source
from airflow_provider_runway.batch.rows_snapshot import write_requests
from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.exceptions import BadInputError


def test_rows_are_read_back_as_they_were_returned(tmp_path: Path) -> None:
    rows = [{"custom_id": "a", "prompt_text": "Straße", "model_params": {"fps": 24}}, {"seed": 3}]
    path = write_requests(rows, f"{tmp_path}/batch/")
    assert path == f"{tmp_path}/batch/requests.jsonl"
    assert [json.loads(line) for line in Path(path).read_text().splitlines()] == rows
    assert [row.custom_id for row in make_file_source(path, {})] == ["a", "row-000001"]


def test_a_function_may_yield_its_rows(tmp_path: Path) -> None:
    path = write_requests(({"seed": seed} for seed in range(1, 4)), tmp_path)
    assert [row.arguments["seed"] for row in make_file_source(path, {})] == [1, 2, 3]


def test_images_become_texts_that_a_row_takes(tmp_path: Path, image_file: Path) -> None:
    images: list[Any] = [image_file, image_file.read_bytes(), make_storage_path(f"file://{image_file}")]
    path = write_requests([{"prompt_image": image} for image in images], tmp_path)
    written = [row.arguments["prompt_image"] for row in make_file_source(path, {})]
    assert written[0] == str(image_file)
    assert written[1].startswith("data:image/png;base64,")
    assert written[2] == f"file://{image_file}"


def yield_nothing() -> Iterator[Any]:
    yield from ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param("a prompt", "What the function returned is a text, not a list of dicts", id="text"),
        pytest.param({"seed": 1}, "is one dict", id="one dict"),
        pytest.param(None, "is of type NoneType", id="nothing returned"),
        pytest.param([], "empty list", id="empty list"),
        pytest.param(yield_nothing(), "yielded no rows", id="nothing yielded"),
        pytest.param([{}, {"seed": datetime(2026, 1, 1)}], "Row 1 cannot be written as JSON: a value is", id="a date"),  # noqa: DTZ001
        pytest.param([{"duration": float("nan")}], "Row 0 cannot be written as JSON", id="NaN"),
        pytest.param([{"prompt_image": b"text"}], "Row 0: data is not a JPEG", id="bytes that are no image"),
    ],
)
def test_what_is_no_list_of_rows_is_refused_and_leaves_the_earlier_file(tmp_path: Path, rows: Any, said: str) -> None:
    write_requests([{"seed": 1}], tmp_path)
    with pytest.raises(BadInputError) as refused:
        write_requests(rows, tmp_path)
    assert said in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["requests.jsonl"]
    assert (tmp_path / "requests.jsonl").read_text() == '{"seed": 1}\n'


@pytest.mark.usefixtures("empty_connection_table")
@pytest.mark.parametrize("result_path", ["", "None", "nowhere://bucket/batch", "s3://no_such@bucket/batch"])
def test_a_folder_that_cannot_be_used_is_refused(result_path: str) -> None:
    with pytest.raises(BadInputError):
        write_requests([{"seed": 1}], result_path)
