"""Watches the demo's DAG run and tells it: what a person would otherwise click through four pages to see."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import av

from local_airflow import EmulatorProcess, LocalAirflow, Run

#: Tasks that submit a job, and the task whose XCom tells how that job ended.
JOBS = {"generate": "wait", "one_task": "one_task"}


class Teller:
    """Prints lines with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str, subject: str = "") -> None:
        """Print one thing that happened, to whom."""
        run_step = self._paint("2", f"{time.monotonic() - self._start:6.1f} s")
        who = self._paint("1", f"{subject:<9} ") if subject else ""
        print(f"{run_step}  {who}{text}", flush=True)

    def note(self, text: str) -> None:
        """Print something that is not part of the course of events."""
        print(text, flush=True)

    def fact(self, name: str, text: str) -> None:
        """Print a line of the summary."""
        print(f"  {self._paint('1', f'{name:<8}')} {text}", flush=True)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text


class Story:
    """One run of the example DAG.

    :param emulator: Where to look up what a job is doing; None when live, for there each look is a request.
    """

    def __init__(self, teller: Teller, airflow: LocalAirflow, run: Run, emulator: EmulatorProcess | None) -> None:
        self._teller = teller
        self._airflow = airflow
        self._run = run
        self._emulator = emulator
        self._states: dict[str, str | None] = {}
        self._jobs: dict[str, str] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._failed: list[str] = []
        #: Task to the request it has submitted.
        self.requests: dict[str, str] = {}

    def poll_until_done(self, timeout_s: float) -> None:
        """Tell what happens until the run ends.

        :raises TimeoutError: It does not.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # The run's state first: what is told after it is then complete.
            ended = self._airflow.gateway.run_state(self._run) in ("success", "failed")
            self._tell_tasks()
            self._tell_jobs()
            if ended:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run did not end within {timeout_s:g} s; its tasks: {self._states}")
            time.sleep(0.4)
        for task, last in JOBS.items():
            result = self._airflow.xcom(self._run, last)
            if isinstance(result, dict):
                self._results[task] = result
        self._failed = [task for task, state in self._states.items() if state == "failed"]
        for task in self._failed:
            self._teller.say(self._reason(task), task)

    def end(self) -> bool:
        """Print the summary; return whether there is a video."""
        videos = [Path(path) for result in self._results.values() if (path := result.get("output_path"))]
        costs = [float(cost) for result in self._results.values() if (cost := result.get("cost")) is not None]
        self._teller.note("")
        if self._failed or not videos:
            why = f"{' and '.join(self._failed)} failed" if self._failed else "no task says where it put one"
            self._teller.note(f"No video: {why}. Logs: {self._airflow.home / 'logs'}")
            return False
        for video in videos:
            self._teller.fact("Video", f"{video} ({describe(video)})")
        whose = "emulated: nobody was charged" if self._emulator else "from your Segmind credits"
        each = " + ".join(f"{cost:.2f}" for cost in costs)
        self._teller.fact("Cost", f"USD {sum(costs):.2f} for {len(costs)} jobs ({each}), {whose}")
        self._teller.fact("Logs", f"{self._airflow.home / 'logs'}")
        return True

    def _tell_tasks(self) -> None:
        for task, state in self._airflow.task_states(self._run).items():
            if task in JOBS and task not in self.requests and state not in (None, "scheduled", "queued"):
                request_id = self._airflow.xcom(self._run, task, "request_id")
                if request_id:
                    self.requests[task] = request_id
                    self._teller.say(f"submitted: request {request_id}", task)
            if state != self._states.get(task):
                self._states[task] = state
                self._tell_state(task, state)

    def _tell_state(self, task: str, state: str | None) -> None:
        if state == "deferred":
            pool = self._airflow.pool()
            slots = f"worker slots in use: {pool['running']}, deferred tasks: {pool['deferred']}"
            self._teller.say(f"deferred, the triggerer watches the job ({slots})", task)
        elif state in ("running", "success", "failed", "up_for_retry", "skipped", "upstream_failed"):
            self._teller.say(state.replace("_", " "), task)

    def _tell_jobs(self) -> None:
        if self._emulator is None:
            return
        tasks = {request_id: task for task, request_id in self.requests.items()}
        for job in self._emulator.ledger()["jobs"]:
            task = tasks.get(job["request_id"])
            if task and job["state"] != self._jobs.get(task):
                self._jobs[task] = job["state"]
                if job["state"] != "QUEUED":
                    self._teller.say(f"its job at the gateway is {job['state']}", task)

    def _reason(self, task: str) -> str:
        tries = max(t.try_number for t in self._airflow.task_instances(self._run) if t.task_id == task)
        lines = self._airflow.task_log(self._run, task, tries).splitlines()
        errors = [line for line in lines if " ERROR " in line]
        return f"failed: {errors[-1].split(' ERROR ', 1)[1]}" if errors else "failed, and its log does not say why"


def describe(video: Path) -> str:
    """Return a video's size in pixels, seconds and bytes."""
    with av.open(str(video)) as container:
        picture = container.streams.video[0]
        seconds = float(container.duration or 0) / 1_000_000
        return f"{picture.width}x{picture.height}, {seconds:.1f} s, {video.stat().st_size / 1000:.0f} kB"
