"""Compare the emulator's ledger with Airflow's XComs: was a job paid twice, was one lost?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from local_airflow import EmulatorProcess, LocalAirflow, Run


@dataclass(frozen=True)
class PaymentReport:
    """The jobs of one run. ``paid_twice`` and ``lost`` name logical jobs by their prompts."""

    requested: int
    billable: int
    delivered: int
    paid_twice: list[str]
    lost: list[str]

    @property
    def is_correct(self) -> bool:
        """Whether each requested job was paid for once and its output reached the task that requested it."""
        return not self.paid_twice and not self.lost and self.requested == self.billable == self.delivered


def check_payments(
    airflow: LocalAirflow, emulator: EmulatorProcess, run: Run, one_task_jobs: int, two_task_jobs: int
) -> PaymentReport:
    """Compare the requested jobs with the billed ones, and with what the tasks returned."""
    jobs = {job["request_id"]: job for job in emulator.get_ledger()["jobs"]}
    billed = Counter(job["body"]["promptText"] for job in jobs.values() if job["billable"])
    requested = [(f"one_task {index}", "one_task", index) for index in range(one_task_jobs)]
    requested += [(f"submit {index}", "wait", index) for index in range(two_task_jobs)]
    delivered = [
        prompt
        for prompt, task_id, index in requested
        if _is_delivered(airflow.get_xcom(run, task_id, map_index=index), prompt, jobs)
    ]
    return PaymentReport(
        requested=len(requested),
        billable=sum(billed.values()),
        delivered=len(delivered),
        paid_twice=[prompt for prompt, count in billed.items() if count > 1],
        lost=[prompt for prompt, _, _ in requested if prompt not in delivered],
    )


def _is_delivered(result: Any, prompt: str, jobs: dict[str, Any]) -> bool:
    """Return whether a task returned the output of a completed job with its own prompt."""
    job = jobs.get((result or {}).get("request_id"))
    return (
        job is not None
        and result["status"] == "COMPLETED"
        and job["body"]["promptText"] == prompt
        and result["output_url"] == job["output_url"]
    )
