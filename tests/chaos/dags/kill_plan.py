"""Which tasks are to be killed at which point, and which kills have happened."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

BEFORE_POST = "before the POST"
BEFORE_RESPONSE = "after the server accepted, before the response"
BEFORE_JOURNAL = "after the response, before the journal"
BEFORE_DEFERRAL = "after the journal, before the deferral"
AFTER_EVENT = "after the event"
BEFORE_RESULT = "before the result is stored"
AFTER_INTENTS = "after the intents of a wave, before its first POST"
IN_WAVE = "in the middle of a wave"
AFTER_WAVE = "after a wave, before the deferral"
WHILE_STORING = "while videos are stored"

SUBMIT_POINTS = (BEFORE_POST, BEFORE_RESPONSE, BEFORE_JOURNAL, BEFORE_DEFERRAL, BEFORE_RESULT)
WAIT_POINTS = (AFTER_EVENT, BEFORE_RESULT)
ALL_POINTS = (*SUBMIT_POINTS[:-1], *WAIT_POINTS)

BATCH_POINTS = (AFTER_INTENTS, IN_WAVE, AFTER_WAVE, WHILE_STORING)

#: ``{"task[map_index]": {"point": number of kills}}``
Kills = dict[str, dict[str, int]]


class KillPlan:
    """A plan in a folder that tests write and tasks read. Each planned kill happens once.

    :param folder: Contains ``plan.json``, and an empty file for each kill that has happened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, kills: Kills) -> None:
        """Replace the plan."""
        (self.folder / "plan.json").write_text(json.dumps(kills))

    def list_kills(self, run_id: str) -> list[str]:
        """Return the kills that have happened in a run."""
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith(run_id))

    def kill_if_planned(self, run_id: str, task: str, point: str) -> None:
        """Kill this process by SIGKILL if the plan has a kill left for the task at this point."""
        plan: Kills = json.loads((self.folder / "plan.json").read_text())
        for number in range(plan.get(task, {}).get(point, 0)):
            record = self.folder / f"{run_id} {task} {point} {number}".replace("/", "_")
            try:
                record.touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
