"""What a task read and wrote, as values: URIs without a secret in them, and the facts of its job.

Knows neither Airflow nor OpenLineage; ``outlet_events`` and ``build_openlineage`` translate it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_runway.compat import is_storage_path

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.jobs import JobSummary

#: The facts of a job that lineage carries, by their names in XCom. No prompt is among them, and no URL.
JOB_FACTS = ("request_id", "status", "model", "cost", "seed", "submitted_at", "completed_at")
#: Those of them that the event of an asset carries.
ASSET_FACTS = ("request_id", "model", "cost", "seed")
#: Of a table with a JSON object in each line.
TABLE_CONTENT_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a task wrote, or that the job left at its URL.

    :param uri: without credentials, query or fragment. :param size: in bytes; None where it is not known.
    :param content_type: its MIME type; None where it is not known. :param row_count: for a table of results.
    """

    uri: str
    size: int | None = None
    content_type: str | None = None
    row_count: int | None = None


@dataclass(frozen=True, slots=True)
class TaskLineage:
    """What one task read and wrote.

    :param inputs: URIs without credentials, query or fragment.
    :param run_facts: what the OpenLineage run says of the work: JSON types only.
    :param asset_facts: what the event of each written file says.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[OutputFile, ...] = ()
    run_facts: Mapping[str, Any] = field(default_factory=dict)
    asset_facts: Mapping[str, Any] = field(default_factory=dict)


def describe_job_lineage(
    prompt_image: Any, job: JobSummary | None, stored_files: Sequence[OutputFile] = ()
) -> TaskLineage:
    """Return the lineage of a task with one job: its image is the input, its outputs are the output.

    :param job: as far as it is known; None before there is one.
    :param stored_files: where outputs are stored; without them the output's own URLs count.
    """
    image_uri = to_lineage_uri(prompt_image)
    facts = {} if job is None else job.to_json()
    urls = () if job is None else job.output_urls
    return TaskLineage(
        inputs=() if image_uri is None else (image_uri,),
        outputs=tuple(stored_files)
        or tuple(OutputFile(uri) for url in urls if (uri := to_lineage_uri(url)) is not None),
        run_facts={name: facts[name] for name in JOB_FACTS if name in facts},
        asset_facts={name: facts[name] for name in ASSET_FACTS if name in facts},
    )


def describe_batch_lineage(requests_path: Any, manifest: Mapping[str, Any] | None) -> TaskLineage:
    """Return the lineage of a batch: the file of its rows is the input, the table of its results is the output.

    Its videos are in the table. An event for each of them would be thousands.

    :param requests_path: None where the rows come from elsewhere. :param manifest: None before the batch has ended.
    """
    rows_uri = to_lineage_uri(requests_path)
    inputs = () if rows_uri is None else (rows_uri,)
    if manifest is None or (table_uri := to_lineage_uri(manifest["result_uri"])) is None:
        return TaskLineage(inputs)
    facts = {name: manifest[name] for name in ("request_count", "counts", "cost")}
    times = {name: manifest[name] for name in ("submitted_at", "completed_at")}
    return TaskLineage(
        inputs=inputs,
        outputs=(OutputFile(table_uri, content_type=TABLE_CONTENT_TYPE, row_count=manifest["request_count"]),),
        run_facts={**facts, **times, "status": manifest["terminal_reason"]},
        asset_facts={**facts, "status": manifest["terminal_reason"]},
    )


def to_lineage_uri(location: Any) -> str | None:
    """Return the URI that names a file in lineage; None for what is no location, such as bytes or a ``data:`` URL.

    User, password and connection id, query and fragment are taken off: the query of a signed URL is a secret, and a
    connection is no part of what is read. A plain path becomes an absolute ``file://`` URI.
    """
    if isinstance(location, str) or is_storage_path(location):
        text = str(location)
    elif isinstance(location, os.PathLike):
        text = os.fsdecode(location)
    else:
        return None
    if not text.strip() or text[:5].lower() == "data:":
        return None
    try:
        if "://" not in text:
            return f"file://{Path(text).absolute()}"
        parts = urlsplit(text)
        return urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except (ValueError, OSError):  # no valid address, or a current folder that is gone
        return None


def to_dataset_name(uri: str) -> tuple[str, str]:
    """Return OpenLineage's namespace and name of a file, by OpenLineage's own naming rules."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc:
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/"
