"""``@task.runway_batch``: a function that returns the rows of a batch becomes a batch's task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import raise_as_airflow_errors
from airflow_provider_runway.compat import (
    DecoratedOperator,
    call_decorated_function,
    log_rendered_fields,
    task_decorator_factory,
)
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_runway.compat import TaskDecorator
    from airflow_provider_runway.operators.batch_execution import BatchExecution


class _RunwayBatchDecoratedOperator(DecoratedOperator, RunwayGenerateBatchOperator):
    """A batch whose rows a function returns.

    The function is called once in each try. Its rows are written to ``requests.jsonl`` in ``result_path``, and every
    wave of the try reads them there, so that a function with a changing result cannot add jobs between two waves.
    In the next try, or after a clear, it is called again: rows that have changed are new jobs then, which are paid for.
    Jinja in the rows is not rendered.

    :param python_callable: the function; it may also yield the rows.
    :param op_args: its positional arguments. (templated) :param op_kwargs: its keyword arguments. (templated)
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in RunwayGenerateBatchOperator.template_fields if name not in ("requests", "requests_path")),
    )
    template_fields_renderers = {  # noqa: RUF012  Airflow's own spelling
        **DecoratedOperator.template_fields_renderers,
        **RunwayGenerateBatchOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.runway_batch"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            requests_path="requests.jsonl",  # until result_path is rendered
            **kwargs,
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the function, write its rows into the batch's folder, and go on as any batch."""
        from airflow_provider_runway.batch.rows_snapshot import write_requests  # not while a DAG file is parsed

        rows = call_decorated_function(self, context)
        with raise_as_airflow_errors(self.log):
            self.requests_path = write_requests(rows, self.result_path)
        self.log.info("The rows that the function returned are in %s.", self.requests_path)
        return RunwayGenerateBatchOperator.execute(self, context)

    def dry_run(self) -> None:
        """Log the rendered fields. There is no estimate, because the rows are known only when the function has run."""
        log_rendered_fields(self)
        self.log.info("No estimate: the rows are known when the function has run. estimate_only=True runs it.")

    @contextmanager
    def _open_execution(self, context: Context) -> Iterator[BatchExecution]:
        from airflow_provider_runway.batch.rows_snapshot import get_requests_uri

        self.requests_path = get_requests_uri(self.result_path)
        with super()._open_execution(context) as execution:
            yield execution


def runway_batch_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Turn a function that returns the rows of a batch into a task: ``@task.runway_batch``.

    ::

        @task.runway_batch(result_path="s3://aws_default@bucket/clips/{{ run_id }}", prompt_text="It turns")
        def animate(products: list[dict]) -> list[dict]:
            return [{"custom_id": one["sku"], "prompt_image": one["picture"]} for one in products]

    The other arguments are those of ``RunwayGenerateBatchOperator``. The task returns the manifest.

    :param python_callable: the function.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_RunwayBatchDecoratedOperator, **kwargs
    )
