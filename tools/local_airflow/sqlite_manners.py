"""Airflow's local settings for a home on SQLite: copied to ``config/airflow_local_settings.py``, which Airflow imports.

A SAVEPOINT outside a transaction opens one that reads first. When it goes on to write while another process waits to,
SQLite refuses at once with "database is locked", whatever the timeout is, for the two would wait for each other. One
that is opened as a writer's waits for its turn instead. ``airflow backfill create`` works in savepoints.

For commands only: the api-server, which answers many at once, could come to wait for itself.
"""
# mypy: ignore-errors

import os

from sqlalchemy import event
from sqlalchemy.engine import Engine

__all__ = ()  # Airflow takes over every other name


@event.listens_for(Engine, "savepoint")
def _begin_as_a_writer(connection, name):  # noqa: ARG001
    """Open a writer's transaction where the savepoint would open a reader's."""
    if "RUNWAY_COMMAND" not in os.environ or connection.dialect.name != "sqlite":
        return
    if not connection.connection.driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
