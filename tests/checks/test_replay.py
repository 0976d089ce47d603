"""An emulator that replays the transcript of a check shows rows of the form that the check saw."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import requests

from airflow_provider_runway.checks.account_evidence import collect_evidence
from airflow_provider_runway.checks.redacted_transcript import make_transcript
from airflow_provider_runway.emulator import HISTORY_FORMS, Emulator
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport

BODY = {"promptText": "a cat & a dog", "promptImage": "https://example.com/a.png?x=1", "seed": 7, "ratio": "16:9"}
#: A transcript cannot show inputs that a row has lost, nor rows that the check did not get.
NOT_IN_A_TRANSCRIPT = {"defaults_dropped", "normalized", "pages_from_zero"}


def test_every_form_comes_back_from_its_transcript(tmp_path: Path) -> None:
    file = tmp_path / "transcript.json"
    different = {}
    for name in HISTORY_FORMS:
        with Emulator(history_form=name) as recorded:
            shown = list_row_shapes(recorded)
            file.write_text(json.dumps(record_transcript(recorded)))
        with Emulator(replay=file) as replayed:
            if list_row_shapes(replayed) != shown:
                different[name] = (shown, list_row_shapes(replayed))
    assert set(different) == NOT_IN_A_TRANSCRIPT, different


def record_transcript(emulator: Emulator) -> dict[str, Any]:
    """Return the transcript of a check of an account with one finished job."""
    base_urls = BaseUrls(emulator.url, emulator.storage_url, emulator.history_url)
    with RequestsTransport(ClientSettings(emulator.test_key, base_urls)) as transport:
        return make_transcript(transport.run(collect_evidence(base_urls, NO_RETRY)))


def list_row_shapes(emulator: Emulator) -> list[Any]:
    """Submit a job, let it finish, and return the names and types in the rows of the history."""
    headers = {"x-api-key": emulator.test_key}
    if not emulator.ledger()["accepted"]:
        requests.post(f"{emulator.url}/v2/runway-gen3-alphaturbo", json=BODY, headers=headers, timeout=10)
        emulator.advance(400)
    response = requests.get(emulator.history_url, headers=headers, timeout=10)
    rows = response.json()["data"] if response.status_code == 200 else []
    return [{name: get_shape(name, value) for name, value in row.items()} for row in rows]


def get_shape(name: str, value: Any) -> Any:
    """Return the type of a value; for inputs, their names and types in the format in which they are written."""
    if name == "request_body" and isinstance(value, str):
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse.__name__, get_shape("", parse(value))
            except (ValueError, SyntaxError):
                continue
    if isinstance(value, dict):
        return {key: get_shape(key, inner) for key, inner in value.items()}
    return type(value).__name__
