"""Makes operators and sensors with short arguments, and checks their results."""

from __future__ import annotations

from typing import Any

from airflow_runtime import IMAGE_URL, PROMPT

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

#: The XCom contract: key -> the JSON types that it may have.
CONTRACT: dict[str, tuple[type, ...]] = {
    "request_id": (str,),
    "status": (str,),
    "model": (str, type(None)),
    "output_url": (str, type(None)),
    "output_urls": (list,),
    "output_path": (str, type(None)),
    "output_paths": (list,),
    "last_frame_url": (str, type(None)),
    "prompt_text": (str, type(None)),
    "cost": (float, type(None)),
    "remaining_credits": (float, type(None)),
    "metrics": (dict,),
    "seed": (int, type(None)),
    "submitted_at": (str, type(None)),
    "completed_at": (str, type(None)),
    "record_expires_at": (str, type(None)),
}


def make_operator(**arguments: Any) -> RunwayGenerateOperator:
    """Return the operator; by default it waits for the video."""
    usual = {
        "task_id": "generate",
        "prompt_text": PROMPT,
        "prompt_image": IMAGE_URL,
        "wait_for_completion": True,
    }
    return RunwayGenerateOperator(**{**usual, **arguments})


def make_sensor(request_id: Any, **arguments: Any) -> RunwayJobSensor:
    """Return the sensor; it pokes often."""
    return RunwayJobSensor(**{"task_id": "generate", "request_id": request_id, "poke_interval": 0.03, **arguments})


def assert_contract(outcome: Any) -> None:
    """Fail where a task's result is not the XCom contract."""
    assert isinstance(outcome, dict)
    assert list(outcome) == list(CONTRACT)
    assert {name for name, kinds in CONTRACT.items() if type(outcome[name]) not in kinds} == set()
