"""Many jobs in one task, as values: the rows that go in, their check, and the table of results that comes out.

``read_results`` reads the table in a task of your own.
"""

from airflow_provider_runway.batch.results import read_results

__all__ = ["read_results"]
