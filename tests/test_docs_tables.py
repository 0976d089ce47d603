"""The generated tables of the docs are current, and the docs' examples and paths are valid."""

from __future__ import annotations

import json
import re

import pytest

import docs_tables
from airflow_provider_runway.hooks.custom_models_schema import parse_models
from airflow_provider_runway.polling.schedule import POLL_COSTS_S
from airflow_provider_runway.segmind.model_fields import KINDS
from docs_tables import ROOT


def test_each_table_stands_on_a_page() -> None:
    pages = "".join((ROOT / page).read_text() for page in docs_tables.PAGES)
    assert {found["name"] for found in docs_tables.MARKER.finditer(pages)} == set(docs_tables.TABLES)


def test_the_tables_of_the_pages_are_those_that_make_docs_tables_writes(subtests: pytest.Subtests) -> None:
    for page in docs_tables.PAGES:
        with subtests.test(page):
            text = (ROOT / page).read_text()
            assert text == docs_tables.render(text), "run: make docs-tables"


def test_each_file_that_contributing_names_exists() -> None:
    names = re.findall(r"`([\w./]+/[\w.]+\.py)`", (ROOT / "CONTRIBUTING.md").read_text())
    paths = [name if (ROOT / name).exists() else f"airflow_provider_runway/{name}" for name in names]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_example_of_custom_models_is_valid_and_shows_each_kind_of_field() -> None:
    (example,) = re.findall(r"^```json\n(.*?)^```", (ROOT / "docs/videos.md").read_text(), re.MULTILINE | re.DOTALL)
    models = parse_models(example, "models.json")
    assert [model.slug for model in models] == list(json.loads(example))
    assert {field.kind for field in models[0].fields} == set(KINDS)


def test_the_poller_page_names_the_poll_cost_of_each_priority() -> None:
    page = (ROOT / "docs/poller.md").read_text()
    assert [cost for number, cost in enumerate(POLL_COSTS_S) if f"\n| {number} | {cost:g} |" not in page] == []
