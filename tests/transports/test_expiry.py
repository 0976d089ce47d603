"""A request that has expired is not sent, however long its connection took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from urllib3.util import connection as urllib3_connection

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import UnreachableError
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import Exchange, execute
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport

Run = Callable[[ClientSettings, Exchange[Any]], Any]
BODY = {"promptImage": "https://images.example/a.png", "promptText": "a red fox", "duration": 5}


def submit(settings: ClientSettings, not_after: float) -> Exchange[Any]:
    return execute(api_calls.make_submit_call(settings.base_urls, "runway-gen3-alphaturbo", BODY, not_after), NO_RETRY)


def test_an_expired_submit_is_not_sent_and_nothing_is_in_doubt(
    run: Run, gateway: Emulator, settings: ClientSettings
) -> None:
    with pytest.raises(UnreachableError, match=r"too late to send this request\. Nothing was sent"):
        run(settings, submit(settings, time.time() - 0.5))
    assert gateway.ledger()["posts"] == 0


def test_a_submit_in_time_is_sent(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    assert run(settings, submit(settings, time.time() + 60)).request_id
    assert gateway.ledger()["posts"] == 1


def test_a_submit_that_expires_while_it_connects_is_not_sent(
    gateway: Emulator, settings: ClientSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = urllib3_connection.create_connection

    def connect_slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return connect(*arguments, **options)

    monkeypatch.setattr(urllib3_connection, "create_connection", connect_slowly)
    with RequestsTransport(settings) as transport:
        with pytest.raises(UnreachableError, match="too late"):
            transport.run(submit(settings, time.time() + 0.15))
        assert gateway.ledger()["posts"] == 0
        assert transport.run(submit(settings, time.time() + 60)).request_id, "the session is as good as new"
    assert gateway.ledger()["posts"] == 1
