"""Run one command, and kill it and all its descendants when the process that started this one ends.

    python process_tree_reaper.py LOG COMMAND...

Airflow's tasks put themselves into process groups of their own, so killing a component's group does not reach them.
This supervisor adopts every orphan below it and waits on its standard input. That pipe closes when its owner stops the
command, raises or is killed. Then the supervisor kills all descendants and exits.

It first prints the command's process id. It exits 0 when no descendant is left, also when the command ended by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
MAX_KILL_S = 15.0


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants. Linux only; elsewhere only the command's own group is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_children() -> bool:
    """Collect the exit codes of ended children; return whether any child still runs."""
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
    except ChildProcessError:
        return False


def kill_descendants(group: int) -> bool:
    """Kill everything below this process; return whether all of it has ended.

    Repeat, because a process may fork while it is being killed.
    """
    deadline = time.monotonic() + MAX_KILL_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not reap_children():
            return True
        time.sleep(0.02)
    return False


def main(log: str, *command: str) -> int:
    """Run the command; return this process's exit code."""
    adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    # Handlers that do nothing instead of SIG_IGN, because the command would inherit an ignored signal.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)

    with Path(log).open("ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    print(child.pid, flush=True)

    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
            if not reap_children():
                return 0
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            return 0 if kill_descendants(child.pid) else 1


if __name__ == "__main__":
    # os._exit, because Popen's own clean-up would look for the child that `reap_children` has collected.
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
