"""Reads an Airflow connection of type ``runway`` into client settings.

host: the gateway's URL; password: the API key, else ``SEGMIND_API_KEY``; extra: ``storage_url``, ``history_url``,
``requests_per_minute``, ``timeout``, ``verify``, ``daily_cost_limit``. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.http import GATEWAY_URL, HISTORY_URL, STORAGE_URL, BaseUrls
from airflow_provider_runway.segmind.numbers_and_times import parse_number
from airflow_provider_runway.transports.client_settings import (
    DEFAULT_CONNECT_TIMEOUT_S,
    DEFAULT_READ_TIMEOUT_S,
    ClientSettings,
)

DEFAULT_CONN_ID = "runway_default"
#: The environment variable that the vendor's SDK reads, too.
API_KEY_VARIABLE = "SEGMIND_API_KEY"

_BOOLEAN_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class ConnectionLike(Protocol):
    """What is read of an Airflow connection, on Airflow 2 and 3."""

    host: str | None
    schema: str | None
    port: int | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The connection's extra fields."""


def read_connection(conn_id: str, connection: ConnectionLike, environment: Mapping[str, str]) -> ClientSettings:
    """Return the settings in a connection.

    :raises BadConnectionError: no key, a malformed URL, or an extra that cannot be read.
    """
    extra = connection.extra_dejson
    try:
        connect_timeout_s, read_timeout_s = _read_timeouts(extra.get("timeout"))
        return ClientSettings(
            api_key=_read_api_key(connection, environment),
            base_urls=BaseUrls(
                gateway=_read_gateway_url(connection),
                storage=_read_url(extra, "storage_url") or STORAGE_URL,
                history=_read_url(extra, "history_url") or HISTORY_URL,
            ),
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            verify=_read_verify(extra.get("verify")),
            requests_per_minute=_read_requests_per_minute(extra.get("requests_per_minute")),
            daily_cost_limit_usd=_read_daily_cost_limit(extra.get("daily_cost_limit")),
            conn_id=conn_id,
        )
    except BadConnectionError as problem:
        raise BadConnectionError(f"Connection {conn_id!r}: {problem} Nothing was sent.", conn_id=conn_id) from None


def make_missing_connection_error(conn_id: str) -> BadConnectionError:
    """Return the error for a connection that does not exist, with how to add it."""
    return BadConnectionError(
        f"There is no connection {conn_id!r}. Add one of type runway with the API key as its password: in the UI under "
        f"Admin, Connections, or with `airflow connections add {conn_id} --conn-type runway --conn-password …`. "
        "Nothing was sent.",
        conn_id=conn_id,
    )


def _read_api_key(connection: ConnectionLike, environment: Mapping[str, str]) -> str:
    key = (connection.password or environment.get(API_KEY_VARIABLE) or "").strip()
    if not key:
        raise BadConnectionError(
            f"it has no API key. Set its password, or the environment variable {API_KEY_VARIABLE}."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadConnectionError("its API key has characters that no key has. Copy it again from Segmind's console.")
    return key


def _read_gateway_url(connection: ConnectionLike) -> str:
    """Return the gateway's URL, from a full URL in the host field or from the parts that a connection URI leaves."""
    host = (connection.host or "").strip()
    if not host:
        return GATEWAY_URL
    try:
        parts = urlsplit(host if "://" in host else f"{connection.schema or 'https'}://{host}")
        if connection.port and parts.port is None:
            parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    except ValueError:
        return host  # BaseUrls refuses it, and says why
    return parts.geturl()


def _read_url(extra: Mapping[str, Any], name: str) -> str:
    value = extra.get(name)
    if value is not None and not isinstance(value, str):
        raise BadConnectionError(f'its extra "{name}" is {value!r}; give an http(s) URL, or leave it out.')
    return (value or "").strip()


def _read_timeouts(value: Any) -> tuple[float, float]:
    """Return (connect, read) timeouts in seconds, from nothing, a read timeout, or a pair of both."""
    if value in (None, ""):
        return DEFAULT_CONNECT_TIMEOUT_S, DEFAULT_READ_TIMEOUT_S
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    numbers = [number for part in parts if (number := parse_number(part)) is not None and number > 0]
    if len(numbers) != len(parts) or len(numbers) not in (1, 2):
        raise BadConnectionError(
            f'its extra "timeout" is {value!r}; give the read timeout in seconds, or "connect, read".'
        )
    return (DEFAULT_CONNECT_TIMEOUT_S, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _read_verify(value: Any) -> bool | str:
    if value in (None, ""):
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Never "": ``requests`` takes that for "do not verify".
        return _BOOLEAN_WORDS.get(value.strip().lower(), value.strip() or True)
    raise BadConnectionError(f'its extra "verify" is {value!r}; give true, false, or the path of a certificate file.')


def _read_requests_per_minute(value: Any) -> float | None:
    if value in (None, ""):
        return None
    number = parse_number(value)
    if number is None or number <= 0:
        raise BadConnectionError(
            f'its extra "requests_per_minute" is {value!r}; give a number above 0, or leave it out.'
        )
    return number


def _read_daily_cost_limit(value: Any) -> float | None:
    """Return the limit in USD. What cannot be read is refused, for it must not pass for "no limit"."""
    if value in (None, ""):
        return None
    number = parse_number(value)
    if number is None or number < 0:
        raise BadConnectionError(
            f'its extra "daily_cost_limit" is {value!r}; give an amount in USD such as 20 or 7.50, or leave it out.'
        )
    return number
