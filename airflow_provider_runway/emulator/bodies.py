"""What the API says about a job, as JSON: the answers to submit, status and result."""

from __future__ import annotations

from typing import Any

from .answers import Reply, as_json
from .jobs import Job, State


def urls_of(request_id: str, base: str) -> dict[str, str]:
    """Return the addresses at which a job can be asked for."""
    return {
        "poll_url": f"{base}/v1/requests/{request_id}",
        "status_url": f"{base}/v2/requests/{request_id}/status",
        "response_url": f"{base}/v2/requests/{request_id}",
    }


def submitted(job: Job, base: str) -> Reply:
    """Return the answer to a submit."""
    return as_json({"request_id": job.request_id, "status": State.QUEUED, **urls_of(job.request_id, base)})


def metrics_of(job: Job, remaining_credits: float) -> dict[str, Any]:
    """Return the metrics of a finished job: seconds as they passed, so scaled ones in a scaled emulator."""
    times = {
        "inference_time": round(job.run_s, 3),
        "queue_time": round(job.queue_s, 3),
        "total_time": round(job.queue_s + job.run_s, 3),
        "retry_count": 0,
    }
    if job.error is not None:
        return {"cost": 0.0, **times}
    return {"cost": job.cost, "remaining_credits": remaining_credits, **times}


def status(job: Job, now: float, base: str, remaining_credits: float) -> Reply:
    """Return the answer to a look at the status: never an output, and HTTP 422 for a failure."""
    state = job.state_at(now)
    if state in (State.QUEUED, State.PROCESSING):
        urls = urls_of(job.request_id, base)
        del urls["poll_url"]
        return as_json({"status": state, "request_id": job.request_id, **urls, "metrics": {}})
    body: dict[str, Any] = {"status": state, "request_id": job.request_id}
    metrics = metrics_of(job, remaining_credits)
    if state is State.FAILED:
        return as_json({**body, "error": job.error, "metrics": metrics}, 422)
    return as_json({**body, "metrics": metrics})


def result(job: Job, now: float, base: str, remaining_credits: float, file_size: int) -> Reply:
    """Return the full answer. What comes before completion is not documented: here, what status says."""
    reply = status(job, now, base, remaining_credits)
    if job.state_at(now) is not State.COMPLETED:
        return reply
    urls = [base + path for path in job.outputs]
    body = reply.json() | {"output": urls[0], "video": video_of(urls[0], file_size)}
    return as_json(shaped(body, job.shape, len(urls), urls))


def video_of(url: str, file_size: int) -> dict[str, Any]:
    """Return the description of an output file."""
    name = url.rpartition("/")[2]
    return {"url": url, "content_type": "video/mp4", "file_name": name, "file_size": file_size}


def shaped(body: dict[str, Any], shape: str, count: int, urls: list[str] | None = None) -> dict[str, Any]:
    """Return the body of a completed job with its output in one of the documented shapes.

    :param shape: usual (``output`` and ``video``), plain (``output`` alone), list, images, video, or none.
    :param count: how many outputs, where the shape can hold several.
    :param urls: their addresses; otherwise the one that the body has, repeated.
    """
    if not isinstance(body.get("output"), str) or shape == "usual":
        return body
    bare = {name: value for name, value in body.items() if name not in ("output", "video")}
    urls = urls or [body["output"]] * count
    outputs: dict[str, dict[str, Any]] = {
        "none": {},
        "plain": {"output": urls[0]},
        "list": {"output": urls},
        "images": {"images": [{"url": url, "content_type": "video/mp4"} for url in urls]},
        "video": {"video": body.get("video")},
    }
    return bare | outputs[shape]
