"""Stores a job's outputs at the author's ``output_path``: on any storage of Airflow, each file in one step."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_runway.compat import (
    AirflowNotFoundException,
    BaseHook,
    get_storage_conn_id,
    make_storage_path,
)
from airflow_provider_runway.exceptions import BadInputError, DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs.download import DownloadedFile, download
from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.outputs.path_template import OutputPathTemplate
from airflow_provider_runway.outputs.storage import get_local_path, open_temporary_file, upload_file
from airflow_provider_runway.segmind.billing_advice import describe_output_location, how_to_resume
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.transports.client_settings import ClientSettings, Log

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """One stored output: its path, its size in bytes, and its MIME type where that is known."""

    path: str
    size: int
    content_type: str | None


#: (the file's extension, None while it is not known) -> its full path.
FormatPath = Callable[[str | None], str]


def check_output_path(output_path: str, conn_id: str | None, *, is_batch: bool = False) -> None:
    """Check that outputs can be stored at a path, before anything is paid for.

    :param is_batch: it is the path of a batch, or of one of its rows.
    :raises BadInputError: the path is empty, has an unknown placeholder, or is a folder without a "/" at its end; no
        provider serves its scheme, or its connection does not exist.
    """
    path = OutputPathTemplate.parse(output_path, is_batch=is_batch).format_path(
        {"index": 0, "request_id": "video", "model": "model", "seed": 1, "custom_id": "row"}
    )
    try:
        if (storage_conn_id := get_storage_conn_id(path, conn_id)) is not None and "://" in path:
            # Without this the amazon provider would go on with anonymous credentials.
            BaseHook.get_connection(storage_conn_id)
        local_path = get_local_path(path, conn_id)
        if local_path is None:
            _ = make_storage_path(path, conn_id).fs
        elif local_path.is_dir():
            raise BadInputError(
                f"output_path {output_path!r} is a folder: end it in '/' to store in it. Nothing was sent."
            )
    except (ValueError, OSError, ImportError, AirflowNotFoundException) as problem:
        raise BadInputError(
            f"output_path {safe_repr(output_path)} cannot be used: {problem}. Nothing was sent."
        ) from problem


def store_outputs(
    summary: JobSummary,
    output_path: str,
    conn_id: str | None,
    settings: ClientSettings,
    log: Log,
    max_bytes: int = MAX_OUTPUT_BYTES,
    custom_id: str | None = None,
) -> list[StoredOutput]:
    """Store every output of a job, one after the other, and return what is stored.

    Each is downloaded into a temporary file, checked, and appears under its name only then: no reader sees half of it.
    Storing it again replaces it. Where one of several fails, those before it are stored, and a retry downloads all of
    them again, which is free.

    :param max_bytes: the largest output that is stored.
    :param custom_id: the row of a batch that the job belongs to; it names the file in a folder.
    :raises DownloadFailedError: one could not be downloaded or stored; the job itself is not touched.
    :raises OutputRejectedError: the same, and a retry would not help.
    """
    template = OutputPathTemplate.parse(output_path, is_batch=custom_id is not None)
    count = len(summary.output_urls)
    of_job = {"request_id": summary.request_id, "model": summary.model, "seed": summary.seed, "custom_id": custom_id}
    allowlist = DownloadAllowlist.for_job(settings.base_urls, summary.output_urls)
    stored = []
    for index, url in enumerate(summary.output_urls):
        values = {"index": index, **of_job}
        fetch = partial(download, url, settings=settings, log=log, max_bytes=max_bytes, allowlist=allowlist)
        try:
            path, file = _store_output(url, partial(template.format_path, values), conn_id, fetch)
        except DownloadFailedError as problem:
            raise _add_job_facts(problem, summary, url, index) from problem
        if file.media.warning:
            log.warning(
                "Job %s: the output at %s is stored as it is: %s.", summary.request_id, path, file.media.warning
            )
        log.info(
            "Job %s: output %d of %d stored, %d bytes at %s.", summary.request_id, index + 1, count, file.size, path
        )
        stored.append(StoredOutput(path, file.size, file.media.mime))
    return stored


def _add_job_facts(problem: DownloadFailedError, summary: JobSummary, url: str, index: int) -> DownloadFailedError:
    """Return a failed download's error with what people need to know about a job that was paid for."""
    which = f"output {index + 1} of {len(summary.output_urls)}: " if len(summary.output_urls) > 1 else ""
    is_final = isinstance(problem, OutputRejectedError)
    retry = "a retry would end the same way" if is_final else "a retry only downloads again"
    return type(problem)(
        f"Job {summary.request_id}: {which}{problem} The job is done and paid for; {retry}. "
        f"{describe_output_location(url, summary.submitted_at)} "
        f"{how_to_resume(summary.request_id, summary.submitted_at)}",
        **problem.facts,
    )


def _store_output(
    url: str, format_path: FormatPath, conn_id: str | None, fetch: Callable[..., DownloadedFile]
) -> tuple[str, DownloadedFile]:
    """Download one output and store it; return its path and what it is."""
    path = format_path(None)
    temporary_path: Path | None = None
    try:
        local_path = get_local_path(path, conn_id)
        with open_temporary_file(local_path) as sink:
            temporary_path = Path(sink.name)
            file = fetch(sink=sink)
            os.fsync(sink.fileno())
        extension = file.media.extension or _get_url_extension(url)
        path = format_path(extension)
        if local_path is None:
            # Storages take the content type from the extension of the uploaded file.
            temporary_path = temporary_path.rename(temporary_path.with_suffix(extension))
            upload_file(temporary_path, path, conn_id)
        else:
            temporary_path.replace(get_local_path(path, conn_id) or local_path)
    except OSError as problem:
        raise DownloadFailedError(f"The output could not be stored at {path}: {problem}.", url=url) from problem
    finally:
        if temporary_path is not None:
            temporary_path.unlink(missing_ok=True)
    return path, file


def _get_url_extension(url: str) -> str:
    """Return the extension in an output's URL, for a file whose type is not known."""
    extension = PurePosixPath(urlsplit(url).path).suffix
    return extension if _EXTENSION.fullmatch(extension) else ".bin"
