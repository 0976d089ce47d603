"""The methods that Airflow's OpenLineage provider calls on a task. Without that provider nothing calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_runway.lineage.task_lineage import TaskLineage


class OpenLineageMethods:
    """Mixed into the operators and the sensor: each event reports what the task knows at that time."""

    inlets: Any
    outlets: Any

    def describe_lineage(self) -> TaskLineage:
        """Return what the task has read and written so far."""
        raise NotImplementedError

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Report the inputs, before the work begins or when the task resumes."""
        return self._build_operator_lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002  theirs
        """Report the inputs and outputs, what the job cost, and its request id."""
        return self._build_operator_lineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002  theirs
        """Report what is known of the job: it may be billed although the task failed."""
        return self._build_operator_lineage()

    def _build_operator_lineage(self) -> OperatorLineage[Any, Any]:
        from airflow_provider_runway.lineage.build_openlineage import build_operator_lineage

        return build_operator_lineage(self.describe_lineage(), self.inlets or (), self.outlets or ())
