"""Every documented form of an output ends in ``output_urls``: once, and in the order of the record."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.segmind.response_parsers import extract_output_urls
from airflow_provider_runway.segmind.user_messages import where_output_is

A, B, C = (f"https://images.segmind.com/{name}" for name in "abc")


@pytest.mark.parametrize(
    ("record", "urls"),
    [
        pytest.param({"output": A}, [A], id="a text"),
        pytest.param({"output": f" {A}\n"}, [A], id="a text with space around it"),
        pytest.param({"output": [A, B]}, [A, B], id="a list"),
        pytest.param({"output": {"url": A}}, [A], id="an object"),
        pytest.param({"output": [{"url": A}, {"url": B}]}, [A, B], id="a list of objects"),
        pytest.param({"output": {"video": {"url": A}}}, [A], id="an object with a video"),
        pytest.param({"output": {"images": [{"url": A}, B]}}, [A, B], id="an object with images"),
        pytest.param({"output": [{"url": [A, B]}]}, [A, B], id="lists in objects"),
        pytest.param({"video": A}, [A], id="a video as a text"),
        pytest.param({"video": {"url": A, "last_frame_url": B}}, [A], id="a video as an object"),
        pytest.param({"images": [A, B]}, [A, B], id="images as texts"),
        pytest.param({"images": [{"url": A}, {"url": B}]}, [A, B], id="images as objects"),
        pytest.param({"images": [{"url": B}, A, {"url": B}]}, [B, A], id="mixed, with one twice"),
        pytest.param({"images": [C], "video": {"url": B}, "output": A}, [A, B, C], id="all, in any order"),
        pytest.param({"output": A, "video": {"url": A}, "images": [{"url": A}]}, [A], id="one, said three times"),
        pytest.param({"output": ["HTTPS://images.segmind.com/a"]}, ["HTTPS://images.segmind.com/a"], id="loud"),
        pytest.param({"output": ["ftp://a/b", "data:image/png;base64,AA", 7, None, "", {}]}, [], id="nothing of use"),
        pytest.param({"output": {"url": None}, "video": 5, "images": "none"}, [], id="fields of other types"),
        pytest.param({}, [], id="nothing"),
    ],
)
def test_every_form_is_read(record: dict[str, Any], urls: list[str]) -> None:
    assert list(extract_output_urls(record)) == urls


def test_a_record_without_a_bottom_is_not_followed_to_it() -> None:
    nested: Any = A
    for _ in range(5000):
        nested = [nested]
    assert extract_output_urls({"output": nested, "video": B}) == (B,)


def test_where_an_output_is_said_without_what_may_be_a_secret() -> None:
    said = where_output_is("https://me:secret@images.segmind.com/a@b.mp4?c=@", submitted_at=0.0)
    assert said == "The output is at https://images.segmind.com/a@b.mp4?c=@ until 1970-01-08T00:00:00+00:00."
    assert where_output_is(A, submitted_at=None) == f"The output is at {A} for 7 days."
