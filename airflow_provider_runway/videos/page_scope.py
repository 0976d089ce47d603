"""What one page shows, as a value: all DAGs, a DAG, a task, a run, or a task instance; and the addresses of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

#: Airflow's REST API takes this for "all", so no id may be it.
ALL = "~"


def quote_segment(text: str) -> str:
    """Return a text as one segment of a URL's path."""
    return quote(text, safe="")


@dataclass(frozen=True, slots=True)
class PageScope:
    """The task instances that a page shows. None means all of them.

    :param map_index: -1 for an unmapped task.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    @classmethod
    def from_path(cls, params: Mapping[str, Any]) -> PageScope | None:
        """Return the scope that a page's path names; None where it names something that cannot exist.

        Airflow leaves ``{MAP_INDEX}`` as it is on the page of a task that is not mapped.
        """
        dag_id, run_id, task_id = (params.get(name) for name in ("dag_id", "run_id", "task_id"))
        if any(value in (ALL, "", ".", "..") for value in (dag_id, run_id, task_id)):
            return None
        index = params.get("map_index")
        if index is None or index == "{MAP_INDEX}":
            return cls(dag_id, run_id, task_id)
        try:
            return cls(dag_id, run_id, task_id, max(int(index), -1))
        except ValueError:
            return None

    @property
    def path(self) -> str:
        """The page's path below the plugin's own address."""
        parts = [
            *(("dags", self.dag_id) if self.dag_id is not None else ()),
            *(("runs", self.run_id) if self.run_id is not None else ()),
            *(("tasks", self.task_id) if self.task_id is not None else ()),
            *((str(self.map_index),) if self.map_index is not None else ()),
        ]
        return "/" + "/".join(map(quote_segment, parts))

    @property
    def title(self) -> str:
        """What the page is about, for its title."""
        names = [self.task_id, self.run_id, self.dag_id]
        where = ", ".join(name for name in names if name is not None) or "all DAGs"
        index = f"[{self.map_index}]" if self.map_index is not None and self.map_index >= 0 else ""
        return f"Videos of {where.replace(self.task_id, self.task_id + index, 1) if self.task_id else where}"

    def find_airflow_path(self) -> str:
        """Return the path of Airflow's own page for this."""
        if self.dag_id is None:
            return "/dags"
        dag = f"/dags/{quote_segment(self.dag_id)}"
        if self.run_id is None:
            return dag if self.task_id is None else f"{dag}/tasks/{quote_segment(self.task_id)}"
        run = f"{dag}/runs/{quote_segment(self.run_id)}"
        if self.task_id is None:
            return run
        mapped = f"/mapped/{self.map_index}" if self.map_index is not None and self.map_index >= 0 else ""
        return f"{run}/tasks/{quote_segment(self.task_id)}{mapped}"
