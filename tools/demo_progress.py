"""Follow one run of the demo's DAG and print what happens, as it happens."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import av

from local_airflow import EmulatorProcess, LocalAirflow, Run

#: Each task that submits a job, and the task whose XCom has that job's result.
RESULT_TASKS = {"generate": "wait", "one_task": "one_task"}


class ProgressPrinter:
    """Prints lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._has_colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def print_event(self, text: str, task: str = "") -> None:
        """Print one event of a task, with its time."""
        timestamp = self._colour("2", f"{time.monotonic() - self._start:6.1f} s")
        name = self._colour("1", f"{task:<9} ") if task else ""
        print(f"{timestamp}  {name}{text}", flush=True)

    def print_note(self, text: str) -> None:
        """Print a line without a time."""
        print(text, flush=True)

    def print_fact(self, name: str, text: str) -> None:
        """Print a line of the summary."""
        print(f"  {self._colour('1', f'{name:<8}')} {text}", flush=True)

    def _colour(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._has_colours else text


class RunMonitor:
    """Follows one run of the example DAG.

    :param emulator: Tells the state of each job; None when live, where each poll counts against the rate limit.
    """

    def __init__(
        self, printer: ProgressPrinter, airflow: LocalAirflow, run: Run, emulator: EmulatorProcess | None
    ) -> None:
        self._printer = printer
        self._airflow = airflow
        self._run = run
        self._emulator = emulator
        self._task_states: dict[str, str | None] = {}
        self._job_states: dict[str, str] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._failed_tasks: list[str] = []
        #: Task id to the id of the request that it submitted.
        self.requests: dict[str, str] = {}

    def follow(self, timeout_s: float) -> None:
        """Print events until the run ends.

        :raises TimeoutError: It did not end in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # The run's state is read first, so that no event after the last read is missed.
            has_ended = self._airflow.client.get_run_state(self._run) in ("success", "failed")
            self._print_task_changes()
            self._print_job_changes()
            if has_ended:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run did not end within {timeout_s:g} s; its tasks: {self._task_states}")
            time.sleep(0.4)
        for task, result_task in RESULT_TASKS.items():
            result = self._airflow.get_xcom(self._run, result_task)
            if isinstance(result, dict):
                self._results[task] = result
        self._failed_tasks = [task for task, state in self._task_states.items() if state == "failed"]
        for task in self._failed_tasks:
            self._printer.print_event(self._find_failure_reason(task), task)

    def print_summary(self) -> bool:
        """Print videos, cost and logs; return whether there is a video."""
        videos = [Path(path) for result in self._results.values() if (path := result.get("output_path"))]
        costs = [float(cost) for result in self._results.values() if (cost := result.get("cost")) is not None]
        self._printer.print_note("")
        if self._failed_tasks or not videos:
            reason = f"{' and '.join(self._failed_tasks)} failed" if self._failed_tasks else "no task stored one"
            self._printer.print_note(f"No video: {reason}. Logs: {self._airflow.home / 'logs'}")
            return False
        for video in videos:
            self._printer.print_fact("Video", f"{video} ({describe_video(video)})")
        account = "emulated, so no account was charged" if self._emulator else "from your Segmind credits"
        parts = " + ".join(f"{cost:.2f}" for cost in costs)
        self._printer.print_fact("Cost", f"USD {sum(costs):.2f} for {len(costs)} jobs ({parts}), {account}")
        self._printer.print_fact("Logs", f"{self._airflow.home / 'logs'}")
        return True

    def _print_task_changes(self) -> None:
        for task, state in self._airflow.get_task_states(self._run).items():
            if task in RESULT_TASKS and task not in self.requests and state not in (None, "scheduled", "queued"):
                request_id = self._airflow.get_xcom(self._run, task, "request_id")
                if request_id:
                    self.requests[task] = request_id
                    self._printer.print_event(f"submitted: request {request_id}", task)
            if state != self._task_states.get(task):
                self._task_states[task] = state
                self._print_task_state(task, state)

    def _print_task_state(self, task: str, state: str | None) -> None:
        if state == "deferred":
            pool = self._airflow.get_pool()
            slots = f"worker slots in use: {pool['running']}, deferred tasks: {pool['deferred']}"
            self._printer.print_event(f"deferred, the triggerer polls the job ({slots})", task)
        elif state in ("running", "success", "failed", "up_for_retry", "skipped", "upstream_failed"):
            self._printer.print_event(state.replace("_", " "), task)

    def _print_job_changes(self) -> None:
        if self._emulator is None:
            return
        tasks = {request_id: task for task, request_id in self.requests.items()}
        for job in self._emulator.get_ledger()["jobs"]:
            task = tasks.get(job["request_id"])
            if task and job["state"] != self._job_states.get(task):
                self._job_states[task] = job["state"]
                if job["state"] != "QUEUED":
                    self._printer.print_event(f"its job at the API is {job['state']}", task)

    def _find_failure_reason(self, task: str) -> str:
        tries = max(t.try_number for t in self._airflow.get_task_instances(self._run) if t.task_id == task)
        lines = self._airflow.get_task_log(self._run, task, tries).splitlines()
        errors = [line for line in lines if " ERROR " in line]
        return f"failed: {errors[-1].split(' ERROR ', 1)[1]}" if errors else "failed, without an error in its log"


def describe_video(video: Path) -> str:
    """Return a video's size in pixels, its seconds and its kilobytes."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        seconds = float(container.duration or 0) / 1_000_000
        return f"{stream.width}x{stream.height}, {seconds:.1f} s, {video.stat().st_size / 1000:.0f} kB"
