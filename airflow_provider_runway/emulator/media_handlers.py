"""Handlers of the calls for files: uploads, outputs and their byte ranges. The outputs are sample clips."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import uuid
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache
from mimetypes import guess_extension
from pathlib import Path

from .api_responses import LAST_FRAME_SUFFIX, ApiResponse, make_error_response, make_html_response, make_json_response
from .job_ledger import JobStatus
from .middlewares import ApiCall, parse_body

CLIPS_DIR = Path(__file__).parent / "clips"
#: Width and height of a sample image.
SAMPLE_IMAGE_SIZE = (64, 36)
#: An output file is kept this long after its job is finished (seven days).
OUTPUT_TTL_S = 7 * 86400.0

_DATA_URL_PATTERN = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
_RANGE_PATTERN = re.compile(r"bytes=(\d*)-(\d*)")


@cache
def read_sample_file(name: str) -> bytes:
    """Return the bytes of a sample clip or of the sample image."""
    return _build_png(*SAMPLE_IMAGE_SIZE) if name.endswith(".png") else (CLIPS_DIR / name).read_bytes()


def get_content_type(file_name: str) -> str:
    """Return the content type of a sample file."""
    return "image/png" if file_name.endswith(".png") else "video/mp4"


def parse_data_url(text: str) -> tuple[str, bytes]:
    """Return (content type, bytes) of a base64 data URL.

    :raises ValueError: for anything else.
    """
    parts = _DATA_URL_PATTERN.fullmatch(text)
    if parts is None:
        raise ValueError("expected data:<type>;base64,<data>")
    try:
        return parts["type"], base64.b64decode(parts["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def build_file_response(
    content: bytes,
    content_type: str,
    request_headers: Mapping[str, str],
    *,
    modified_at: float | None = None,
    odd_range: str = "",
) -> ApiResponse:
    """Return a file, or the byte range that a Range header asks for.

    A Range that cannot be parsed, or whose If-Range names another version, is ignored as HTTP requires. A range
    beyond the end is refused with 416.

    :param request_headers: headers of the request, in lower case or case-insensitive.
    :param modified_at: when the file was made, epoch seconds.
    :param odd_range: respond to a Range with the "whole" file, with 416 ("refused"), or "shifted" by one byte.
    """
    size, etag = len(content), f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "content-type": content_type,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=604800",
        "etag": etag,
    }
    if modified_at is not None:
        headers["last-modified"] = formatdate(modified_at, usegmt=True)
    requested = _RANGE_PATTERN.fullmatch(request_headers.get("range", ""))
    is_other_version = request_headers.get("if-range", etag) not in (etag, headers.get("last-modified"))
    if requested is None or requested[1] == requested[2] == "" or is_other_version or odd_range == "whole":
        return ApiResponse(200, content, headers)
    if requested[1] == "":
        first, last = max(0, size - int(requested[2])), size - 1
    else:
        first, last = int(requested[1]), min(int(requested[2] or size - 1), size - 1)
    if first > last or odd_range == "refused":
        return make_html_response(416, headers={"content-range": f"bytes */{size}"})
    first += odd_range == "shifted"
    content_range = {"content-range": f"bytes {first}-{last}/{size}"}
    return ApiResponse(206, content[first : last + 1], headers | content_range)


def _build_png(width: int, height: int) -> bytes:
    """Return a plain grey image."""

    def build_chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = build_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = build_chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * width) * height))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + build_chunk(b"IEND", b"")


async def upload_assets(call: ApiCall) -> ApiResponse:
    """``POST /upload-asset``: store files and return their URLs."""
    body = parse_body(call)
    if isinstance(body, ApiResponse):
        return body
    data_urls = body.get("data_urls")
    if not isinstance(data_urls, list) or not data_urls:
        return make_error_response(400, "Missing required field: data_urls")
    try:
        files = [parse_data_url(str(data_url)) for data_url in data_urls]
    except ValueError as error:
        return make_error_response(400, f"data_urls: {error}")
    urls = []
    for content_type, content in files:
        name = f"{uuid.uuid4()}{guess_extension(content_type) or ''}"
        call.state.uploads[name] = (content_type, content)
        urls.append(f"{call.base_url}/assets/{name}")
    return make_json_response({call.state.options.upload_field: urls, "message": "Files uploaded successfully"})


async def get_output(call: ApiCall) -> ApiResponse:
    """``GET /outputs/{name}``: the video or image, or a video's last frame, without a key."""
    path = call.request.path
    is_last_frame = path.endswith(LAST_FRAME_SUFFIX)
    job = call.state.store.find_job_by_output(path.replace(LAST_FRAME_SUFFIX, ".mp4"))
    now = call.state.clock()
    if job is None or job.get_status(now) is not JobStatus.COMPLETED or now >= job.finished_at + OUTPUT_TTL_S:
        return make_html_response(404)
    rule = call.faults.response_rule
    odd_range = str(rule.params["answer"]) if rule and rule.fault == "odd_range" else ""
    sample_file = "image.png" if is_last_frame else job.sample_file
    return build_file_response(
        read_sample_file(sample_file),
        get_content_type(sample_file),
        call.request.headers,
        modified_at=job.finished_at,
        odd_range=odd_range,
    )


async def get_asset(call: ApiCall) -> ApiResponse:
    """``GET /assets/{name}``: an uploaded file, without a key."""
    content_type, content = call.state.uploads.get(call.argument, ("", None))
    if content is None:
        return make_html_response(404)
    return build_file_response(content, content_type, call.request.headers)
