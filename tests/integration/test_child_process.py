"""Child processes and all their descendants end with the process that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_airflow import ChildProcess, find_processes_in, wait_until

# A child in a session of its own, and a grandchild whose parent has ended: killing a process group misses both.
SCRIPT = "setsid sleep 300 & (setsid sleep 300 &) ; echo ready; exec sleep 300"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[ChildProcess]:
    """The command with its two descendants, once all three run."""
    process = ChildProcess("tree", ["sh", "-c", SCRIPT], os.environ, tmp_path, tmp_path / "tree.log")

    def all_run() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.name() for child in process.list_processes()] == ["sleep"] * 3
        return False

    try:
        wait_until(all_run, timeout_s=10, what="three processes", explain=process.read_log_tail)
        yield process
    finally:
        process.stop()


def test_stop_ends_detached_and_orphaned_descendants_too(tree: ChildProcess, tmp_path: Path) -> None:
    assert len(find_processes_in(tmp_path)) == 4  # with the supervisor

    tree.stop()

    assert tree.has_ended
    assert find_processes_in(tmp_path) == []
    assert tree.read_log_tail() == "ready"


def test_killing_the_command_alone_leaves_its_descendants_running(tree: ChildProcess, tmp_path: Path) -> None:
    tree.kill(whole_tree=False)

    wait_until(lambda: not tree.is_running, timeout_s=5, what="the command's end")
    assert len(tree.list_processes()) == 2
    tree.stop()
    assert find_processes_in(tmp_path) == []


def test_a_command_that_ends_by_itself_has_ended(tmp_path: Path) -> None:
    process = ChildProcess("brief", ["sh", "-c", "echo done"], os.environ, tmp_path, tmp_path / "brief.log")

    wait_until(lambda: process.has_ended, timeout_s=5, what="the end")

    assert not process.is_running
    assert process.read_log_tail() == "done"
    process.stop()


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, signal_name: str) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from local_airflow import ChildProcess

home = Path(sys.argv[1])
tree = ChildProcess("tree", ["sh", "-c", {SCRIPT!r}], os.environ, home, home / "log")
os.kill(os.getpid(), signal.{signal_name})
"""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "tools")}

    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)

    assert process.returncode == -signal.Signals[signal_name]
    wait_until(lambda: not find_processes_in(tmp_path), timeout_s=10, what="the end of all processes")
