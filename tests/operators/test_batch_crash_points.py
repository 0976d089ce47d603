"""The worker of a batch dies at each write of its journal in turn, and no row is ever paid twice or lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import TaskInstance, WorkerDied, run_task
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import add_neighbour, list_own_billable_ids, set_connection_extra

from airflow_provider_runway.batch import wave_submitter
from airflow_provider_runway.batch.atomic_record_files import RecordFolder
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

ROW_COUNT = 6


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch, gateway: Emulator, connection: str) -> None:
    """A lost submit cannot be judged while its response may still come, and the history shows another account's job."""
    set_connection_extra(monkeypatch, timeout=[0.5, 0.5])
    add_neighbour(gateway)


class Death:
    """Kills the worker: from the n-th write of the journal on, nothing is written or sent by its process any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.at: int | None = None
        write, send = RecordFolder.write, wave_submitter.send_intent

        def die_or_write(folder: RecordFolder, name: str, data: bytes) -> None:
            self.writes += 1
            self.check()
            write(folder, name, data)

        def die_or_send(*arguments: Any) -> Any:
            self.check()
            return send(*arguments)

        monkeypatch.setattr(RecordFolder, "write", die_or_write)
        monkeypatch.setattr(wave_submitter, "send_intent", die_or_send)

    def check(self) -> None:
        if self.at is not None and self.writes >= self.at:
            raise WorkerDied(f"at write {self.writes} of the journal")

    def revive(self) -> None:
        """Start another worker, which lives."""
        self.at = None


@pytest.fixture
def death(monkeypatch: pytest.MonkeyPatch) -> Death:
    return Death(monkeypatch)


def lose_no_response(gateway: Emulator) -> None:
    """All goes well."""


def lose_responses(gateway: Emulator) -> None:
    """Some responses are lost after the job was accepted, and some submits before."""
    gateway.add_fault("submit:cut_after:times=2")
    gateway.add_fault("submit:cut_before:times=1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the journal's thread dies, too
@pytest.mark.parametrize("die_at", range(1, 10))
@pytest.mark.parametrize("story", [lose_no_response, lose_responses], ids=lambda story: story.__name__)
def test_a_worker_that_dies_at_any_write_of_the_journal_pays_each_row_once(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, death: Death, story: Callable[[Emulator], None], die_at: int
) -> None:
    story(gateway)
    death.at = die_at
    try:
        manifest = run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    except WorkerDied:
        death.revive()
        ti.retry()
        manifest = run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == ROW_COUNT


#: The first try. It stops itself in the middle of a wave, and says with its exit code how it ended.
FIRST_TRY = """
import os, signal, sys
from pathlib import Path
from airflow_runtime import TaskInstance, run_task
from batches import make_batch, make_rows
from airflow_provider_runway.batch import wave_submitter
from airflow_provider_runway.compat import AirflowException
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import Timing, set_timing

set_timing(Timing(0.001, min_wait_s=0.03, history_pauses_s=(0.05,), history_lag_s=0.1, intent_margin_s=0.1,
    response_margin_s=0.1, submit_retry=RetryPolicy(attempts=3, first_pause_s=0.01, max_elapsed_s=1.5)))
wave_submitter.THREAD_COUNT = 1
send, sent = wave_submitter.send_intent, []

def send_or_stop(*args):
    if len(sent) == int(sys.argv[2]):
        sent.append(None)
        os.kill(os.getpid(), signal.SIGSTOP)
    sent.append(send(*args))
    return sent[-1]

wave_submitter.send_intent = send_or_stop
try:
    run_task(lambda: make_batch(Path(sys.argv[1]), make_rows(6)), TaskInstance())
except AirflowException as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("sent_before", [0, 3], ids=["before the first POST", "in the middle of a wave"])
def test_a_stopped_worker_and_its_successor_never_both_submit_a_row(
    gateway: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent_before: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    folder = tmp_path / "batch"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FIRST_TRY, str(folder), str(sent_before)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the first try ended without a stop"
        second_try = TaskInstance(has_store=False)
        second_try.retry()
        manifest = run_task(lambda: make_batch(folder, make_rows(6)), second_try)
        os.kill(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 6
    assert process.returncode == 3, output
    assert "taken over its batch" in output
