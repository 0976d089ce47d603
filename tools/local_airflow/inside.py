"""Answers questions about an Airflow 2.11 from inside it: run with that environment's Python, told in JSON lines.

    {"ask": "run_state", "dag_id": …, "run_id": …}   ->   {"value": "running"}   or   {"error": "…"}

Airflow 2's REST API would need its whole web server, and its command line takes five seconds a question; this imports
Airflow once. Only ``legacy.py`` talks to it. The types of Airflow 3, where this is checked, do not fit Airflow 2's.
"""
# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
import traceback

# Airflow 2 logs to standard output; the answers keep it for themselves, the logs go where errors go.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from airflow.api.common.trigger_dag import trigger_dag  # noqa: E402
from airflow.models import DagBag, DagModel, DagRun, Pool, XCom  # noqa: E402
from airflow.models.errors import ParseImportError  # noqa: E402
from airflow.models.serialized_dag import SerializedDagModel  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from airflow.utils.state import TaskInstanceState  # noqa: E402


def _run(session, dag_id, run_id):
    run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
    if run is None:
        raise LookupError(f"no run {run_id} of {dag_id}")
    return run


def health():
    from airflow.jobs.job import most_recent_job

    return {
        name: (job := most_recent_job(kind)) is not None and job.is_alive()
        for name, kind in (("scheduler", "SchedulerJob"), ("triggerer", "TriggererJob"))
    }


def dag_known(dag_id):
    return SerializedDagModel.has_dag(dag_id) and DagModel.get_current(dag_id) is not None


def import_errors():
    with create_session() as session:
        return {error.filename: error.stacktrace for error in session.query(ParseImportError)}


def set_paused(dag_id, paused):
    DagModel.get_current(dag_id).set_is_paused(is_paused=paused)


def trigger(dag_id, conf, run_id):
    trigger_dag(dag_id=dag_id, run_id=run_id, conf=conf, replace_microseconds=False)


def runs(dag_id):
    return [run.run_id for run in DagRun.find(dag_id=dag_id)]


def run_state(dag_id, run_id):
    with create_session() as session:
        return str(_run(session, dag_id, run_id).state)


def task_instances(dag_id, run_id):
    with create_session() as session:
        return [
            [ti.task_id, ti.map_index, ti.state and str(ti.state), ti.try_number, ti.max_tries]
            for ti in _run(session, dag_id, run_id).get_task_instances(session=session)
        ]


def xcom(dag_id, run_id, task_id, key, map_index):
    return XCom.get_one(dag_id=dag_id, run_id=run_id, task_id=task_id, key=key, map_index=map_index)


def links(dag_id, run_id, task_id, map_index):
    """As the web server makes them: by the stored DAG, and the link classes that it may load."""
    task = DagBag(read_dags_from_db=True).get_dag(dag_id).get_task(task_id)
    with create_session() as session:
        ti = _run(session, dag_id, run_id).get_task_instance(task_id, session=session, map_index=map_index)
        return {name: task.get_extra_links(ti, name) or "" for name in task.extra_links}


def clear(dag_id, run_id, task_ids, only_failed):
    dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
    with create_session() as session:
        date = _run(session, dag_id, run_id).execution_date
    wanted = None if task_ids is None else [task if isinstance(task, str) else tuple(task) for task in task_ids]
    dag.clear(task_ids=wanted, start_date=date, end_date=date, only_failed=only_failed)


def mark(dag_id, run_id, task_id, state, map_index):
    dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
    indexes = [map_index] if map_index >= 0 else None
    dag.set_task_instance_state(
        task_id=task_id, map_indexes=indexes, run_id=run_id, state=TaskInstanceState(state), commit=True
    )


def pool(name):
    get_stats = Pool.slots_stats()[name]
    return {"slots": get_stats["total"]} | {
        part: get_stats[part] for part in ("running", "queued", "scheduled", "deferred", "open")
    }


for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = {"value": globals()[question.pop("ask")](**question)}
    except Exception as error:
        traceback.print_exc()
        answer = {"error": repr(error)}
    print(json.dumps(answer, default=str), file=answers, flush=True)
