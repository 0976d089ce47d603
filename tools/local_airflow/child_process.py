"""Start a long-running command as a child process that cannot outlive this one."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

SUPERVISOR = Path(__file__).with_name("process_tree_reaper.py")


class ChildProcess:
    """A command that runs below a supervisor of its own (see ``process_tree_reaper.py``).

    :param name: Its name in errors.
    :param command: The command line.
    :param env: The whole environment.
    :param cwd: The working directory. Descendants inherit it, and :func:`find_processes_in` finds them by it.
    :param log: The file for its output. Output is appended, so a restart keeps what is there.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._supervisor = subprocess.Popen(
            [sys.executable, "-P", str(SUPERVISOR), str(log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,  # Ctrl-C in the terminal reaches this process only, which then stops the rest
        )
        assert self._supervisor.stdout is not None
        #: The process id of the command itself.
        self.pid = int(self._supervisor.stdout.readline() or 0)
        if not self.pid:
            self.stop()
            raise RuntimeError(f"{name} could not be started: {' '.join(command)}")

    @property
    def is_running(self) -> bool:
        """Whether the command itself runs. Descendants that outlived it do not count."""
        try:
            return _is_running(psutil.Process(self.pid))
        except psutil.NoSuchProcess:
            return False

    @property
    def has_ended(self) -> bool:
        """Whether the command and all its descendants have ended."""
        return self._supervisor.poll() is not None

    def list_processes(self) -> list[psutil.Process]:
        """Return the command and all its descendants, orphans too."""
        try:
            return list(filter(_is_running, psutil.Process(self._supervisor.pid).children(recursive=True)))
        except psutil.NoSuchProcess:
            return []

    def kill(self, signal_number: signal.Signals = signal.SIGKILL, *, whole_tree: bool = True) -> None:
        """Send a signal to the command and all its descendants, or to the command alone."""
        processes = self.list_processes()
        for process in processes if whole_tree else [process for process in processes if process.pid == self.pid]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal_number)
        if signal_number == signal.SIGKILL and whole_tree:
            self.stop()  # a process that was being forked meanwhile got no signal

    def stop(self) -> None:
        """Kill everything that still runs, and wait until it has ended."""
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                pipe.close()
        self._supervisor.wait(timeout=30)

    def read_log_tail(self, max_lines: int = 20) -> str:
        """Return the last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-max_lines:])
        except FileNotFoundError:
            return ""


def find_processes_in(folder: Path) -> list[psutil.Process]:
    """Return the running processes whose working directory is ``folder`` or below it, except this one.

    Airflow's processes rename themselves, which overwrites the environment that others can read. So the working
    directory identifies them.
    """

    def works_in_folder(process: psutil.Process) -> bool:
        try:
            cwd = Path(process.cwd())
            return _is_running(process) and (cwd == folder or folder in cwd.parents)
        except (psutil.Error, OSError):
            return False

    own_pid = psutil.Process().pid
    return [process for process in psutil.process_iter() if process.pid != own_pid and works_in_folder(process)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
