"""Compare the emulator's ledger with the table of a batch: was a row paid twice, was one lost or mixed up?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_runway.batch import read_results
from local_airflow import EmulatorProcess


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch. ``paid_twice`` and ``wrong`` name rows."""

    rows: int
    billable: int
    delivered: int
    paid_twice: list[str]
    wrong: list[str]

    @property
    def is_correct(self) -> bool:
        """Was each row paid once, and has it its own video?"""
        return not self.paid_twice and not self.wrong and self.rows == self.billable == self.delivered


def check_batch(emulator: EmulatorProcess, manifest: Any, rows: int) -> BatchReport:
    """Compare the rows of a batch with the billed jobs. A row's video is its own by prompt and seed."""
    jobs = {job["request_id"]: job for job in emulator.get_ledger()["jobs"]}
    billed = Counter(job["body"]["promptText"] for job in jobs.values() if job["billable"])
    table = list(read_results(manifest))
    delivered = [row for row in table if row["status"] == "success"]
    return BatchReport(
        rows=rows,
        billable=sum(billed.values()),
        delivered=len(delivered),
        paid_twice=[prompt for prompt, count in billed.items() if count > 1],
        wrong=[row["custom_id"] for row in table if not _has_own_video(row, jobs.get(row["request_id"]))],
    )


def _has_own_video(row: dict[str, Any], job: Any) -> bool:
    return (
        job is not None
        and row["status"] == "success"
        and (job["body"]["promptText"], job["body"]["seed"]) == (row["prompt_text"], row["seed"])
        and job["output_url"] == row["output_url"]
        and Path(row["output_path"]).stat().st_size > 0
    )
