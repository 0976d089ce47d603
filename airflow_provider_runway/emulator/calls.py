"""The calls of the API, one function each.

A call is made after the key, the limit and the faults were looked at, see :mod:`.gateway`. It answers at
once; only the blocking call is a generator, which yields the seconds it wants to wait.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from mimetypes import guess_extension
from typing import Any

from . import answers, bodies, history
from .answers import Ask, Reply
from .catalogue import CONTENT_BLOCK, cost_usd, flaw_in, missing_fields, model_of, refusal_of
from .faults import Hits
from .files import KEPT_S, clip, read_data_url, served
from .jobs import Job, State, make_job
from .limits import reset_text
from .world import World


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call is made with. ``argument`` is the request id, slug or file name in the path."""

    world: World
    ask: Ask
    call: str
    argument: str
    account: str
    hits: Hits


#: The blocking call gives up after this long (times the time scale), with 504; the job runs on.
SYNC_LIMIT_S = 600.0
#: It looks this often, so that time advanced from outside is noticed.
SYNC_LOOK_S = 0.2


def _body_of(ask: Ask) -> dict[str, Any] | Reply:
    """Return the JSON object in a body, or the refusal."""
    if ask.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return answers.wrong_content_type()
    try:
        body = json.loads(ask.body)
    except ValueError:
        return answers.error(400, "Malformed JSON body")
    return body if isinstance(body, dict) else answers.error(400, "Expected a JSON object")


def _accept(turn: Turn) -> Job | Reply:
    """Take a job into the books, or say why not. This is the moment from which a POST may cost money."""
    body = _body_of(turn.ask)
    if isinstance(body, Reply):
        return body
    if refusal := refusal_of(turn.argument, turn.world.settings.models):
        return answers.error(*refusal)
    model = model_of(turn.argument)
    if missing := missing_fields(model, body):
        return answers.error(400, f"Missing required field: {', '.join(missing)}")
    if not turn.world.ledger.affords(turn.account, cost_usd(body)):
        return answers.out_of_credits()
    job = make_job(
        call=turn.call,
        model=model,
        body=body,
        account=turn.account,
        now=turn.world.clock(),
        dice=turn.world.dice,
        time_scale=turn.world.settings.time_scale,
        lag_range_s=turn.world.settings.lag_range_s,
        traits=turn.hits.traits,
    )
    turn.world.ledger.enter(job)
    return job


def _known_job(turn: Turn) -> Job | None:
    job = turn.world.ledger.jobs.get(turn.argument)
    return job if job and job.known_at(turn.world.clock(), turn.world.settings.record_ttl) else None


def _left_after(turn: Turn, job: Job, now: float) -> float:
    """Return what the account had left when a job was billed; adding that up is spared while it runs."""
    if job.state_at(now) is not State.COMPLETED:
        return 0.0
    return turn.world.ledger.balance(job.account, job.ends_at)


def submit(turn: Turn) -> Reply:
    """``POST /v2/{slug}``: take a job."""
    job = _accept(turn)
    return job if isinstance(job, Reply) else bodies.submitted(job, turn.ask.base)


def status(turn: Turn) -> Reply:
    """``GET /v2/requests/{id}/status``: any account's key may look, so that a rotated key still can."""
    job = _known_job(turn)
    if job is None:
        return answers.no_such_request()
    now = turn.world.clock()
    return bodies.status(job, now, turn.ask.base, _left_after(turn, job, now))


def result(turn: Turn) -> Reply:
    """``GET /v2/requests/{id}``, and ``/v1/requests/{id}``, the submit's ``poll_url``."""
    job = _known_job(turn)
    if job is None:
        return answers.no_such_request()
    now = turn.world.clock()
    return bodies.result(job, now, turn.ask.base, _left_after(turn, job, now), len(clip(job.clip)))


def sync(turn: Turn) -> Generator[float, None, Reply]:
    """``POST /v1/{slug}``: take a job and answer with the bytes of its output."""
    job = _accept(turn)
    if isinstance(job, Reply):
        return job
    if turn.hits.answer and turn.hits.answer.fault in ("cut_after", "error_after_accept"):
        return Reply()  # what breaks here breaks early: nobody waits for the job first
    began = turn.world.clock()
    while (state := job.state_at(turn.world.clock())) in (State.QUEUED, State.PROCESSING):
        if turn.world.clock() - began >= SYNC_LIMIT_S * turn.world.settings.time_scale and job.ends_at == float("inf"):
            return answers.html(504)
        yield max(0.0, min(job.ends_at - turn.world.clock(), SYNC_LOOK_S))
        job = turn.world.ledger.jobs.get(job.request_id, job)
    if state is State.FAILED:
        # Not documented for v1. What the caller can mend is a 400, the rest a fault of the server.
        theirs = job.error in (CONTENT_BLOCK, flaw_in(model_of(job.model), job.body))
        return answers.error(400 if theirs else 500, job.error or "")
    reset = reset_text(turn.world.limits.resets_at(turn.account, turn.world.clock()), turn.world.settings.reset_format)
    return Reply(200, clip(job.clip), {"content-type": "video/mp4"}).with_headers(
        x_cost=f"{job.cost:.2f}",
        x_remaining_credits=str(turn.world.ledger.balance(turn.account, job.ends_at)),
        x_request_id=job.request_id,
        x_generation_time=f"{job.run_s:.3f}",
        x_seed_value=str(job.seed),
        x_rate_limit_reset_at_utc=reset,
    )


def credits_of(turn: Turn) -> Reply:
    """``GET /v1/get-user-credits``: the balance."""
    left = turn.world.ledger.balance(turn.account, turn.world.clock())
    return answers.as_json({"credits": left, "free-credits": 0.0})


def upload(turn: Turn) -> Reply:
    """``POST /upload-asset``: keep files, answer with their addresses."""
    body = _body_of(turn.ask)
    if isinstance(body, Reply):
        return body
    given = body.get("data_urls")
    if not isinstance(given, list) or not given:
        return answers.error(400, "Missing required field: data_urls")
    try:
        files = [read_data_url(str(each)) for each in given]
    except ValueError as broken:
        return answers.error(400, f"data_urls: {broken}")
    urls = []
    for content_type, content in files:
        name = f"{uuid.uuid4()}{guess_extension(content_type) or ''}"
        turn.world.assets[name] = (content_type, content)
        urls.append(f"{turn.ask.base}/assets/{name}")
    return answers.as_json({turn.world.settings.upload_field: urls, "message": "Files uploaded successfully"})


def history_list(turn: Turn) -> Reply:
    """``GET …/request-history``: the account's rows, a page of them."""
    jobs = turn.world.ledger.of_account(turn.account)
    try:
        return answers.as_json(
            history.page_of(jobs, turn.ask.query, turn.world.clock(), turn.ask.base, turn.world.settings.history_body)
        )
    except ValueError as wrong:
        return answers.error(400, str(wrong))


def history_one(turn: Turn) -> Reply:
    """``GET …/request-history/{id}``: one row, of any age; only of the calling account."""
    job = turn.world.ledger.jobs.get(turn.argument)
    rows = history.rows_of(job, turn.world.clock(), turn.ask.base, turn.world.settings.history_body) if job else []
    if job is None or job.account != turn.account or not rows:
        return answers.error(404, "Request not found")
    return answers.as_json(rows[0])


def output(turn: Turn) -> Reply:
    """``GET /outputs/{name}``: the video, for anyone who has the link."""
    job = turn.world.ledger.of_output(turn.ask.path)
    now = turn.world.clock()
    if job is None or job.state_at(now) is not State.COMPLETED or now >= job.ends_at + KEPT_S:
        return answers.html(404)
    odd = turn.hits.answer.params["answer"] if turn.hits.answer and turn.hits.answer.fault == "odd_range" else ""
    return served(clip(job.clip), "video/mp4", turn.ask.headers, now, changed_at=job.ends_at, odd_range=odd)


def asset(turn: Turn) -> Reply:
    """``GET /assets/{name}``: an uploaded file."""
    content_type, content = turn.world.assets.get(turn.argument, ("", None))
    if content is None:
        return answers.html(404)
    return served(content, content_type, turn.ask.headers, turn.world.clock())


#: Every call but the blocking one.
CALLS: dict[str, Callable[[Turn], Reply]] = {
    "submit": submit,
    "status": status,
    "result": result,
    "credits": credits_of,
    "upload": upload,
    "history": history_list,
    "history_one": history_one,
    "output": output,
    "asset": asset,
}
