"""The smallest DAGs that use all of Airflow's components: a deferral of 2 s, and one of 8 s."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, BaseOperator

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
except ImportError:  # Airflow 2.11 without the standard provider
    from airflow.triggers.temporal import TimeDeltaTrigger


class DeferOperator(BaseOperator):
    """Defer for some seconds, then return a value."""

    def __init__(self, *, seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        self.log.info("Deferring")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="resume")

    def resume(self, context: Any, event: Any = None) -> dict[str, str]:
        self.log.info("Resumed")
        return {"result": "done"}


for dag_id, seconds in {"short_deferral": 2, "long_deferral": 8}.items():
    with DAG(dag_id, schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):
        DeferOperator(task_id="defer", seconds=seconds)
