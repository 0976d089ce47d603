"""The smallest DAGs that go through all of Airflow's components: a deferral of two seconds, and a long one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, BaseOperator

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
except ImportError:  # Airflow 2.11 without the standard provider
    from airflow.triggers.temporal import TimeDeltaTrigger


class NapOperator(BaseOperator):
    """Defer for some seconds, then return a word."""

    def __init__(self, *, seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        self.log.info("Going to sleep")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="wake")

    def wake(self, context: Any, event: Any = None) -> dict[str, str]:
        self.log.info("Awake again")
        return {"slept": "well"}


for dag_id, seconds in {"nap": 2, "long_nap": 8}.items():
    with DAG(dag_id, schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):
        NapOperator(task_id="sleep", seconds=seconds)
