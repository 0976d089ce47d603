"""Reports the files of a job to Airflow's hook lineage, where other lineage backends than OpenLineage read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import report_read_file, report_written_file

if TYPE_CHECKING:
    from airflow_provider_runway.lineage.task_lineage import TaskLineage
    from airflow_provider_runway.transports.client_settings import Log


def report_hook_lineage(hook: Any, lineage: TaskLineage, log: Log) -> None:
    """Report what a task read and wrote, local files too.

    What goes wrong here is logged, and nothing else: the job is paid for, and its result is what counts.

    :param hook: the hook that did it; lineage keeps it as the context.
    """
    try:
        for uri in lineage.inputs:
            report_read_file(hook, uri)
        for file in lineage.outputs:
            report_written_file(hook, file.uri)
    except Exception as problem:  # such as a name that is too long for an asset
        log.warning("The files of this task are not all in Airflow's lineage: %s", problem)
