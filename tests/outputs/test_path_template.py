"""The path of each output: placeholders, extensions, and never a path outside the folder."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.outputs.path_template import PLACEHOLDERS, OutputPathTemplate, check_extension

VALUES = {"index": 0, "request_id": "id", "model": "runway-gen4-turbo", "seed": 4711}


def test_each_output_gets_its_path(subtests: pytest.Subtests) -> None:
    for case, output_path, index, target in (
        ("a folder", "/videos/", 0, "/videos/id.mp4"),
        ("a folder, the second output", "/videos/", 1, "/videos/id-1.mp4"),
        ("a file", "/videos/clip.mp4", 0, "/videos/clip.mp4"),
        ("a file, the third output", "/videos/clip.mp4", 2, "/videos/clip-2.mp4"),
        ("a dot in a folder's name", "s3://bucket/a.b/clip", 1, "s3://bucket/a.b/clip-1"),
        ("a bare name", "clip.mp4", 1, "clip-1.mp4"),
        ("the index in the name", "/v/{index}.mp4", 2, "/v/2.mp4"),
        ("the index, padded", "/v/{index:03}.mp4", 2, "/v/002.mp4"),
        ("the index, padded in full", "/v/{index:03d}.mp4", 2, "/v/002.mp4"),
        ("the index in a folder's name", "/v/{index}/clip.mp4", 2, "/v/2/clip.mp4"),
        ("a folder by index", "/v/{index}/", 2, "/v/2/id.mp4"),
        ("all", "s3://b/{model}/{seed}/{request_id}.mp4", 0, "s3://b/runway-gen4-turbo/4711/id.mp4"),
        ("a placeholder and no index", "s3://b/{request_id}.mp4", 1, "s3://b/id-1.mp4"),
        ("literal braces", "/v/{{{request_id}}}.mp4", 0, "/v/{id}.mp4"),
    ):
        with subtests.test(case):
            assert OutputPathTemplate.parse(output_path).format_path({**VALUES, "index": index}) == target


def test_a_row_of_a_batch_is_stored_by_its_custom_id(subtests: pytest.Subtests) -> None:
    for case, output_path, index, target in (
        ("a folder", "/videos/", 0, "/videos/shoe-1.mp4"),
        ("a folder, the second output", "/videos/", 1, "/videos/shoe-1~1.mp4"),
        ("a file", "/v/{seed}/{custom_id}.mp4", 0, "/v/4711/shoe-1.mp4"),
        ("a folder of its own", "/v/{custom_id}/{index}.mp4", 1, "/v/shoe-1/1.mp4"),
        ("without custom_id", "/v/{request_id}.mp4", 1, "/v/id-1.mp4"),
    ):
        values = {**VALUES, "index": index, "custom_id": "shoe-1"}
        with subtests.test(case):
            assert OutputPathTemplate.parse(output_path, is_batch=True).format_path(values) == target


def test_only_a_file_in_a_folder_gets_the_extension_of_its_type() -> None:
    assert OutputPathTemplate.parse("/v/").format_path(VALUES, ".png") == "/v/id.png"
    assert OutputPathTemplate.parse("/v/").format_path({**VALUES, "index": 1}, ".png") == "/v/id-1.png"
    assert OutputPathTemplate.parse("/v/clip.mp4").format_path(VALUES, ".png") == "/v/clip.mp4"


def test_a_malformed_path_is_refused(subtests: pytest.Subtests) -> None:
    for case, output_path, why in (
        ("empty", "", "give a file"),
        ("blanks", "  ", "give a file"),
        ("None", None, "give a file"),
        ("an unknown placeholder", "/v/{name}.mp4", "{name} is no placeholder"),
        ("a placeholder of batches", "/v/{custom_id}.mp4", "{custom_id} is no placeholder"),
        ("empty braces", "/v/{}.mp4", "{} is no placeholder"),
        ("a number", "/v/{0}.mp4", "{0} is no placeholder"),
        ("an attribute", "/v/{index.real}.mp4", "{index.real} is no placeholder"),
        ("an item", "/v/{request_id[0]}.mp4", "is no placeholder"),
        ("a conversion", "/v/{index!r}.mp4", "takes no format"),
        ("a format", "/v/{request_id:>9}.mp4", "takes no format"),
        ("a huge width", "/v/{index:099999999}.mp4", "takes no format"),
        ("a placeholder in a format", "/v/{index:{seed}}.mp4", "takes no format"),
        ("an open brace", "/v/{index.mp4", "expected '}'"),
        ("a closing brace alone", "/v/index}.mp4", "Single '}'"),
    ):
        with subtests.test(case), pytest.raises(BadInputError, match=re.escape(why)):
            OutputPathTemplate.parse(output_path)


def test_the_refusal_lists_every_placeholder() -> None:
    with pytest.raises(BadInputError) as caught:
        OutputPathTemplate.parse("/v/{date}/")
    for name in PLACEHOLDERS:
        assert f"{{{name}}}" in str(caught.value)


def test_a_value_becomes_part_of_one_name(subtests: pytest.Subtests) -> None:
    for value, name in (
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..", "unknown"),
        (".hidden", "hidden"),
        ("a/b\\c\0d e@f:g", "a-b-c-d-e-f-g"),
        (None, "unknown"),
    ):
        with subtests.test(value=value, name=name):
            assert (
                OutputPathTemplate.parse("/v/{model}/clip.mp4").format_path({**VALUES, "model": value})
                == f"/v/{name}/clip.mp4"
            )


@given(st.text(), st.sampled_from(["/v/{model}", "/v/{model}/", "/v/a{model}b/{model}", "s3://b/{model}/{index}/x"]))
def test_no_value_changes_the_folder(value: str, output_path: str) -> None:
    path = OutputPathTemplate.parse(output_path).format_path({**VALUES, "model": value})
    plain = OutputPathTemplate.parse(output_path).format_path({**VALUES, "model": "m"})
    assert path.count("/") == plain.count("/")
    assert not {"", ".", ".."} & set(path.removeprefix("s3://").removeprefix("/").split("/"))


def test_no_two_outputs_of_a_job_share_a_path(subtests: pytest.Subtests) -> None:
    for output_path in ("/v/", "/v/c.mp4", "/v/c", "/v/{index}/", "/v/{seed}.tar.gz", "/v/{index:02}-{request_id}.mp4"):
        with subtests.test(output_path=output_path):
            template = OutputPathTemplate.parse(output_path)
            paths = [
                template.format_path({**VALUES, "index": index}, extension)
                for index, extension in enumerate([".mp4", ".png"] * 60)
            ]
            assert len(set(paths)) == len(paths)


def test_a_file_name_must_not_say_another_kind_of_media_than_the_model_makes(subtests: pytest.Subtests) -> None:
    for case, output_path, slug, is_refused in (
        ("a video as .mp4", "clips/{request_id}.mp4", "runway-gen4-turbo", False),
        ("a video as .PNG", "clips/still.PNG", "runway-gen4-turbo", True),
        ("an image as .png", "stills/{request_id}.png", "runway-gen4-image", False),
        ("an image as .mp4", "s3://bucket/stills/1.mp4", "runway-gen4-image", True),
        ("a folder", "stills.mp4/", "runway-gen4-image", False),
        ("an extension of neither", "stills/1.dat", "runway-gen4-image", False),
        ("a model that is not known", "stills/1.png", "veo-9", False),
    ):
        with subtests.test(case):
            try:
                check_extension(output_path, slug)
            except BadInputError as problem:
                assert is_refused
                assert "ends in '/'" in str(problem)
            else:
                assert not is_refused
