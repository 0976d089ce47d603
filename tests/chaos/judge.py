"""Says from the emulator's ledger and Airflow's XComs whether anything was paid twice, or lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from local_airflow import EmulatorProcess, LocalAirflow, Run


@dataclass(frozen=True)
class Verdict:
    """What a run came to. ``paid_twice`` and ``lost`` name logical jobs by their prompts."""

    asked: int
    billable: int
    delivered: int
    paid_twice: list[str]
    lost: list[str]

    @property
    def clean(self) -> bool:
        """One billable job for each that was asked for, and each delivered to the task that asked."""
        return not self.paid_twice and not self.lost and self.asked == self.billable == self.delivered


def judge(airflow: LocalAirflow, emulator: EmulatorProcess, run: Run, one: int, two: int) -> Verdict:
    """Compare what was asked for with what was billed, and with what the tasks returned."""
    jobs = {job["request_id"]: job for job in emulator.ledger()["jobs"]}
    billed = Counter(job["body"]["promptText"] for job in jobs.values() if job["billable"])
    asked = [(f"one_task {index}", "one_task", index) for index in range(one)]
    asked += [(f"submit {index}", "wait", index) for index in range(two)]
    right = [
        prompt
        for prompt, task_id, index in asked
        if _delivered(airflow.xcom(run, task_id, map_index=index), prompt, jobs)
    ]
    prompts = [prompt for prompt, _, _ in asked]
    return Verdict(
        asked=len(asked),
        billable=sum(billed.values()),
        delivered=len(right),
        paid_twice=[prompt for prompt, count in billed.items() if count > 1],
        lost=[prompt for prompt in prompts if prompt not in right],
    )


def _delivered(result: Any, prompt: str, jobs: dict[str, Any]) -> bool:
    """Did the task return the output of a completed job that was made for its own prompt?"""
    job = jobs.get((result or {}).get("request_id"))
    return (
        job is not None
        and result["status"] == "COMPLETED"
        and job["body"]["promptText"] == prompt
        and result["output_url"] == job["output_url"]
    )
