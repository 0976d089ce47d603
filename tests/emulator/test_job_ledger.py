"""Jobs: their random times, their statuses and costs, with the time handed in."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from airflow_provider_runway.emulator.fault_rules import parse_rule
from airflow_provider_runway.emulator.job_handlers import make_job
from airflow_provider_runway.emulator.job_ledger import Job, JobStatus
from airflow_provider_runway.emulator.model_rules import MODELS, get_model_rules

BODY = {"promptText": "x", "promptImage": "https://example.com/x.png"}
IMAGES = [{"uri": "https://example.com/x.png", "tag": "flower"}]
BODIES: dict[str, dict[str, object]] = {
    "runway-gen4-aleph": {"prompt": "x", "video": "https://example.com/x.mp4"},
    "runway-gen4-image": {"promptText": "x", "referenceImages": IMAGES},
}


def make_sample_job(
    slug: str = "runway-gen3-alphaturbo",
    rng: random.Random | None = None,
    rules: tuple[str, ...] = (),
    **fields: object,
) -> Job:
    """Return a job that was submitted at the time 1000."""
    return make_job(
        call="submit",
        rules=get_model_rules(slug),
        body={**BODIES.get(slug, BODY), **fields},
        account="SG_0123456789abcdef",
        now=1000.0,
        rng=rng or random.Random(5),
        time_scale=1.0,
        lag_range_s=(0.0, 0.0),
        faults=tuple(parse_rule(rule) for rule in rules),
    )


def test_latencies_vary_around_the_documented_mean():
    for slug in (*MODELS, "any-other"):
        rng = random.Random(7)
        jobs = [make_sample_job(slug, rng) for _ in range(2000)]
        latencies = [job.finished_at - job.submitted_at for job in jobs]
        mean_s = get_model_rules(slug).mean_latency_s
        assert statistics.mean(latencies) == pytest.approx(mean_s, rel=0.03)
        assert min(latencies) > mean_s * 0.3
        assert statistics.stdev(latencies) > mean_s * 0.1


def test_the_same_seed_gives_the_same_times_and_another_request_id():
    one, two = make_sample_job(), make_sample_job()
    assert (one.queue_s, one.run_s, one.seed) == (two.queue_s, two.run_s, two.seed)
    assert one.request_id != two.request_id


def test_the_status_follows_the_time(subtests):
    for rules, statuses, is_billable in (
        ((), ["QUEUED", "PROCESSING", "COMPLETED"], True),
        (("submit:job_fails",), ["QUEUED", "PROCESSING", "FAILED"], False),
        (("submit:job_latency:seconds=0",), ["COMPLETED"] * 3, True),
    ):
        with subtests.test(rules=rules, statuses=statuses, is_billable=is_billable):
            job = make_sample_job(rules=rules)
            times = (job.submitted_at, (job.started_at + job.finished_at) / 2, job.finished_at)
            assert [job.get_status(now) for now in times] == statuses
            assert job.is_billable is is_billable


def test_a_stuck_job_never_finishes():
    job = make_sample_job(rules=("submit:job_sticks",))
    assert job.finished_at == math.inf
    assert job.get_status(1e12) is JobStatus.PROCESSING


def test_a_job_with_invalid_input_fails_early():
    valid, invalid = make_sample_job(), make_sample_job(ratio="3:2")
    assert invalid.finished_at - invalid.submitted_at < (valid.finished_at - valid.submitted_at) / 4


def test_length_and_ratio_decide_sample_file_and_cost():
    for fields, sample_file, cost in (
        ({}, "05s-16x9.mp4", 0.5),
        ({"duration": "10"}, "10s-16x9.mp4", 1.0),
        ({"ratio": "9:16"}, "05s-9x16.mp4", 0.5),
        ({"aspect_ratio": "720:1280"}, "05s-9x16.mp4", 0.5),
        ({"ratio": "960:960"}, "05s-16x9.mp4", 0.5),
    ):
        job = make_sample_job(**fields)
        assert (job.sample_file, job.cost) == (sample_file, cost)
