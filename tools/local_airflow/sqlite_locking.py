"""Make Airflow's commands wait for SQLite's lock instead of failing with "database is locked".

Copied to ``config/airflow_local_settings.py`` of the Airflow home, which Airflow imports.

A SAVEPOINT outside a transaction opens a read transaction. When it goes on to write while another process waits to
write, SQLite refuses at once, whatever the timeout is, because each would wait for the other. A transaction that is
opened for writing waits for the lock instead. ``airflow backfill create`` works in savepoints.

This applies to commands only. In the api-server, which handles many requests at once, it could deadlock.
"""
# mypy: ignore-errors

import os

from sqlalchemy import event
from sqlalchemy.engine import Engine

__all__ = ()  # Airflow imports every other name into its own settings


@event.listens_for(Engine, "savepoint")
def _begin_write_transaction(connection, name):  # noqa: ARG001
    """Open a write transaction where the savepoint would open a read transaction."""
    if "RUNWAY_COMMAND" not in os.environ or connection.dialect.name != "sqlite":
        return
    if not connection.connection.driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
