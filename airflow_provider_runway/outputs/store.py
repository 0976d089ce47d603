"""Puts a job's outputs where the author wants them: any path that Airflow's ``ObjectStoragePath`` takes."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
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
    report_lineage,
)
from airflow_provider_runway.exceptions import BadInputError, DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs.download import DownloadedFile, download
from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.outputs.path_template import OutputPathTemplate
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.user_messages import how_to_resume, where_output_is
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.transports.client_settings import ClientSettings, Log

#: Where an upload appears under its name whole, or not at all, and renaming is a copy that needs more rights.
#: Everywhere else a file is written beside its place, and renamed.
WHOLE_OR_NOTHING = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs"})
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}")
#: (the file's ending, None while it is not known) -> its full path.
Name = Callable[[str | None], str]


def check_target(output_path: str, conn_id: str | None) -> None:
    """Find out whether a path can be stored at, while nothing is paid for.

    :raises BadInputError: the path is empty, has an unknown placeholder, or is a folder without a "/" at its
        end; no provider serves its scheme, or its connection does not exist.
    """
    target = OutputPathTemplate.parse(output_path).path(
        {"index": 0, "request_id": "video", "model": "model", "seed": 1}
    )
    try:
        if (named := get_storage_conn_id(target, conn_id)) is not None and "://" in target:
            BaseHook.get_connection(named)  # the amazon provider would go on without it, as nobody
        local = _local(target, conn_id)
        if local is None:
            _ = make_storage_path(target, conn_id).fs
        elif local.is_dir():
            raise BadInputError(
                f"output_path {output_path!r} is a folder: end it in '/' to store in it. Nothing was sent."
            )
    except (ValueError, OSError, ImportError, AirflowNotFoundException) as problem:
        raise BadInputError(
            f"output_path {safe_repr(output_path)} cannot be used: {problem}. Nothing was sent."
        ) from problem


def store_outputs(
    report: JobSummary,
    output_path: str,
    conn_id: str | None,
    settings: ClientSettings,
    log: Log,
    most_bytes: int = MAX_OUTPUT_BYTES,
) -> str:
    """Store every output of a job, one after the other, and return the path of the first.

    Each is fetched into a local temporary file, checked, and only then appears under its name, at once: a
    reader never sees half of it. Storing it again replaces it; where one of several fails, those before it
    are in their places, and a retry fetches all of them again, which is free.

    :param most_bytes: the largest output that is taken.
    :raises DownloadFailedError: one could not be fetched, or not be stored; the job itself is not touched.
    :raises OutputRejectedError: the same, and a retry would not help.
    """
    target, count = OutputPathTemplate.parse(output_path), len(report.output_urls)
    reach = DownloadAllowlist.for_job(settings.base_urls, report.output_urls)
    paths = []
    for index, url in enumerate(report.output_urls):
        values = {"index": index, "request_id": report.request_id, "model": report.model, "seed": report.seed}
        name: Name = partial(target.path, values)
        get = partial(download, url, settings=settings, log=log, most_bytes=most_bytes, reach=reach)
        try:
            path, fetched = _store_one(url, name, conn_id, get)
        except DownloadFailedError as problem:
            raise _told(problem, report, url, index) from problem
        if odd := fetched.media.warning:
            log.warning("Job %s: the output at %s is kept as it came: %s.", report.request_id, path, odd)
        log.info(
            "Job %s: output %d of %d stored, %d bytes at %s.", report.request_id, index + 1, count, fetched.size, path
        )
        paths.append(path)
    return paths[0]


def _told(problem: DownloadFailedError, report: JobSummary, url: str, index: int) -> DownloadFailedError:
    """Return the problem of one output with what people need to know when money was paid."""
    which = f"output {index + 1} of {len(report.output_urls)}: " if len(report.output_urls) > 1 else ""
    final = isinstance(problem, OutputRejectedError)
    after = "a retry would end the same" if final else "a retry only fetches again"
    back = how_to_resume(report.request_id, report.submitted_at)
    return type(problem)(
        f"Job {report.request_id}: {which}{problem} The job is done and paid for; {after}. "
        f"{where_output_is(url, report.submitted_at)} {back}",
        **problem.facts,
    )


def _store_one(
    url: str, name: Name, conn_id: str | None, get: Callable[..., DownloadedFile]
) -> tuple[str, DownloadedFile]:
    """Fetch one output and put it into its place; return its path and what it is."""
    part: Path | None = None
    target = name(None)
    try:
        local = _local(target, conn_id)
        if local is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place where that is local, so that the last step is one rename.
        with tempfile.NamedTemporaryFile(
            dir=local.parent if local else None, prefix=".runway-", suffix=".part", delete=False
        ) as sink:
            part = Path(sink.name)
            fetched = get(sink=cast("BinaryIO", sink))
            os.fsync(sink.fileno())
        target = name(ending := fetched.media.ending or _ending_in(url))
        if local is None:
            # Storages tell a reader the type of a file by the ending of what was uploaded.
            part = part.rename(part.with_suffix(ending))
            _upload(part, target, conn_id)
        else:
            part.chmod(0o644)  # a temporary file is its owner's alone; a video is for whoever may enter the folder
            part.replace(_local(target, conn_id) or local)
    except OSError as problem:
        raise DownloadFailedError(f"The output could not be stored at {target}: {problem}.", url=url) from problem
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return target, fetched


def _local(target: str, conn_id: str | None) -> Path | None:
    """Return a target as a file of this machine, or None."""
    if "://" not in target:
        # A plain path is taken as it stands: Airflow 2.11 would begin a relative one at the root.
        return Path(target)
    path = make_storage_path(target, conn_id)
    return Path(path.path) if path.protocol == "file" else None


def _upload(file: Path, target: str, conn_id: str | None) -> None:
    """Put a whole local file under its name on another storage, in one step as its readers see it.

    Writing through ``path.open("wb")`` would not do: leaving that by an exception closes it, and closing
    publishes what was written so far (fsspec 2026.9).
    """
    try:
        path = make_storage_path(target, conn_id)
        fs, place = path.fs, path.path
        if path.protocol in WHOLE_OR_NOTHING:
            fs.put_file(str(file), place)
        else:
            _upload_beside(fs, file, place)
    except OSError:
        raise
    except Exception as problem:  # each storage's client has errors of its own, and none may hide what was paid for
        raise OSError(f"{type(problem).__name__}: {problem}") from problem
    report_lineage(path)


def _upload_beside(fs: Any, file: Path, place: str) -> None:
    folder = place.rpartition("/")[0]
    beside = f"{folder}/.runway-{uuid4().hex}.part"
    try:
        fs.makedirs(folder, exist_ok=True)
        fs.put_file(str(file), beside)
        try:
            fs.mv(beside, place)
        except OSError as problem:
            # Some, like SMB, do not rename onto a file that is there. For any other reason it stays.
            if problem.errno != errno.EEXIST:
                raise
            fs.rm_file(place)
            fs.mv(beside, place)
    except BaseException:
        with suppress(Exception):  # at best: what is left is hidden, and under no name that anyone reads
            fs.rm_file(beside)
        raise


def _ending_in(url: str) -> str:
    """Return the ending of a file of no known kind: the one that its URL shows."""
    ending = PurePosixPath(urlsplit(url).path).suffix
    return ending if _ENDING.fullmatch(ending) else ".bin"
