"""The form of a batch's rows: defaults, names, custom_ids, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from airflow_provider_runway.batch.batch_rows import ROW_ARGUMENTS, BatchRow, make_list_source, parse_row
from airflow_provider_runway.exceptions import BadInputError

DEFAULTS = {"prompt_text": "the task's", "duration": 5, "model": "a-model", "model_params": {"motion": 1, "fps": 24}}


def test_a_row_wins_over_the_task_and_the_task_fills_the_rest() -> None:
    row = parse_row(0, {"prompt_text": "its own", "seed": 7}, DEFAULTS)
    assert set(row.arguments) == set(ROW_ARGUMENTS)
    given = {name: value for name, value in row.arguments.items() if value is not None}
    assert given == {**DEFAULTS, "prompt_text": "its own", "seed": 7}


def test_none_in_a_row_means_not_given() -> None:
    assert parse_row(0, {"prompt_text": None, "custom_id": None}, DEFAULTS).arguments["prompt_text"] == "the task's"


def test_model_params_are_merged_and_those_of_the_row_win() -> None:
    row = parse_row(0, {"model_params": {"fps": 30}}, DEFAULTS)
    assert row.arguments["model_params"] == {"motion": 1, "fps": 30}
    assert DEFAULTS["model_params"] == {"motion": 1, "fps": 24}


def test_rows_without_a_custom_id_are_named_by_their_place() -> None:
    rows = list(make_list_source([{"seed": 1}] * 18, {}))
    assert (rows[0].custom_id, rows[17].custom_id) == ("row-000000", "row-000017")
    assert [row.index for row in rows] == list(range(18))


def test_a_whole_number_is_a_custom_id() -> None:
    assert parse_row(0, {"custom_id": 4711}, {}).custom_id == "4711"


def test_a_custom_id_that_cannot_name_a_file_is_refused(subtests: pytest.Subtests) -> None:
    for custom_id in (
        "",
        "a/b",
        "..",
        ".hidden",
        "a b",
        "-rf",
        "café",
        "a\n",
        "x" * 101,
        True,
        1.5,
        ["a"],
        b"a",
        "{request_id}",
        "a~1",
    ):
        with (
            subtests.test(custom_id=custom_id),
            pytest.raises(BadInputError, match=r"Row 3 has the custom_id .* cannot name its video's file; allowed: "),
        ):
            parse_row(3, {"custom_id": custom_id}, {})


def test_what_is_no_row_is_refused_with_what_to_do(subtests: pytest.Subtests) -> None:
    for case, value, said in (
        ("text", "a prompt", "Row 2 is a text; give a dict such as"),
        ("None", None, "Row 2 is None"),
        ("list", ["a"], "Row 2 is of type list"),
        ("typo", {"promt_text": "x"}, "unknown name 'promt_text' (did you mean prompt_text?)"),
        ("two names", {"promptText": "x", "sku": 1}, "unknown names 'promptText', 'sku' (did you mean"),
        ("an argument of the task only", {"runway_conn_id": "x"}, "unknown name 'runway_conn_id'"),
        ("a number as a name", {1: "x"}, "unknown name 1; allowed: custom_id, prompt_text"),
        ("semicolons", {"custom_id;prompt_text": "a;b"}, "separated by semicolons; separate them by"),
    ):
        with subtests.test(case):
            with pytest.raises(BadInputError) as refused:
                parse_row(2, value, {})
            assert said in str(refused.value)
            assert "a prompt" not in str(refused.value)


def test_requests_that_are_no_list_of_rows_are_refused(subtests: pytest.Subtests) -> None:
    for case, requests, said in (
        ("text", "[{'prompt_text': 'x'}]", "requests=upstream.output"),
        ("bytes", b"x", "is a bytes value"),
        ("dict", {"prompt_text": "x"}, "is one dict; give a list of dicts"),
        ("number", 5, "is of type int"),
        ("iterator", iter([{}]), "is of type list_iterator"),
        ("None", None, "is of type NoneType"),
        ("empty", [], "empty list"),
        ("empty tuple", (), "empty list"),
    ):
        with subtests.test(case):
            with pytest.raises(BadInputError, match=r"Nothing was sent\.$") as refused:
                make_list_source(requests, {})
            assert said in str(refused.value)


def test_any_sequence_is_taken_and_read_once() -> None:
    class LazyXCom(Sequence[Any]):
        reads = 0

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("an XCom of mapped tasks is read as a whole")

        def __iter__(self) -> Iterator[Any]:
            LazyXCom.reads += 1
            return iter([{"custom_id": "a"}, {"custom_id": "b"}])

    source = make_list_source(LazyXCom(), {})
    assert [row.custom_id for row in source] == [row.custom_id for row in source] == ["a", "b"]
    assert LazyXCom.reads == 1


def test_two_rows_with_one_custom_id_are_refused_by_both_places() -> None:
    source = make_list_source([{"custom_id": "a"}, {"custom_id": "row-000002"}, {}, {"custom_id": "a"}], {})
    parsed = list(source.parse_each())
    assert [isinstance(one, BatchRow) for one in parsed] == [True, True, False, False]
    assert "Row 2 has the custom_id 'row-000002' of row 1" in str(parsed[2])
    assert "Row 3 has the custom_id 'a' of row 0" in str(parsed[3])
    with pytest.raises(BadInputError, match=r"^Row 2 has .* Nothing was sent\.$"):
        list(source)


def test_neither_prompts_nor_images_show_in_a_row_that_is_printed() -> None:
    assert "secret" not in repr(parse_row(0, {"prompt_text": "secret"}, {}))
