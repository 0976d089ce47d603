"""The rows of ``RunwayGenerateBatchOperator`` from its arguments, and the estimate of what they would cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.batch_rows import ROW_ARGUMENTS, RowSource, make_list_source
from airflow_provider_runway.batch.check_rows import check_rows
from airflow_provider_runway.batch.input_file_reader import make_file_source
from airflow_provider_runway.compat import get_unrendered
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.spending.estimate import Estimate, PricedJob

if TYPE_CHECKING:
    from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator


def make_row_source(operator: RunwayGenerateBatchOperator) -> RowSource:
    """Return the rows that the operator's arguments name, with its defaults."""
    defaults = {name: getattr(operator, name, None) for name in ROW_ARGUMENTS}
    requests = get_unrendered(operator.requests)
    if requests is None:
        return make_file_source(operator.requests_path, defaults)
    return make_list_source(requests, defaults)


def read_result_path(value: Any) -> str:
    """Return the folder of a batch without a slash at its end.

    :raises BadInputError: it is empty, or was not rendered.
    """
    check_rendered("result_path", value)
    path = str(value)
    if not path.strip():
        raise BadInputError("result_path is empty; give a folder for the results. Nothing was sent.")
    return path.rstrip("/")


def make_batch_estimate(operator: RunwayGenerateBatchOperator) -> Estimate:
    """Check all rows, and return what they would cost. Sends nothing to Segmind, and leaves the journal alone.

    :raises BadInputError: everything that is wrong with any row.
    """
    jobs: Counter[PricedJob] = Counter()
    check_rows(
        make_row_source(operator),
        read_result_path(operator.result_path),
        lambda row, body: jobs.update([PricedJob.from_body(str(row.arguments["model"]), body)]),
    )
    return Estimate(jobs)
