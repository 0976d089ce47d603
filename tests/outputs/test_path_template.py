"""The path of each output: placeholders, extensions, and never a path outside the folder."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.outputs.path_template import PLACEHOLDERS, OutputPathTemplate

VALUES = {"index": 0, "request_id": "id", "model": "runway-gen4-turbo", "seed": 4711}


@pytest.mark.parametrize(
    ("output_path", "index", "target"),
    [
        pytest.param("/videos/", 0, "/videos/id.mp4", id="a folder"),
        pytest.param("/videos/", 1, "/videos/id-1.mp4", id="a folder, the second output"),
        pytest.param("/videos/clip.mp4", 0, "/videos/clip.mp4", id="a file"),
        pytest.param("/videos/clip.mp4", 2, "/videos/clip-2.mp4", id="a file, the third output"),
        pytest.param("s3://bucket/a.b/clip", 1, "s3://bucket/a.b/clip-1", id="a dot in a folder's name"),
        pytest.param("clip.mp4", 1, "clip-1.mp4", id="a bare name"),
        pytest.param("/v/{index}.mp4", 2, "/v/2.mp4", id="the index in the name"),
        pytest.param("/v/{index:03}.mp4", 2, "/v/002.mp4", id="the index, padded"),
        pytest.param("/v/{index:03d}.mp4", 2, "/v/002.mp4", id="the index, padded in full"),
        pytest.param("/v/{index}/clip.mp4", 2, "/v/2/clip.mp4", id="the index in a folder's name"),
        pytest.param("/v/{index}/", 2, "/v/2/id.mp4", id="a folder by index"),
        pytest.param("s3://b/{model}/{seed}/{request_id}.mp4", 0, "s3://b/runway-gen4-turbo/4711/id.mp4", id="all"),
        pytest.param("s3://b/{request_id}.mp4", 1, "s3://b/id-1.mp4", id="a placeholder and no index"),
        pytest.param("/v/{{{request_id}}}.mp4", 0, "/v/{id}.mp4", id="literal braces"),
    ],
)
def test_each_output_gets_its_path(output_path: str, index: int, target: str) -> None:
    assert OutputPathTemplate.parse(output_path).format_path({**VALUES, "index": index}) == target


@pytest.mark.parametrize(
    ("output_path", "index", "target"),
    [
        pytest.param("/videos/", 0, "/videos/shoe-1.mp4", id="a folder"),
        pytest.param("/videos/", 1, "/videos/shoe-1~1.mp4", id="a folder, the second output"),
        pytest.param("/v/{seed}/{custom_id}.mp4", 0, "/v/4711/shoe-1.mp4", id="a file"),
        pytest.param("/v/{custom_id}/{index}.mp4", 1, "/v/shoe-1/1.mp4", id="a folder of its own"),
        pytest.param("/v/{request_id}.mp4", 1, "/v/id-1.mp4", id="without custom_id"),
    ],
)
def test_a_row_of_a_batch_is_stored_by_its_custom_id(output_path: str, index: int, target: str) -> None:
    values = {**VALUES, "index": index, "custom_id": "shoe-1"}
    assert OutputPathTemplate.parse(output_path, is_batch=True).format_path(values) == target


def test_only_a_file_in_a_folder_gets_the_extension_of_its_type() -> None:
    assert OutputPathTemplate.parse("/v/").format_path(VALUES, ".png") == "/v/id.png"
    assert OutputPathTemplate.parse("/v/").format_path({**VALUES, "index": 1}, ".png") == "/v/id-1.png"
    assert OutputPathTemplate.parse("/v/clip.mp4").format_path(VALUES, ".png") == "/v/clip.mp4"


@pytest.mark.parametrize(
    ("output_path", "why"),
    [
        pytest.param("", "give a file", id="empty"),
        pytest.param("  ", "give a file", id="blanks"),
        pytest.param(None, "give a file", id="None"),
        pytest.param("/v/{name}.mp4", "{name} is no placeholder", id="an unknown placeholder"),
        pytest.param("/v/{custom_id}.mp4", "{custom_id} is no placeholder", id="a placeholder of batches"),
        pytest.param("/v/{}.mp4", "{} is no placeholder", id="empty braces"),
        pytest.param("/v/{0}.mp4", "{0} is no placeholder", id="a number"),
        pytest.param("/v/{index.real}.mp4", "{index.real} is no placeholder", id="an attribute"),
        pytest.param("/v/{request_id[0]}.mp4", "is no placeholder", id="an item"),
        pytest.param("/v/{index!r}.mp4", "takes no format", id="a conversion"),
        pytest.param("/v/{request_id:>9}.mp4", "takes no format", id="a format"),
        pytest.param("/v/{index:099999999}.mp4", "takes no format", id="a huge width"),
        pytest.param("/v/{index:{seed}}.mp4", "takes no format", id="a placeholder in a format"),
        pytest.param("/v/{index.mp4", "expected '}'", id="an open brace"),
        pytest.param("/v/index}.mp4", "Single '}'", id="a closing brace alone"),
    ],
)
def test_a_malformed_path_is_refused(output_path: Any, why: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(why)):
        OutputPathTemplate.parse(output_path)


def test_the_refusal_lists_every_placeholder() -> None:
    with pytest.raises(BadInputError) as caught:
        OutputPathTemplate.parse("/v/{date}/")
    for name in PLACEHOLDERS:
        assert f"{{{name}}}" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..", "unknown"),
        (".hidden", "hidden"),
        ("a/b\\c\0d e@f:g", "a-b-c-d-e-f-g"),
        (None, "unknown"),
    ],
)
def test_a_value_becomes_part_of_one_name(value: Any, name: str) -> None:
    assert (
        OutputPathTemplate.parse("/v/{model}/clip.mp4").format_path({**VALUES, "model": value}) == f"/v/{name}/clip.mp4"
    )


@given(st.text(), st.sampled_from(["/v/{model}", "/v/{model}/", "/v/a{model}b/{model}", "s3://b/{model}/{index}/x"]))
def test_no_value_changes_the_folder(value: str, output_path: str) -> None:
    path = OutputPathTemplate.parse(output_path).format_path({**VALUES, "model": value})
    plain = OutputPathTemplate.parse(output_path).format_path({**VALUES, "model": "m"})
    assert path.count("/") == plain.count("/")
    assert not {"", ".", ".."} & set(path.removeprefix("s3://").removeprefix("/").split("/"))


@pytest.mark.parametrize(
    "output_path", ["/v/", "/v/c.mp4", "/v/c", "/v/{index}/", "/v/{seed}.tar.gz", "/v/{index:02}-{request_id}.mp4"]
)
def test_no_two_outputs_of_a_job_share_a_path(output_path: str) -> None:
    template = OutputPathTemplate.parse(output_path)
    paths = [
        template.format_path({**VALUES, "index": index}, extension)
        for index, extension in enumerate([".mp4", ".png"] * 60)
    ]
    assert len(set(paths)) == len(paths)
