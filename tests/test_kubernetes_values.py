"""The YAML of the Kubernetes page: it parses, and its parts fit together and fit the package."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_runway.get_provider_info import get_provider_info

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "snippets" / "kubernetes"
#: Paths in the values of Airflow's chart (chart/values.yaml of apache/airflow) that the page uses, and their types.
CHART_VALUES = {
    "executor": str,
    "images.airflow.repository": str,
    "images.airflow.tag": str,
    "secret": list,
    "env": list,
    "config": dict,
    "triggerer.replicas": int,
    "triggerer.args": list,
    "workers.replicas": int,
    "workers.args": list,
}


def read_yaml(name: str) -> dict[str, Any]:
    """Return a file of the page as a dict."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return values


def list_paths(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values by their dotted paths, down to the paths of the chart."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        found |= (
            list_paths(value, f"{path}.") if isinstance(value, dict) and path not in CHART_VALUES else {path: value}
        )
    return found


def test_the_values_are_values_of_the_chart_and_have_its_types(subtests: pytest.Subtests) -> None:
    for name in ("values.yaml", "queue_values.yaml"):
        with subtests.test(name=name):
            paths = list_paths(read_yaml(name))
            assert {path: type(value) for path, value in paths.items()} == {path: CHART_VALUES[path] for path in paths}


def test_each_component_gets_the_connection_from_the_secret() -> None:
    secret = read_yaml("secret.yaml")
    (reference,) = read_yaml("values.yaml")["secret"]
    assert (reference["secretName"], reference["secretKey"]) == (
        secret["metadata"]["name"],
        *secret["stringData"],
    )
    assert reference["envName"] == "AIRFLOW_CONN_RUNWAY_DEFAULT"
    assert json.loads(secret["stringData"][reference["secretKey"]])["conn_type"] == "runway"


def test_the_configuration_has_options_of_the_package_only() -> None:
    config = read_yaml("values.yaml")["config"]
    assert set(config["runway"]) <= set(get_provider_info()["config"]["runway"]["options"])
    assert "://" in config["runway"]["journal_path"]


def test_the_image_has_the_pinned_versions_of_the_release_that_it_is_built_on() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    (release,) = re.findall(r"^FROM apache/airflow:(\d+\.\d+)\.\d+$", text, re.MULTILINE)
    assert f"constraints/airflow-{release}.txt" in text
