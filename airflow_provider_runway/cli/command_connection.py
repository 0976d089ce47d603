"""Reads the connection that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import AirflowException, AirflowNotFoundException, read_connection_in_command
from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.hooks.async_hook import make_settings
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID, make_missing_connection_error

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import ClientSettings


def make_conn_id_option(what: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the option ``--conn-id``. :param what: what the command does with the connection's account."""
    return ("--conn-id",), {
        "default": DEFAULT_CONN_ID,
        "help": f"Airflow connection {what} (default: {DEFAULT_CONN_ID})",
    }


def read_settings(conn_id: str) -> ClientSettings:
    """Return the settings of a connection.

    :raises BadConnectionError: there is none, it cannot be used, or it is not known whether there is one.
    """
    try:
        return make_settings(conn_id, read_connection_in_command(conn_id))
    except AirflowNotFoundException:
        raise make_missing_connection_error(conn_id) from None
    except AirflowException as problem:
        raise BadConnectionError(
            f"{problem} Run this command where Airflow's own commands work, with the same environment variables. "
            "Nothing was sent.",
            conn_id=conn_id,
        ) from None
