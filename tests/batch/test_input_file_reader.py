"""The rows of a batch from files: JSON Lines and CSV, on any storage."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.batch.input_file_reader import make_file_source
from airflow_provider_runway.exceptions import BadInputError


def write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def read(path: str, defaults: dict[str, Any] | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Return each row's custom_id and what it was given."""
    return [
        (row.custom_id, {name: value for name, value in row.arguments.items() if value is not None})
        for row in make_file_source(path, defaults or {})
    ]


def problems(path: str) -> list[str]:
    return [str(one) for one in make_file_source(path, {}).parse_each() if not isinstance(one, BatchRow)]


def test_each_line_of_json_is_a_row_and_blank_lines_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, "shots.jsonl", '{"custom_id": "a", "seed": 3}\r\n\n{"prompt_text": "Straße\\nund Weg"}')
    assert read(path, {"duration": 10}) == [
        ("a", {"seed": 3, "duration": 10}),
        ("row-000001", {"prompt_text": "Straße\nund Weg", "duration": 10}),
    ]


def test_a_csv_with_a_header_is_a_row_each(tmp_path: Path) -> None:
    header = "\ufeffcustom_id, prompt_text ,duration,model_params\r\n"
    text = header + 'a,"big, ""red""\nshoe",10,"{""fps"": 24}"\r\n\r\nb,,,\r\n'
    assert read(write(tmp_path, "shots.CSV", text), {"prompt_text": "the task's"}) == [
        ("a", {"prompt_text": 'big, "red"\nshoe', "duration": "10", "model_params": {"fps": 24}}),
        ("b", {"prompt_text": "the task's"}),
    ]


def test_a_file_is_read_anew_by_each_iteration(tmp_path: Path) -> None:
    source = make_file_source(write(tmp_path, "shots.jsonl", '{"seed": 1}\n{"seed": 2}'), {})
    assert [list(source)[1].arguments["seed"], list(source)[1].arguments["seed"]] == [2, 2]


def test_a_file_in_another_storage_is_read(memory_storage: MemoryFileSystem) -> None:
    with memory_storage.open("/bucket/shots.csv", "wb") as file:
        file.write(b"custom_id\nshoe-1\n")
    assert read("memory://bucket/shots.csv") == [("shoe-1", {})]


def test_every_line_that_is_no_row_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "shots.jsonl", '{"seed": 1}\n{"seed": \n"a prompt"\n\n{"sed": 1}\n{"seed": 2}\n')
    found = problems(path)
    assert [text.partition(")")[0] for text in found] == ["Row 1 (line 2", "Row 2 (line 3", "Row 3 (line 5"]
    assert "is not JSON" in found[0]
    assert "is a text" in found[1]
    assert "did you mean seed?" in found[2]


def test_what_is_wrong_in_a_csv_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "shots.csv", 'custom_id,model_params\na,"{""fps"": 24}",more\nb,fps=24\nc,\n"d"x,\ne,\n')
    assert [text.split(";")[0] for text in problems(path)] == [
        "Row 0 (line 2) has 3 cells, and the header names 2 columns",
        "Row 1 (line 3) has model_params that are not JSON",
        "Row 3 (line 5) is not CSV: ',' expected after '\"'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("shots.txt", "x", "must end in .jsonl, .ndjson, .csv", id="unknown format"),
        pytest.param("shots.json", "[]", "Write each dict of the list on a line of its own", id="a JSON list"),
        pytest.param("shots.jsonl", "\n\n", "has no rows", id="empty"),
        pytest.param("shots.csv", "custom_id,seed\n", "has no rows", id="a header only"),
        pytest.param("shots.csv", "seed,seed\n1,2\n", "names a column twice: 'seed'", id="a column twice"),
        pytest.param("shots.csv", b"custom_id\ncaf\xe9\n", "is not a UTF-8 text", id="another encoding"),
        pytest.param("shots.csv", b"PK\x03\x04\x14\x00\xff\xfe", "is not a UTF-8 text", id="a workbook"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(BadInputError, match=r"Nothing was sent\.$") as refused:
        list(make_file_source(write(tmp_path, name, text), {}))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("/nowhere/shots.csv", "No such file or directory", id="no file"),
        pytest.param("nowhere://bucket/shots.csv", "Install the Airflow provider that serves it", id="no provider"),
        pytest.param("s3://no_such@bucket/shots.csv", "Add the connection, or name another in the URL", id="no conn"),
    ],
)
@pytest.mark.usefixtures("empty_connection_table")
def test_a_file_that_cannot_be_read_is_refused(path: str, said: str) -> None:
    with pytest.raises(BadInputError, match=r"The file requests_path=") as refused:
        make_file_source(path, {})
    assert said in str(refused.value)


def test_a_file_of_many_rows_is_not_held_in_memory(tmp_path: Path) -> None:
    row = '{"custom_id": "%d", "prompt_text": "' + "x" * 2000 + '"}\n'
    path = write(tmp_path, "shots.jsonl", "".join(row % number for number in range(10_000)))
    source = make_file_source(path, {})
    tracemalloc.start()
    assert sum(1 for _ in source) == 10_000
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000  # the file has 20 MB; what stays is the custom_ids
