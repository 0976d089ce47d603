"""Makes batch operators with short arguments, and compares their results with the emulator's ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_runtime import IMAGE_URL

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator


def make_rows(count: int, **more: Any) -> list[dict[str, Any]]:
    """Return rows whose prompts name them."""
    return [{"custom_id": f"row-{index}", "prompt_text": f"scene {index}", **more} for index in range(count)]


def make_batch(folder: Path, rows: Any, **arguments: Any) -> RunwayGenerateBatchOperator:
    """Return the operator, which stores in a folder."""
    usual = {"task_id": "generate", "requests": rows, "result_path": str(folder), "prompt_image": IMAGE_URL}
    return RunwayGenerateBatchOperator(**{**usual, **arguments})


def read_table(manifest: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch's table."""
    return list(read_results(manifest))


def find_wrong_rows(gateway: Emulator, table: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with the rows of a table: a job of another row, another video, no file."""
    jobs = {job["request_id"]: job for job in gateway.ledger()["jobs"]}
    wrong = []
    for row in table:
        if row["status"] != "success":
            wrong.append(f"{row['custom_id']} is {row['status']}: {row['error']}")
            continue
        job = jobs[row["request_id"]]
        if (job["body"]["promptText"], job["body"]["seed"]) != (row["prompt_text"], row["seed"]):
            wrong.append(f"{row['custom_id']} has the job of another row")
        if job["output_url"] != row["output_url"] or not Path(row["output_path"]).stat().st_size:
            wrong.append(f"{row['custom_id']} has another video, or none")
    return wrong
