"""An image is known by its bytes and not by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.images import (
    MAX_IMAGE_BYTES,
    check_image,
    decode_data_url,
    detect_image_type,
    make_data_url,
)

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_three_types_are_detected(subtests: pytest.Subtests) -> None:
    for case, data, mime in (
        ("JPEG", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("WebP", b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("PNG of exactly 16 MB", PNG + bytes(MAX_IMAGE_BYTES - len(PNG)), "image/png"),
    ):
        with subtests.test(case):
            assert check_image(data, "a.txt") == mime


def test_anything_else_is_refused_by_its_name(subtests: pytest.Subtests) -> None:
    for case, data, words in (
        ("empty", b"", "is empty"),
        ("another RIFF", b"RIFF\x10\x00\x00\x00WAVE", "JPEG, PNG or WebP"),
        ("a page", b"<html>", "JPEG, PNG or WebP"),
        ("too large", PNG + bytes(MAX_IMAGE_BYTES), "more than 16 MB"),
    ):
        with subtests.test(case):
            with pytest.raises(BadInputError, match=words) as caught:
                check_image(data, "a.png")
            assert "a.png" in str(caught.value)


@given(st.binary(max_size=32))
def test_any_bytes_can_be_examined(data: bytes) -> None:
    assert detect_image_type(data) in {None, "image/png", "image/jpeg", "image/webp"}


@given(st.binary(max_size=64))
def test_an_image_is_the_same_from_its_data_url(data: bytes) -> None:
    assert decode_data_url(make_data_url(PNG + data)) == PNG + data


def test_only_an_image_becomes_a_data_url() -> None:
    with pytest.raises(BadInputError, match="is not a JPEG"):
        make_data_url(b"GIF89a")


@given(st.text(max_size=40))
def test_decoding_any_data_url_raises_nothing_but_bad_input(text: str) -> None:
    for url in (f"data:{text}", f"data:image/png;base64,{text}"):
        try:
            assert isinstance(decode_data_url(url), bytes)
        except BadInputError as problem:
            assert "prompt_image" in str(problem)
