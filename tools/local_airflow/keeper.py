"""Run one command and let nothing of it live longer than whoever asked for it.

    python keeper.py LOG COMMAND...

Airflow's tasks put themselves into process groups of their own, so killing a component's group leaves them behind.
This keeper adopts every orphan below it and waits on its own standard input: when the other end goes away, be it on
purpose, by an exception or by SIGKILL, all that is left below the keeper is killed, and the keeper exits.

It first prints the command's process id. It exits 0 once nothing is left, also when the command ended by itself.
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
GIVE_UP_AFTER_S = 15.0


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants. Linux only; elsewhere the command's own group has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> bool:
    """Collect the dead; return whether any child lives."""
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
    except ChildProcessError:
        return False


def kill_all(group: int) -> bool:
    """Kill everything below this process; return whether it is all gone.

    In rounds, because what is being killed may be forking.
    """
    give_up = time.monotonic() + GIVE_UP_AFTER_S
    while time.monotonic() < give_up:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not reap():
            return True
        time.sleep(0.02)
    return False


def main(log: str, *command: str) -> int:
    adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    # Handlers that do nothing, not SIG_IGN: an ignored signal would stay ignored in the command.
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
            if not reap():
                return 0
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            return 0 if kill_all(child.pid) else 1


if __name__ == "__main__":
    # Past Popen's own clean-up, which would miss the child that `reap` collected.
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
