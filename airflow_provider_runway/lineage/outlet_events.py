"""Fills the events of a task's outlets with what its job made, so that DAGs scheduled on them know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import is_asset, is_asset_alias, make_asset

if TYPE_CHECKING:
    from airflow_provider_runway.lineage.task_lineage import TaskLineage
    from airflow_provider_runway.transports.client_settings import Log


def fill_outlet_events(events: Any, outlets: Sequence[Any], lineage: TaskLineage, log: Log) -> None:
    """Add an event for each file to each alias among the outlets, and the facts to the event of each fixed asset.

    What goes wrong here is logged, and nothing else: the job is paid for, and its result is what counts.

    :param events: ``outlet_events`` of Airflow's context; None where it has none.
    """
    for outlet in outlets if events is not None else ():
        try:
            if is_asset_alias(outlet):
                for file in lineage.outputs:
                    facts = {**lineage.asset_facts, "size": file.size, "content_type": file.content_type}
                    events[outlet].add(make_asset(file.uri), extra=facts)
            elif is_asset(outlet):
                events[outlet].extra.update(_describe_files(lineage))
        except Exception as problem:  # such as an asset reference that the API server does not find
            log.warning("The event of the outlet %r has no facts of the job: %s", outlet, problem)


def _describe_files(lineage: TaskLineage) -> Mapping[str, Any]:
    """Return the facts of all files for the one event that a fixed asset has."""
    sizes = [file.size for file in lineage.outputs if file.size is not None]
    types = sorted({file.content_type for file in lineage.outputs if file.content_type is not None})
    return {
        **lineage.asset_facts,
        "size": sum(sizes) if sizes else None,
        "content_type": types[0] if len(types) == 1 else None,
        "uris": [file.uri for file in lineage.outputs],
    }
