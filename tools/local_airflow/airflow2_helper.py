"""Helper process of ``airflow2_client.py``: reads and changes an Airflow 2.11 with Airflow's own models.

It runs in the environment of that Airflow and talks in JSON lines:

    {"function": "get_run_state", "dag_id": …, "run_id": …}   ->   {"value": "running"}   or   {"error": "…"}

Airflow 2's REST API would need its whole web server, and its command line takes five seconds a call. This imports
Airflow once. mypy ignores the file because it checks against Airflow 3, whose types differ.
"""
# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
import traceback

# Airflow 2 logs to standard output. Responses keep that for themselves; the logs go to standard error.
responses = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from airflow.api.common.trigger_dag import trigger_dag  # noqa: E402
from airflow.models import DagBag, DagModel, DagRun, Pool, XCom  # noqa: E402
from airflow.models.errors import ParseImportError  # noqa: E402
from airflow.models.serialized_dag import SerializedDagModel  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from airflow.utils.state import TaskInstanceState  # noqa: E402


def _find_run(session, dag_id, run_id):
    run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
    if run is None:
        raise LookupError(f"no run {run_id} of {dag_id}")
    return run


def get_health():
    from airflow.jobs.job import most_recent_job

    return {
        name: (job := most_recent_job(kind)) is not None and job.is_alive()
        for name, kind in (("scheduler", "SchedulerJob"), ("triggerer", "TriggererJob"))
    }


def has_dag(dag_id):
    return SerializedDagModel.has_dag(dag_id) and DagModel.get_current(dag_id) is not None


def get_import_errors():
    with create_session() as session:
        return {error.filename: error.stacktrace for error in session.query(ParseImportError)}


def set_paused(dag_id, paused):
    DagModel.get_current(dag_id).set_is_paused(is_paused=paused)


def trigger(dag_id, conf, run_id):
    trigger_dag(dag_id=dag_id, run_id=run_id, conf=conf, replace_microseconds=False)


def list_runs(dag_id):
    return [run.run_id for run in DagRun.find(dag_id=dag_id)]


def get_run_state(dag_id, run_id):
    with create_session() as session:
        return str(_find_run(session, dag_id, run_id).state)


def get_task_instances(dag_id, run_id):
    with create_session() as session:
        return [
            [ti.task_id, ti.map_index, ti.state and str(ti.state), ti.try_number, ti.max_tries]
            for ti in _find_run(session, dag_id, run_id).get_task_instances(session=session)
        ]


def get_xcom(dag_id, run_id, task_id, key, map_index):
    return XCom.get_one(dag_id=dag_id, run_id=run_id, task_id=task_id, key=key, map_index=map_index)


def get_links(dag_id, run_id, task_id, map_index):
    """Return the links as the web server makes them: from the stored DAG and the link classes that it may load."""
    task = DagBag(read_dags_from_db=True).get_dag(dag_id).get_task(task_id)
    with create_session() as session:
        ti = _find_run(session, dag_id, run_id).get_task_instance(task_id, session=session, map_index=map_index)
        return {name: task.get_extra_links(ti, name) or "" for name in task.extra_links}


def clear(dag_id, run_id, task_ids, only_failed):
    dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
    with create_session() as session:
        date = _find_run(session, dag_id, run_id).execution_date
    ids = None if task_ids is None else [task if isinstance(task, str) else tuple(task) for task in task_ids]
    dag.clear(task_ids=ids, start_date=date, end_date=date, only_failed=only_failed)


def set_task_state(dag_id, run_id, task_id, state, map_index):
    dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
    indexes = [map_index] if map_index >= 0 else None
    dag.set_task_instance_state(
        task_id=task_id, map_indexes=indexes, run_id=run_id, state=TaskInstanceState(state), commit=True
    )


def get_pool(name):
    stats = Pool.slots_stats()[name]
    return {"slots": stats["total"]} | {
        part: stats[part] for part in ("running", "queued", "scheduled", "deferred", "open")
    }


for line in sys.stdin:
    request = json.loads(line)
    try:
        response = {"value": globals()[request.pop("function")](**request)}
    except Exception as error:
        traceback.print_exc()
        response = {"error": repr(error)}
    print(json.dumps(response, default=str), file=responses, flush=True)
