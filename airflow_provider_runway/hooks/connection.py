"""How an Airflow connection of type ``runway`` is read.

host: the gateway's URL; password: the API key, else ``SEGMIND_API_KEY``; extra: ``storage_url``,
``history_url``, ``requests_per_minute``, ``timeout``, ``verify``. No I/O in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.http import GATEWAY_URL, HISTORY_URL, STORAGE_URL, BaseUrls
from airflow_provider_runway.segmind.timestamps import parse_number
from airflow_provider_runway.transports.client_settings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ClientSettings

DEFAULT_CONN_ID = "runway_default"
#: The variable that the vendor's SDK reads, too.
KEY_VARIABLE = "SEGMIND_API_KEY"

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class ConnectionLike(Protocol):
    """What is read of an Airflow connection, on either major."""

    host: str | None
    schema: str | None
    port: int | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The connection's extra fields."""


def read_connection(conn_id: str, connection: ConnectionLike, environment: Mapping[str, str]) -> ClientSettings:
    """Return the connection's settings.

    :raises BadConnectionError: no key, an address that is none, or an extra that cannot be read.
    """
    extra = connection.extra_dejson
    try:
        connect_s, read_s = _timeouts(extra.get("timeout"))
        return ClientSettings(
            api_key=_key(connection, environment),
            base_urls=BaseUrls(
                gateway=_gateway(connection),
                storage=_address(extra, "storage_url") or STORAGE_URL,
                history=_address(extra, "history_url") or HISTORY_URL,
            ),
            connect_timeout_s=connect_s,
            read_timeout_s=read_s,
            verify=_verify(extra.get("verify")),
            requests_per_minute=_budget(extra.get("requests_per_minute")),
        )
    except BadConnectionError as problem:
        raise BadConnectionError(f"Connection {conn_id!r}: {problem} Nothing was sent.", conn_id=conn_id) from None


def _key(connection: ConnectionLike, environment: Mapping[str, str]) -> str:
    key = (connection.password or environment.get(KEY_VARIABLE) or "").strip()
    if not key:
        raise BadConnectionError(f"it has no API key. Set its password, or the variable {KEY_VARIABLE}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadConnectionError("its API key has characters that no key has. Copy it anew from Segmind's console.")
    return key


def _gateway(connection: ConnectionLike) -> str:
    """Return the gateway's URL from a full one, or from the parts that a connection URI leaves."""
    host = (connection.host or "").strip()
    if not host:
        return GATEWAY_URL
    try:
        parts = urlsplit(host if "://" in host else f"{connection.schema or 'https'}://{host}")
        if connection.port and parts.port is None:
            parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    except ValueError:
        return host  # which the endpoints refuse, and say why
    return parts.geturl()


def _address(extra: Mapping[str, Any], name: str) -> str:
    value = extra.get(name)
    if value is not None and not isinstance(value, str):
        raise BadConnectionError(f'its extra "{name}" is {value!r}; give an http(s) address, or leave it out.')
    return (value or "").strip()


def _timeouts(value: Any) -> tuple[float, float]:
    """Return (connect, read) seconds from nothing, a read timeout, or a pair of both."""
    if value in (None, ""):
        return CONNECT_TIMEOUT_S, READ_TIMEOUT_S
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    seconds = [parse_number(part) for part in parts]
    if len(seconds) not in (1, 2) or any(second is None or second <= 0 for second in seconds):
        raise BadConnectionError(
            f'its extra "timeout" is {value!r}; give the read timeout in seconds, or "connect, read".'
        )
    numbers = [second for second in seconds if second is not None]
    return (CONNECT_TIMEOUT_S, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _verify(value: Any) -> bool | str:
    if value in (None, ""):
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Never "": to ``requests`` that would mean "do not verify".
        return _WORDS.get(value.strip().lower(), value.strip() or True)
    raise BadConnectionError(f'its extra "verify" is {value!r}; give true, false, or the path of a certificate file.')


def _budget(value: Any) -> float | None:
    if value in (None, ""):
        return None
    number = parse_number(value)
    if number is None or number <= 0:
        raise BadConnectionError(
            f'its extra "requests_per_minute" is {value!r}; give a number above 0, or leave it out.'
        )
    return number
