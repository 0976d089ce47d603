"""Warns where a finished job has cost something else than its price in the model registry says, once for each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runway.segmind.job_price import describe_contradiction
from airflow_provider_runway.segmind.models import MODELS

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import Log

#: The models that this process has warned of already.
_warned: set[str] = set()


def warn_of_contradicted_price(
    log: Log, slug: str | None, cost_usd: float | None, expected_usd: float | None = None
) -> None:
    """Log a warning where a finished job contradicts the price of its model. Each model is warned of once in a process.

    :param cost_usd: what the job has cost; None: it is not known, and nothing is compared.
    :param expected_usd: the price for the job's duration; None: the duration is not known, so any amount will do.
    """
    model = MODELS.get(slug or "")
    if model is None or model.slug in _warned:
        return
    warning = describe_contradiction(model.slug, model.price, cost_usd, expected_usd)
    if warning is not None:
        _warned.add(model.slug)
        log.warning("%s", warning)
