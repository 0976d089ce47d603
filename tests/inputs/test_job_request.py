"""The derived seed tells task instances and generations apart, and the fingerprint hides the inputs."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.inputs.job_request import MAX_SEED, JobIdentity, fingerprint

NAMES = st.text(string.ascii_letters + string.digits + "_-.:+", min_size=1, max_size=40)
BODIES = st.dictionaries(
    st.text(min_size=1, max_size=10),
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    max_size=5,
)


@given(st.builds(JobIdentity, NAMES, NAMES, NAMES, st.integers(-1, MAX_SEED - 2)), st.integers(0, 50))
def test_every_try_of_a_task_instance_gets_the_same_allowed_seed(identity: JobIdentity, generation: int) -> None:
    again = JobIdentity(identity.dag_id, identity.task_id, identity.run_id, identity.map_index)
    assert 1 <= identity.seed(generation) <= MAX_SEED
    assert again.seed(generation) == identity.seed(generation)


@given(NAMES, NAMES, NAMES, st.integers(0, 50), st.sets(st.integers(0, MAX_SEED - 1), min_size=2, max_size=200))
def test_no_two_mapped_instances_of_a_run_share_a_seed(
    dag_id: str, task_id: str, run_id: str, generation: int, indexes: set[int]
) -> None:
    seeds = {JobIdentity(dag_id, task_id, run_id, index).seed(generation) for index in indexes}
    assert len(seeds) == len(indexes)


def test_neighbouring_generations_of_500_tasks_differ() -> None:
    identities = [JobIdentity("videos", f"task-{number}", "run") for number in range(500)]
    assert all(len({identity.seed(generation) for generation in range(4)}) == 4 for identity in identities)


def test_another_dag_task_or_run_has_another_seed() -> None:
    parts = [("d", "t", "r"), ("e", "t", "r"), ("d", "u", "r"), ("d", "t", "s"), ("a", "bc", "r"), ("ab", "c", "r")]
    assert len({JobIdentity(*part).seed(0) for part in parts}) == len(parts)


BODY = {"promptText": "a lighthouse", "promptImage": "https://images.example/1.png", "duration": 5}


def test_each_input_changes_the_fingerprint(subtests: pytest.Subtests) -> None:
    for case, changed in (
        ("connection", ("another", "model", BODY, None)),
        ("model", ("conn", "another", BODY, None)),
        ("prompt", ("conn", "model", {**BODY, "promptText": "a Lighthouse"}, None)),
        ("seed of the author", ("conn", "model", {**BODY, "seed": 1}, None)),
        ("image", ("conn", "model", BODY, "digest")),
    ):
        with subtests.test(case):
            assert fingerprint(*changed) != fingerprint("conn", "model", BODY, None)


@given(BODIES)
def test_a_fingerprint_is_a_short_digest_whatever_the_order_of_the_fields(body: dict[str, Any]) -> None:
    digest = fingerprint("conn", "model", body)
    assert fingerprint("conn", "model", dict(reversed(body.items()))) == digest
    assert len(digest) == 16
    assert set(digest) <= set("0123456789abcdef")
