"""Handlers of the calls for jobs and credits: submit, status, result, the blocking call and the balance.

The middlewares of :mod:`.middlewares` have checked key and rate limit, and matched the faults, before a handler runs.
"""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from typing import Any

from .api_responses import (
    ApiResponse,
    build_result_response,
    build_status_response,
    build_submit_response,
    make_error_response,
    make_html_response,
    make_json_response,
    make_out_of_credits_error,
    make_unknown_request_error,
)
from .fault_rules import FaultRule
from .job_ledger import Job, JobStatus
from .media_handlers import get_content_type, read_sample_file
from .middlewares import ApiCall, parse_body
from .model_rules import (
    CONTENT_BLOCK_ERROR,
    ModelRules,
    choose_sample_file,
    compute_cost_usd,
    find_invalid_input,
    find_missing_fields,
    find_slug_refusal,
    get_model_rules,
)
from .rate_limits import format_reset_time

#: Sigma of the log-normal latency; its mean is the documented one.
LATENCY_SIGMA = 0.22
#: Share of its latency that a job waits in the queue.
QUEUE_SHARE = 0.12
#: A job with invalid input fails early, after this share of its latency.
INVALID_INPUT_SHARE = 0.15
#: The blocking call gives up after this many seconds (times the time scale) with a 504; the job goes on.
MAX_BLOCKING_S = 600.0
#: The blocking call checks its job this often, so that it notices when a test advances the time.
BLOCKING_CHECK_S = 0.2


def make_job(
    *,
    call: str,
    rules: ModelRules,
    body: dict[str, Any],
    account: str,
    now: float,
    rng: random.Random,
    time_scale: float,
    lag_range_s: tuple[float, float],
    faults: tuple[FaultRule, ...] = (),
) -> Job:
    """Return a new job with randomly drawn times, changed by the fault rules that apply to it."""
    latency_s = (
        rules.mean_latency_s * time_scale * rng.lognormvariate(-LATENCY_SIGMA * LATENCY_SIGMA / 2, LATENCY_SIGMA)
    )
    lag_s = rng.uniform(*lag_range_s)
    seed = rng.randint(1, 99999)  # always drawn, so that a body with a seed does not change later draws
    error = find_invalid_input(rules, body)
    if error is not None:
        latency_s *= INVALID_INPUT_SHARE
    shape, count = "plain" if rules.makes_image else "usual", 1
    stuck_status = ""
    for rule in faults:
        match rule.fault:
            case "job_fails":
                error = str(rule.params["error"])
            case "content_block":
                error = CONTENT_BLOCK_ERROR
            case "job_sticks":
                stuck_status = str(rule.params["state"])
            case "job_latency":
                latency_s = float(rule.params["seconds"])
            case "history_late":
                lag_s = float(rule.params["seconds"])
            case "lost_output":
                shape = "none"
            case "output_shape":
                shape, count = str(rule.params["shape"]), int(rule.params["count"])
    queue_s = math.inf if stuck_status == JobStatus.QUEUED else latency_s * QUEUE_SHARE
    run_s = math.inf if stuck_status else latency_s - queue_s
    suffix = ".png" if rules.makes_image else ".mp4"
    requested_seed = str(body.get("seed"))
    return Job(
        request_id=str(uuid.uuid4()),  # not from `rng`: a restarted emulator must not repeat request ids
        call=call,
        model=rules.slug,
        body=body,
        account=account,
        submitted_at=now,
        queue_s=queue_s,
        run_s=run_s,
        cost=compute_cost_usd(rules, body),
        seed=int(requested_seed) if requested_seed.isdecimal() else seed,
        sample_file=choose_sample_file(rules, body),
        output_paths=tuple(f"/outputs/{uuid.uuid4()}{suffix}" for _ in range(max(1, count))),
        output_shape=shape,
        error=error,
        history_lag_s=lag_s,
    )


def _accept_job(call: ApiCall) -> Job | ApiResponse:
    """Store a new job, or return an error. From here on the POST may cost money."""
    state = call.state
    body = parse_body(call)
    if isinstance(body, ApiResponse):
        return body
    if refusal := find_slug_refusal(call.argument, state.options.models):
        return make_error_response(*refusal)
    rules = get_model_rules(call.argument)
    if missing := find_missing_fields(rules, body):
        return make_error_response(400, f"Missing required field: {', '.join(missing)}")
    if not state.store.can_afford(call.account, compute_cost_usd(rules, body)):
        return make_out_of_credits_error()
    job = make_job(
        call=call.name,
        rules=rules,
        body=body,
        account=call.account,
        now=state.clock(),
        rng=state.rng,
        time_scale=state.options.time_scale,
        lag_range_s=state.options.history.lag_range_s,
        faults=call.faults.job_rules,
    )
    state.store.add(job)
    return job


def _find_job(call: ApiCall) -> Job | None:
    job = call.state.store.jobs.get(call.argument)
    return job if job and job.has_record(call.state.clock(), call.state.options.record_ttl) else None


def _get_remaining_credits(call: ApiCall, job: Job, now: float) -> float:
    """Return the balance after a job was billed; 0 for a running job, whose response has none."""
    if job.get_status(now) is not JobStatus.COMPLETED:
        return 0.0
    return call.state.store.get_balance(job.account, job.finished_at)


async def submit_job(call: ApiCall) -> ApiResponse:
    """``POST /v2/{slug}``: accept a job."""
    job = _accept_job(call)
    return job if isinstance(job, ApiResponse) else build_submit_response(job, call.base_url)


async def get_status(call: ApiCall) -> ApiResponse:
    """``GET /v2/requests/{id}/status``. Every account's key is accepted, so that a rotated key works."""
    job = _find_job(call)
    if job is None:
        return make_unknown_request_error()
    now = call.state.clock()
    return build_status_response(job, now, call.base_url, _get_remaining_credits(call, job, now))


async def get_result(call: ApiCall) -> ApiResponse:
    """``GET /v2/requests/{id}``, and ``/v1/requests/{id}``, which a submit names as ``poll_url``."""
    job = _find_job(call)
    if job is None:
        return make_unknown_request_error()
    now = call.state.clock()
    options = call.state.options
    return build_result_response(
        job,
        now,
        call.base_url,
        _get_remaining_credits(call, job, now),
        len(read_sample_file(job.sample_file)),
        last_frame_base_url=(options.last_frame_base_url or call.base_url) if options.last_frame else "",
    )


async def run_blocking(call: ApiCall) -> ApiResponse:
    """``POST /v1/{slug}``: accept a job, wait for it and return the bytes of its output."""
    state = call.state
    job = _accept_job(call)
    if isinstance(job, ApiResponse):
        return job
    if call.has_fault("cut_after", "error_after_accept"):
        return ApiResponse()  # these faults do not wait for the job
    started_at = state.clock()
    while (status := job.get_status(state.clock())) in (JobStatus.QUEUED, JobStatus.PROCESSING):
        is_too_long = state.clock() - started_at >= MAX_BLOCKING_S * state.options.time_scale
        if is_too_long and job.finished_at == math.inf:
            return make_html_response(504)
        await asyncio.sleep(max(0.0, min(job.finished_at - state.clock(), BLOCKING_CHECK_S)))
        job = state.store.jobs.get(job.request_id, job)
    if status is JobStatus.FAILED:
        # Not documented for v1. An error of the input is a 400 here, any other error a 500.
        input_errors = (CONTENT_BLOCK_ERROR, find_invalid_input(get_model_rules(job.model), job.body))
        return make_error_response(400 if job.error in input_errors else 500, job.error or "")
    reset_time = state.rate_limits.get_reset_time(call.account, state.clock())
    headers = {
        "content-type": get_content_type(job.sample_file),
        "x-cost": f"{job.cost:.2f}",
        "x-remaining-credits": str(state.store.get_balance(call.account, job.finished_at)),
        "x-request-id": job.request_id,
        "x-generation-time": f"{job.run_s:.3f}",
        "x-seed-value": str(job.seed),
        "x-rate-limit-reset-at-utc": format_reset_time(reset_time, state.options.reset_format),
    }
    return ApiResponse(200, read_sample_file(job.sample_file), headers)


async def get_credits(call: ApiCall) -> ApiResponse:
    """``GET /v1/get-user-credits``: the balance."""
    balance = call.state.store.get_balance(call.account, call.state.clock())
    return make_json_response({"credits": balance, "free-credits": 0.0})
