"""Responses of the API: a response that can be broken while it is sent, the documented errors, and job bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from aiohttp import web

from .job_ledger import Job, JobStatus

#: How a response is sent. "reset": the connection is reset before any byte. "cut_reset", "cut_close": half of the body
#: is sent, then the connection is reset or closed. "chunked": the body is sent without a Content-Length. "drip": the
#: body is sent a byte at a time. "headers": the headers are sent, and then nothing.
Delivery = Literal["whole", "reset", "cut_reset", "cut_close", "chunked", "drip", "headers"]


class ApiResponse(web.Response):
    """One response of the API, and how the server sends it."""

    def __init__(
        self,
        status: int = 200,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        delivery: Delivery = "whole",
        drip_s: float = 0.0,
    ) -> None:
        super().__init__(status=status, body=data, headers=headers)
        self.data = data
        self.delivery = delivery
        self.drip_s = drip_s

    @property
    def sent_bytes(self) -> int:
        """How many bytes of the body are sent."""
        match self.delivery:
            case "whole" | "chunked" | "drip":
                return len(self.data)
            case "cut_reset" | "cut_close":
                return len(self.data) // 2
        return 0

    def parse_json(self) -> Any:
        """Return the body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.data)
        except ValueError:
            return None

    def replace(self, **changes: Any) -> ApiResponse:
        """Return a copy with other ``status``, ``data``, ``headers``, ``delivery`` or ``drip_s``."""
        names = ("status", "data", "headers", "delivery", "drip_s")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        return ApiResponse(**fields | changes)


def make_json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return a JSON response."""
    return ApiResponse(status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})


def make_error_response(status: int, text: str, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return an error in the usual JSON form."""
    return make_json_response({"error": text}, status, headers)


def make_auth_error_response(code: str, text: str, status: int = 401) -> ApiResponse:
    """Return an error in the JSON form of the authorization service."""
    return make_json_response({"error": code, "error_description": text, "status_code": status}, status)


def make_html_response(status: int, title: str | None = None, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return an HTML page, as a proxy sends it where a program expects JSON."""
    title = title or f"{status} {get_status_phrase(status)}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return ApiResponse(status, page.encode(), {"content-type": "text/html; charset=utf-8", **(headers or {})})


def get_status_phrase(status: int) -> str:
    """Return the phrase of an HTTP status, also of one that no standard names."""
    return HTTPStatus(status).phrase if status in {each.value for each in HTTPStatus} else "Error"


MISSING_KEY = "Missing Authorization or x-api-key in header"
INVALID_KEY = "Unauthorized. API key is invalid or no longer active."
NO_BALANCE_RECORD = "No credits found for the user"
RATE_LIMITED = "rate_limit_exceeded"
#: What the URL of a video's last frame has in the place of ".mp4".
LAST_FRAME_SUFFIX = "-last-frame.png"


def make_missing_key_error() -> ApiResponse:
    """Return the error for a request without a key."""
    return make_error_response(401, MISSING_KEY)


def make_invalid_key_error() -> ApiResponse:
    """Return the error for a key that is not accepted."""
    return make_auth_error_response("unauthorized", INVALID_KEY)


def make_unknown_path_error() -> ApiResponse:
    """Return the error for an unknown path."""
    return make_error_response(404, "Not Found")


def make_unknown_request_error() -> ApiResponse:
    """Return the error for a record that is unknown or expired: the API does not say which."""
    return make_error_response(404, "Request not found or expired")


def make_wrong_content_type_error() -> ApiResponse:
    """Return the error for a body that is not sent as JSON."""
    return make_error_response(406, "Invalid content type")


def make_out_of_credits_error() -> ApiResponse:
    """Return the error for a balance that does not cover the job."""
    return make_error_response(406, "Insufficient credits")


def make_server_error(status: int, body: str) -> ApiResponse:
    """Return a server error as ``json``, or as the ``html`` page of a proxy."""
    return make_html_response(status) if body == "html" else make_error_response(status, get_status_phrase(status))


def make_rate_limit_error(reset: str, retry_after_s: int | None = None) -> ApiResponse:
    """Return a 429, which is sent before anything runs.

    :param reset: value of ``x-rate-limit-reset-at-utc``.
    :param retry_after_s: value of ``Retry-After``, which the API does not send.
    """
    headers = {"x-rate-limit-reset-at-utc": reset}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    return make_error_response(429, RATE_LIMITED, headers)


def build_poll_urls(request_id: str, base_url: str) -> dict[str, str]:
    """Return the URLs at which a job can be polled."""
    return {
        "poll_url": f"{base_url}/v1/requests/{request_id}",
        "status_url": f"{base_url}/v2/requests/{request_id}/status",
        "response_url": f"{base_url}/v2/requests/{request_id}",
    }


def build_submit_response(job: Job, base_url: str) -> ApiResponse:
    """Return the response to a submit."""
    urls = build_poll_urls(job.request_id, base_url)
    return make_json_response({"request_id": job.request_id, "status": JobStatus.QUEUED, **urls})


def build_metrics(job: Job, remaining_credits: float) -> dict[str, Any]:
    """Return the metrics of a finished job, in the seconds that passed (scaled if the emulator's time is)."""
    times = {
        "inference_time": round(job.run_s, 3),
        "queue_time": round(job.queue_s, 3),
        "total_time": round(job.queue_s + job.run_s, 3),
        "retry_count": 0,
    }
    if job.error is not None:
        return {"cost": 0.0, **times}
    return {"cost": job.cost, "remaining_credits": remaining_credits, **times}


def build_status_response(job: Job, now: float, base_url: str, remaining_credits: float) -> ApiResponse:
    """Return the response to a status poll: without an output, and with HTTP 422 for a failed job."""
    status = job.get_status(now)
    if status in (JobStatus.QUEUED, JobStatus.PROCESSING):
        urls = build_poll_urls(job.request_id, base_url)
        del urls["poll_url"]
        return make_json_response({"status": status, "request_id": job.request_id, **urls, "metrics": {}})
    body: dict[str, Any] = {"status": status, "request_id": job.request_id}
    metrics = build_metrics(job, remaining_credits)
    if status is JobStatus.FAILED:
        return make_json_response({**body, "error": job.error, "metrics": metrics}, 422)
    return make_json_response({**body, "metrics": metrics})


def build_result_response(
    job: Job, now: float, base_url: str, remaining_credits: float, file_size: int, *, last_frame_base_url: str = ""
) -> ApiResponse:
    """Return the result of a job. Before completion it equals the status, because no document says what comes then.

    :param last_frame_base_url: what a video's ``last_frame_url`` begins with; "": it has none.
    """
    response = build_status_response(job, now, base_url, remaining_credits)
    if job.get_status(now) is not JobStatus.COMPLETED:
        return response
    urls = [base_url + path for path in job.output_paths]
    video: dict[str, Any] = {
        "url": urls[0],
        "content_type": "video/mp4",
        "file_name": urls[0].rpartition("/")[2],
        "file_size": file_size,
    }
    if last_frame_base_url:
        path = job.output_paths[0].removesuffix(".mp4") + LAST_FRAME_SUFFIX
        video["last_frame_url"] = last_frame_base_url + path
    body = response.parse_json() | {"output": urls[0], "video": video}
    return make_json_response(reshape_output(body, job.output_shape, len(urls), urls))


def reshape_output(body: dict[str, Any], shape: str, count: int, urls: list[str] | None = None) -> dict[str, Any]:
    """Return the body of a completed job with its output in one of the documented forms.

    :param shape: usual (``output`` and ``video``), plain (``output`` alone), list, images, video, or none.
    :param count: number of outputs, if the form can hold several.
    :param urls: their URLs; without them the body's own URL is repeated.
    """
    if not isinstance(body.get("output"), str) or shape == "usual":
        return body
    rest = {name: value for name, value in body.items() if name not in ("output", "video")}
    urls = urls or [body["output"]] * count
    outputs: dict[str, dict[str, Any]] = {
        "none": {},
        "plain": {"output": urls[0]},
        "list": {"output": urls},
        "images": {"images": [{"url": url, "content_type": "video/mp4"} for url in urls]},
        "video": {"video": body.get("video")},
    }
    return rest | outputs[shape]
