"""The life of a job, with the time handed in."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from airflow_provider_runway.emulator.catalogue import MODELS, clip_for, cost_usd, model_of
from airflow_provider_runway.emulator.faults import read_rule
from airflow_provider_runway.emulator.jobs import Job, State, make_job

BODY = {"promptText": "x", "promptImage": "https://example.com/x.png"}
BODIES = {"runway-gen4-aleph": {"prompt": "x", "video": "https://example.com/x.mp4"}}


def a_job(
    slug: str = "runway-gen3-alphaturbo", dice: int | random.Random = 0, rules: tuple[str, ...] = (), **fields: object
) -> Job:
    """Return a job submitted at instant 1000."""
    return make_job(
        call="submit",
        model=model_of(slug),
        body={**BODIES.get(slug, BODY), **fields},
        account="SG_0123456789abcdef",
        now=1000.0,
        dice=dice if isinstance(dice, random.Random) else random.Random(dice),
        time_scale=1.0,
        lag_range_s=(0.0, 0.0),
        traits=tuple(read_rule(rule) for rule in rules),
    )


@pytest.mark.parametrize("slug", [*MODELS, "any-other"])
def test_latencies_spread_around_the_documented_mean(slug):
    dice = random.Random(7)
    times = [(job := a_job(slug, dice)).queue_s + job.run_s for _ in range(2000)]
    assert statistics.mean(times) == pytest.approx(model_of(slug).mean_latency_s, rel=0.03)
    assert min(times) > model_of(slug).mean_latency_s * 0.3
    assert statistics.stdev(times) > model_of(slug).mean_latency_s * 0.1


def test_the_same_seed_gives_the_same_times_and_other_ids():
    one, two = a_job(dice=3), a_job(dice=3)
    assert (one.queue_s, one.run_s, one.seed) == (two.queue_s, two.run_s, two.seed)
    assert one.request_id != two.request_id


@pytest.mark.parametrize(
    ("rules", "states", "billable"),
    [
        pytest.param((), ["QUEUED", "PROCESSING", "COMPLETED"], True, id="a good job"),
        pytest.param(("submit:job_fails",), ["QUEUED", "PROCESSING", "FAILED"], False, id="a job that fails"),
        pytest.param(("submit:job_latency:seconds=0",), ["COMPLETED"] * 3, True, id="a job that takes no time"),
    ],
)
def test_the_states_follow_the_clock(rules, states, billable):
    job = a_job(rules=rules)
    moments = (job.submitted_at, (job.started_at + job.ends_at) / 2, job.ends_at)
    assert [job.state_at(moment) for moment in moments] == states
    assert job.billable is billable


def test_a_job_that_sticks_never_ends():
    job = a_job(rules=("submit:job_sticks",))
    assert job.ends_at == math.inf
    assert job.state_at(1e12) is State.PROCESSING


def test_bad_inputs_fail_early():
    good, bad = a_job(dice=5), a_job(dice=5, ratio="3:2")
    assert bad.ends_at - bad.submitted_at < (good.ends_at - good.submitted_at) / 4


@pytest.mark.parametrize(
    ("fields", "clip", "cost"),
    [
        pytest.param({}, "05s-16x9.mp4", 0.5, id="defaults"),
        pytest.param({"duration": "10"}, "10s-16x9.mp4", 1.0, id="ten seconds as text"),
        pytest.param({"ratio": "9:16"}, "05s-9x16.mp4", 0.5, id="upright"),
        pytest.param({"ratio": "832:1104", "duration": 10}, "10s-9x16.mp4", 1.0, id="upright in pixels"),
        pytest.param({"aspect_ratio": "720:1280"}, "05s-9x16.mp4", 0.5, id="upright under aleph's name"),
        pytest.param({"ratio": "960:960"}, "05s-16x9.mp4", 0.5, id="a square counts as wide"),
    ],
)
def test_length_and_ratio_choose_clip_and_cost(fields, clip, cost):
    assert clip_for(BODY | fields) == clip
    assert cost_usd(BODY | fields) == cost
