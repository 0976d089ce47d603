"""Stores a job's outputs at the author's ``output_path``: on any storage of Airflow, each file in one step."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit
from uuid import uuid4

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
from airflow_provider_runway.segmind.billing_notices import how_to_resume, where_output_is
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.transports.client_settings import ClientSettings, Log

#: Storages where an upload appears under its name when it is complete, or not at all, and where renaming is a copy that
#: needs more permissions. On any other storage a file is uploaded under a temporary name, and renamed.
ATOMIC_UPLOAD_SCHEMES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs"})
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """One stored output: its path, its size in bytes, and its MIME type where that is known."""

    path: str
    size: int
    content_type: str | None


#: (the file's extension, None while it is not known) -> its full path.
FormatPath = Callable[[str | None], str]


def check_output_path(output_path: str, conn_id: str | None) -> None:
    """Check that outputs can be stored at a path, before anything is paid for.

    :raises BadInputError: the path is empty, has an unknown placeholder, or is a folder without a "/" at its end; no
        provider serves its scheme, or its connection does not exist.
    """
    path = OutputPathTemplate.parse(output_path).format_path(
        {"index": 0, "request_id": "video", "model": "model", "seed": 1}
    )
    try:
        if (storage_conn_id := get_storage_conn_id(path, conn_id)) is not None and "://" in path:
            # Without this the amazon provider would go on with anonymous credentials.
            BaseHook.get_connection(storage_conn_id)
        local_path = _get_local_path(path, conn_id)
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
) -> list[StoredOutput]:
    """Store every output of a job, one after the other, and return what is stored.

    Each is downloaded into a temporary file, checked, and appears under its name only then: no reader sees half of it.
    Storing it again replaces it. Where one of several fails, those before it are stored, and a retry downloads all of
    them again, which is free.

    :param max_bytes: the largest output that is stored.
    :raises DownloadFailedError: one could not be downloaded or stored; the job itself is not touched.
    :raises OutputRejectedError: the same, and a retry would not help.
    """
    template, count = OutputPathTemplate.parse(output_path), len(summary.output_urls)
    allowlist = DownloadAllowlist.for_job(settings.base_urls, summary.output_urls)
    stored = []
    for index, url in enumerate(summary.output_urls):
        values = {"index": index, "request_id": summary.request_id, "model": summary.model, "seed": summary.seed}
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
        f"{where_output_is(url, summary.submitted_at)} {how_to_resume(summary.request_id, summary.submitted_at)}",
        **problem.facts,
    )


def _store_output(
    url: str, format_path: FormatPath, conn_id: str | None, fetch: Callable[..., DownloadedFile]
) -> tuple[str, DownloadedFile]:
    """Download one output and store it; return its path and what it is."""
    path = format_path(None)
    temporary_path: Path | None = None
    try:
        local_path = _get_local_path(path, conn_id)
        with _open_temporary_file(local_path) as sink:
            temporary_path = Path(sink.name)
            file = fetch(sink=sink)
            os.fsync(sink.fileno())
        extension = file.media.extension or _get_url_extension(url)
        path = format_path(extension)
        if local_path is None:
            # Storages take the content type from the extension of the uploaded file.
            temporary_path = temporary_path.rename(temporary_path.with_suffix(extension))
            _upload(temporary_path, path, conn_id)
        else:
            temporary_path.replace(_get_local_path(path, conn_id) or local_path)
    except OSError as problem:
        raise DownloadFailedError(f"The output could not be stored at {path}: {problem}.", url=url) from problem
    finally:
        if temporary_path is not None:
            temporary_path.unlink(missing_ok=True)
    return path, file


def _open_temporary_file(local_path: Path | None) -> BinaryIO:
    """Open a new file to download into: beside its final place where that is local, so the last step is one rename.

    There it gets the permissions of the process's umask, like any new file, because it becomes the video. A file that
    is only uploaded stays private.
    """
    if local_path is None:
        return cast("BinaryIO", tempfile.NamedTemporaryFile(prefix=".runway-", suffix=".part", delete=False))
    local_path.parent.mkdir(parents=True, exist_ok=True)
    return cast("BinaryIO", (local_path.parent / f".runway-{uuid4().hex}.part").open("x+b"))


def _get_local_path(path: str, conn_id: str | None) -> Path | None:
    """Return a path on this machine's file system, or None for another storage."""
    if "://" not in path:
        # A plain path is taken as it is: Airflow 2.11 would begin a relative one at the root.
        return Path(path)
    on_storage = make_storage_path(path, conn_id)
    return Path(on_storage.path) if on_storage.protocol == "file" else None


def _upload(file: Path, path: str, conn_id: str | None) -> None:
    """Upload a complete local file, so that it appears under its name in one step.

    Writing through ``ObjectStoragePath.open("wb")`` would not do: an exception closes it, and closing publishes what
    was written so far (fsspec 2026.9).
    """
    try:
        target = make_storage_path(path, conn_id)
        if target.protocol in ATOMIC_UPLOAD_SCHEMES:
            target.fs.put_file(str(file), target.path)
        else:
            _upload_and_rename(target.fs, file, target.path)
    except OSError:
        raise
    except Exception as problem:  # storage clients have errors of their own; none may hide what was paid for
        raise OSError(f"{type(problem).__name__}: {problem}") from problem


def _upload_and_rename(file_system: Any, file: Path, path: str) -> None:
    """Upload under a temporary name in the same folder, and rename."""
    folder = path.rpartition("/")[0]
    temporary_path = f"{folder}/.runway-{uuid4().hex}.part"
    try:
        file_system.makedirs(folder, exist_ok=True)
        file_system.put_file(str(file), temporary_path)
        try:
            file_system.mv(temporary_path, path)
        except OSError as problem:
            # Some storages, like SMB, do not rename onto a file that exists.
            if problem.errno != errno.EEXIST:
                raise
            file_system.rm_file(path)
            file_system.mv(temporary_path, path)
    except BaseException:
        with suppress(Exception):  # if this fails, a hidden file stays under a name that nobody reads
            file_system.rm_file(temporary_path)
        raise


def _get_url_extension(url: str) -> str:
    """Return the extension in an output's URL, for a file whose type is not known."""
    extension = PurePosixPath(urlsplit(url).path).suffix
    return extension if _EXTENSION.fullmatch(extension) else ".bin"
