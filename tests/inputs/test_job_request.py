"""The seed tells tries, siblings and generations apart, and the fingerprint hides the inputs."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from airflow_provider_runway.inputs.job_request import MAX_SEED, JobIdentity, fingerprint, same_body

NAMES = some.text(string.ascii_letters + string.digits + "_-.:+", min_size=1, max_size=40)
IDENTITIES = some.builds(JobIdentity, NAMES, NAMES, NAMES, some.integers(-1, MAX_SEED - 2))
GENERATIONS = some.integers(0, 50)
SCALARS = some.none() | some.booleans() | some.integers() | some.text(max_size=20)
BODIES = some.dictionaries(some.text(min_size=1, max_size=10), SCALARS, max_size=5)


@given(IDENTITIES, GENERATIONS)
def test_a_seed_is_one_that_every_model_takes(identity: JobIdentity, generation: int) -> None:
    assert 1 <= identity.seed(generation) <= MAX_SEED


@given(IDENTITIES, GENERATIONS)
def test_each_try_of_a_task_instance_has_the_same_seed(identity: JobIdentity, generation: int) -> None:
    again = JobIdentity(identity.dag_id, identity.task_id, identity.run_id, identity.map_index)
    assert again.seed(generation) == identity.seed(generation)


@given(NAMES, NAMES, NAMES, GENERATIONS, some.sets(some.integers(0, MAX_SEED - 1), min_size=2, max_size=200))
def test_no_two_mapped_siblings_share_a_seed(
    dag_id: str, task_id: str, run_id: str, generation: int, indexes: set[int]
) -> None:
    seeds = {JobIdentity(dag_id, task_id, run_id, index).seed(generation) for index in indexes}
    assert len(seeds) == len(indexes)


def test_neighbouring_generations_differ_for_every_one_of_many_tasks() -> None:
    identities = [JobIdentity("videos", f"task-{number}", "run") for number in range(500)]
    assert all(len({it.seed(generation) for generation in range(4)}) == 4 for it in identities)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(JobIdentity("a", "bc", "r"), JobIdentity("ab", "c", "r"), id="names do not run together"),
        pytest.param(JobIdentity("d", "t", "r"), JobIdentity("d", "t", "s"), id="another run"),
        pytest.param(JobIdentity("d", "t", "r"), JobIdentity("d", "u", "r"), id="another task"),
        pytest.param(JobIdentity("d", "t", "r"), JobIdentity("e", "t", "r"), id="another DAG"),
    ],
)
def test_another_task_instance_has_another_seed(one: JobIdentity, other: JobIdentity) -> None:
    assert one.seed(0) != other.seed(0)


BODY = {"promptText": "a lighthouse", "promptImage": "https://pictures.example/1.png", "duration": 5}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("another", "model", BODY, None), id="connection"),
        pytest.param(("conn", "another", BODY, None), id="model"),
        pytest.param(("conn", "model", {**BODY, "promptText": "a Lighthouse"}, None), id="prompt"),
        pytest.param(("conn", "model", {**BODY, "duration": 10}, None), id="duration"),
        pytest.param(("conn", "model", {**BODY, "seed": 1}, None), id="a seed of the author's"),
        pytest.param(("conn", "model", BODY, "digest"), id="picture"),
    ],
)
def test_each_input_changes_the_fingerprint(other: tuple[str, str, dict[str, Any], str | None]) -> None:
    assert fingerprint(*other) != fingerprint("conn", "model", BODY, None)


@given(BODIES)
def test_the_order_of_the_fields_does_not_matter(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))
    assert fingerprint("conn", "model", turned) == fingerprint("conn", "model", body)


@given(BODIES)
def test_nothing_can_be_read_from_a_fingerprint(body: dict[str, Any]) -> None:
    digest = fingerprint("conn", "model", body)
    assert len(digest) == 16
    assert set(digest) <= set("0123456789abcdef")


@given(BODIES)
def test_a_body_is_the_same_as_itself(body: dict[str, Any]) -> None:
    assert same_body(body, body)


@pytest.mark.parametrize(
    ("sent", "recorded", "same"),
    [
        pytest.param({"duration": 5}, {"duration": "5"}, True, id="a number as text"),
        pytest.param({"duration": "5"}, {"duration": 5}, True, id="a text as number"),
        pytest.param({"strength": 0.5}, {"strength": "0.5"}, True, id="a fraction as text"),
        pytest.param({"strength": 5.0}, {"strength": 5}, True, id="a whole fraction"),
        pytest.param({"seed": 7}, {"seed": 7, "ratio": "16:9"}, True, id="a default that the gateway added"),
        pytest.param({"seed": 7}, {"seed": 8}, False, id="another seed"),
        pytest.param({"seed": 7}, {}, False, id="a field that is missing"),
        pytest.param({"list": [1, {"a": 2}]}, {"list": ["1", {"a": "2"}]}, True, id="numbers deep inside"),
        pytest.param({"flag": True}, {"flag": 1}, False, id="a yes is no number"),
        pytest.param({"flag": True}, {"flag": True}, True, id="a yes is a yes"),
        pytest.param({"text": "a"}, {"text": "a "}, False, id="a blank counts"),
    ],
)
def test_two_bodies_are_compared_across_encodings(sent: dict[str, Any], recorded: dict[str, Any], same: bool) -> None:
    assert same_body(sent, recorded) is same


def test_a_field_that_differs_by_nature_is_not_compared() -> None:
    sent, recorded = {"promptImage": "https://a/1", "seed": 7}, {"promptImage": "https://a/2", "seed": 7}
    assert same_body(sent, recorded, frozenset({"promptImage"}))
    assert not same_body(sent, recorded)
