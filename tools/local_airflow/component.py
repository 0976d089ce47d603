"""One long-lived child process, its log file, and the certainty that it ends with us."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

KEEPER = Path(__file__).with_name("keeper.py")


class Component:
    """A command below a keeper of its own (see ``keeper.py``).

    :param name: What people call it; errors and the log file use it.
    :param command: The command line.
    :param env: The whole environment.
    :param cwd: Its working directory. Descendants inherit it, which is how :func:`leftovers` knows them.
    :param log: The file that collects its output; it is appended to, so that a restart keeps what was said before.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [sys.executable, "-P", str(KEEPER), str(log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we decide the order
        )
        assert self._keeper.stdout is not None
        #: The process id of the command itself.
        self.pid = int(self._keeper.stdout.readline() or 0)
        if not self.pid:
            self.stop()
            raise RuntimeError(f"{name} could not be started: {' '.join(command)}")

    @property
    def alive(self) -> bool:
        """Whether the command itself runs; tasks that outlived it do not count."""
        try:
            return _lives(psutil.Process(self.pid))
        except psutil.NoSuchProcess:
            return False

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left, descendants included."""
        return self._keeper.poll() is not None

    def processes(self) -> list[psutil.Process]:
        """Return the command and all that descends from it, orphans too."""
        try:
            return list(filter(_lives, psutil.Process(self._keeper.pid).children(recursive=True)))
        except psutil.NoSuchProcess:
            return []

    def kill(self, number: signal.Signals = signal.SIGKILL, *, whole_tree: bool = True) -> None:
        """Send a signal to the command, or to it and all its descendants, as when a container is killed."""
        targets = self.processes() if whole_tree else [p for p in self.processes() if p.pid == self.pid]
        for process in targets:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGKILL and whole_tree:
            self.stop()  # for what was being forked meanwhile

    def stop(self) -> None:
        """Kill all that is left and wait until it is gone."""
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        self._keeper.wait(timeout=30)

    def tail(self, lines: int = 20) -> str:
        """Return the end of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def leftovers(home: Path) -> list[psutil.Process]:
    """Return the living processes that work in ``home`` or in a folder below it.

    By working directory: Airflow's processes rename themselves, which wipes the environment that others can see.
    """

    def at_home(process: psutil.Process) -> bool:
        try:
            cwd = Path(process.cwd())
            return _lives(process) and (cwd == home or home in cwd.parents)
        except (psutil.Error, OSError):
            return False

    return list(filter(at_home, _other_processes()))


def _other_processes() -> Iterator[psutil.Process]:
    own = psutil.Process().pid
    return (process for process in psutil.process_iter() if process.pid != own)
