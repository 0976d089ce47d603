"""Where the video of each row is stored: at its ``output_path``, else by its custom_id beside the table of results."""

from __future__ import annotations

from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.outputs.path_template import OutputPathTemplate


def get_output_path(row: BatchRow, result_path: str) -> str:
    """Return the row's output path, with its placeholders. :param result_path: the folder of the batch."""
    own: str | None = row.arguments.get("output_path")  # another type is refused where the template is parsed
    if own is not None:
        return own
    return f"{escape_braces(result_path.rstrip('/'))}/"


def escape_braces(path: str) -> str:
    """Return a path for a template of output paths in which its braces are no placeholders."""
    return path.replace("{", "{{").replace("}", "}}")


def format_first_path(output_path: str, row: BatchRow) -> str:
    """Return a path that two rows share where their videos would have the same name."""
    values = {
        "index": 0,
        "request_id": f"job of {row.custom_id}",
        "model": row.arguments.get("model"),
        "seed": row.arguments.get("seed") if row.arguments.get("seed") is not None else f"seed of {row.custom_id}",
        "custom_id": row.custom_id,
    }
    return OutputPathTemplate.parse(output_path, is_batch=True).format_path(values)
