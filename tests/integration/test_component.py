"""The keeper: nothing of a component outlives the one who asked for it."""

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

from local_airflow import Component, leftovers, until

# A child in a session of its own, and a grandchild whose parent is gone: what killing a process group misses.
FAMILY = "setsid sleep 300 & (setsid sleep 300 &) ; echo ready; exec sleep 300"


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Component]:
    """The three of them, settled."""
    component = Component("family", ["sh", "-c", FAMILY], os.environ, tmp_path, tmp_path / "family.log")

    def settled() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [process.name() for process in component.processes()] == ["sleep"] * 3
        return False

    try:
        until(settled, timeout_s=10, what="three sleepers", explain=component.tail)
        yield component
    finally:
        component.stop()


def test_stopping_ends_runaways_and_orphans_too(family: Component, tmp_path: Path) -> None:
    assert len(leftovers(tmp_path)) == 4  # the keeper and what it keeps

    family.stop()

    assert family.gone
    assert leftovers(tmp_path) == []
    assert family.tail() == "ready"


def test_killing_the_command_alone_leaves_its_children_to_themselves(family: Component, tmp_path: Path) -> None:
    family.kill(whole_tree=False)

    until(lambda: not family.alive, timeout_s=5, what="the command's end")
    assert len(family.processes()) == 2
    family.stop()
    assert leftovers(tmp_path) == []


def test_a_command_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    component = Component("brief", ["sh", "-c", "echo done"], os.environ, tmp_path, tmp_path / "brief.log")

    until(lambda: component.gone, timeout_s=5, what="the end")

    assert not component.alive
    assert component.tail() == "done"
    component.stop()


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
def test_nothing_outlives_whoever_started_it(tmp_path: Path, signal_name: str) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from local_airflow import Component

home = Path(sys.argv[1])
family = Component("family", ["sh", "-c", {FAMILY!r}], os.environ, home, home / "log")
os.kill(os.getpid(), signal.{signal_name})
"""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "tools")}

    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)

    assert ended.returncode == -signal.Signals[signal_name]
    until(lambda: not leftovers(tmp_path), timeout_s=10, what="the end of the family")
