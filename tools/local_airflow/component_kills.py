"""Kill components of a local Airflow, one after the other, while something else runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from local_airflow.component_launcher import AirflowProcesses


@contextmanager
def kill_components(airflow: AirflowProcesses, kills: Iterable[tuple[str, float]]) -> Iterator[list[str]]:
    """Kill components while the block runs, and start each again at once. Yield the names of those killed so far.

    :param kills: the components' names, each with the pause in seconds before it; may be endless.
    """
    stopped = threading.Event()
    killed: list[str] = []

    def kill_after_pauses() -> None:
        for component, pause_s in kills:
            if stopped.wait(pause_s):
                return
            airflow.kill(component)
            killed.append(component)

    thread = threading.Thread(target=kill_after_pauses)
    thread.start()
    try:
        yield killed
    finally:
        stopped.set()
        thread.join(timeout=60)
