"""Puts a finished video where the author wants it: any path that Airflow's ``ObjectStoragePath`` takes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from airflow_provider_runway.compat import AirflowNotFoundException, storage_path
from airflow_provider_runway.exceptions import BadInput, DownloadFailed
from airflow_provider_runway.segmind.messages import way_back
from airflow_provider_runway.transports.fetch import CHUNK_BYTES, fetch

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.report import JobReport
    from airflow_provider_runway.transports.settings import Log, Settings


def target_name(output_path: str, request_id: str, index: int = 0) -> str:
    """Return the full path of one output: a folder (ending in "/") gets ``{request_id}.mp4`` in it.

    Further outputs of one job get ``-1``, ``-2``, … before the ending.

    :raises BadInput: the path is empty.
    """
    if not output_path.strip():
        raise BadInput("output_path is empty; give a file, or a folder that ends in '/'.")
    if output_path.endswith("/"):
        output_path += f"{request_id}.mp4"
    if index == 0:
        return output_path
    head, slash, name = output_path.rpartition("/")
    file = PurePosixPath(name)
    return f"{head}{slash}{file.stem}-{index}{file.suffix}"


def check_target(output_path: str, conn_id: str | None) -> None:
    """Find out whether a path can be stored at, while nothing is paid for.

    :raises BadInput: the path is empty, no provider serves its scheme, or its connection does not exist.
    """
    target = target_name(output_path, "video")
    if "://" not in target:
        return
    try:
        _ = storage_path(target, conn_id).fs
    except (ValueError, ImportError, AirflowNotFoundException) as problem:
        raise BadInput(f"output_path {output_path!r} cannot be used: {problem}. Nothing was sent.") from problem


def store_outputs(report: JobReport, output_path: str, conn_id: str | None, settings: Settings, log: Log) -> str:
    """Store every output of a job, and return the path of the first.

    A video is fetched into a local temporary file, checked, and only then appears under its name, at
    once: a reader never sees half of it. Storing it again replaces it.

    :raises DownloadFailed: it could not be fetched, or not be stored; the job itself is not touched.
    """
    try:
        targets = [
            _store_one(url, target_name(output_path, report.request_id, index), conn_id, settings, log)
            for index, url in enumerate(report.output_urls)
        ]
    except DownloadFailed as problem:
        back = way_back(report.request_id, report.submitted_at)
        raise DownloadFailed(
            f"Job {report.request_id}: {problem} The job is done and paid for; a retry only fetches again. {back}",
            **problem.facts,
        ) from problem
    return targets[0]


def _store_one(url: str, target: str, conn_id: str | None, settings: Settings, log: Log) -> str:
    path = storage_path(target, conn_id)
    # A plain path is taken as it stands: Airflow 2.11 would begin a relative one at the root.
    local = Path(target) if "://" not in target else Path(path.path) if path.protocol == "file" else None
    part: Path | None = None
    try:
        if local is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place where that is local, so that the last step is one rename.
        with tempfile.NamedTemporaryFile(
            dir=local.parent if local else None, prefix=".runway-", suffix=".part", delete=False
        ) as sink:
            part = Path(sink.name)
            size = fetch(url, cast("BinaryIO", sink), settings, log)
            if local is None:
                sink.seek(0)
                with path.open("wb") as stored:  # type: ignore[no-untyped-call]
                    shutil.copyfileobj(sink, stored, CHUNK_BYTES)
        if local is not None:
            part.chmod(0o644)  # a temporary file is its owner's alone; a video is for whoever may enter the folder
            part.replace(local)
    except OSError as problem:
        raise DownloadFailed(f"The video could not be stored at {target}: {problem}.", url=url) from problem
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    log.info("Stored %d bytes at %s.", size, target)
    return target
