"""Translates a task's lineage into OpenLineage. Imported only where Airflow's OpenLineage provider is installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attr
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import RunFacet, external_query_run, output_statistics_output_dataset

from airflow_provider_runway import __version__
from airflow_provider_runway.compat import (
    make_operator_lineage,
    read_hook_lineage,
    to_openlineage_dataset,
)
from airflow_provider_runway.lineage.task_lineage import OutputFile, TaskLineage, to_dataset_name

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

#: The key of the run facet with the facts of the job.
RUN_FACET = "runway"
_AnyDataset = TypeVar("_AnyDataset", bound=Dataset)


@attr.define
class RunwayRunFacet(RunFacet):
    """What Segmind did for the task: one job, or the jobs of a batch. What is not known is left out.

    :param cost: in USD, as the API reported it. :param request_count: the rows of a batch.
    :param counts: how many of them ended how.
    """

    request_id: str | None = None
    status: str | None = None
    model: str | None = None
    cost: float | None = None
    seed: int | None = None
    submitted_at: str | None = None
    completed_at: str | None = None
    request_count: int | None = None
    counts: dict[str, int] | None = None
    provider_version: str = __version__


def build_operator_lineage(
    lineage: TaskLineage, inlets: Sequence[Any], outlets: Sequence[Any]
) -> OperatorLineage[Any, Any]:
    """Return the ``OperatorLineage`` of a task: its own files, what hooks reported, and the author's in- and outlets.

    All of them are in it, because the provider looks at the others only where an operator reports nothing.
    """
    hook_inputs, hook_outputs = read_hook_lineage()
    made: OperatorLineage[Any, Any] = make_operator_lineage(
        inputs=_merge([_make_input(uri) for uri in lineage.inputs], hook_inputs, map(to_openlineage_dataset, inlets)),
        outputs=_merge(map(_make_output, lineage.outputs), hook_outputs, map(to_openlineage_dataset, outlets)),
        run_facets=_make_run_facets(lineage),
    )
    return made


def _make_run_facets(lineage: TaskLineage) -> dict[str, RunFacet]:
    if not lineage.run_facts:
        return {}
    facets: dict[str, RunFacet] = {RUN_FACET: RunwayRunFacet(**lineage.run_facts)}
    if (request_id := lineage.run_facts.get("request_id")) is not None:
        # OpenLineage's own place for the id of the work at a foreign service.
        facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(externalQueryId=request_id, source="segmind")
    return facets


def _make_input(uri: str) -> InputDataset:
    namespace, name = to_dataset_name(uri)
    return InputDataset(namespace=namespace, name=name)


def _make_output(file: OutputFile) -> OutputDataset:
    namespace, name = to_dataset_name(file.uri)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=file.row_count, size=file.size, fileCount=1
    )
    is_measured = file.size is not None or file.row_count is not None
    return OutputDataset(
        namespace=namespace, name=name, outputFacets={"outputStatistics": statistics} if is_measured else {}
    )


def _merge(own: Iterable[_AnyDataset], *others: Iterable[Any]) -> list[_AnyDataset]:
    """Return all datasets once; ours, which say the most, come first."""
    merged: dict[tuple[str, str], Any] = {}
    for dataset in (each for group in (own, *others) for each in group):
        if dataset is not None:
            merged.setdefault((dataset.namespace, dataset.name), dataset)
    return list(merged.values())
