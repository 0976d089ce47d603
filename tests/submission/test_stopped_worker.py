"""A worker process is stopped between the intent and the POST, Airflow retries, and then the process continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_runtime import TaskInstance
from submits import count_own_posts, list_own_jobs, submit_or_resume

from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: The first try. It stops itself before the POST, or after it, and says with its exit code how it ended.
FIRST_TRY = """
import os, signal, sys
from airflow_runtime import TaskInstance
from submits import submit_or_resume
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import Timing, set_timing

set_timing(Timing(0.001, history_lag_s=0.1, intent_margin_s=0.1, response_margin_s=0.1,
    submit_retry=RetryPolicy(attempts=3, first_pause_s=0.01, max_elapsed_s=1.5)))
submit = RunwayHook.submit

def stop_and_submit(*args, **kwargs):
    if sys.argv[1] == "before":
        os.kill(os.getpid(), signal.SIGSTOP)
    job = submit(*args, **kwargs)
    if sys.argv[1] == "after":
        os.kill(os.getpid(), signal.SIGSTOP)
    return job

RunwayHook.submit = stop_and_submit
try:
    print(submit_or_resume(TaskInstance()).request_id)
except RunwayError as error:
    print(error)
    sys.exit(3)
"""


@pytest.fixture
def start_first_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    """Keep the journal in files, which both processes see; end what is still running."""
    monkeypatch.setenv("AIRFLOW__RUNWAY__JOURNAL_PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_stopped_try_and_its_retry_submit_one_job(
    gateway: Emulator, start_first_try: list[subprocess.Popen[str]], point: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FIRST_TRY, point],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    start_first_try.append(process)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "the first try ended without a stop"
    second_try = TaskInstance(has_store=False)
    second_try.retry()
    job = submit_or_resume(second_try)
    os.kill(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=60)
    assert [own["request_id"] for own in list_own_jobs(gateway)] == [job.request_id]
    assert count_own_posts(gateway) == 1
    if point == "before":
        assert process.returncode == 3, output
        assert "too late to send" in output
    else:
        assert job.request_id in output
