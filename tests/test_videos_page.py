"""The page about pictures, models and videos says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_runway.outputs.path_template import PLACEHOLDERS
from airflow_provider_runway.segmind.catalogue_file import read_catalogue
from airflow_provider_runway.segmind.jobs import OUTPUT_LIFETIME_S
from airflow_provider_runway.segmind.model_fields import KINDS
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

PAGE = (Path(__file__).parents[1] / "docs" / "videos.md").read_text()
(EXAMPLE,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_of_a_catalogue_is_one_and_shows_every_kind_of_field() -> None:
    models = read_catalogue(EXAMPLE, "models.json")
    assert [model.slug for model in models] == list(json.loads(EXAMPLE))
    assert {field.kind for model in models[:1] for field in model.fields} == set(KINDS)


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_the_table_of_models_is_the_catalogue(slug: str) -> None:
    (row,) = re.findall(rf"^\| `{slug}`.* \| (.*) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert float(row[1]) == BUILT_IN_MODELS[slug].latency_s
    inherited = "runway-gen3-alphaturbo" if row[0].startswith("the same") else slug
    for field in BUILT_IN_MODELS[inherited].fields:
        assert (field.argument or field.name) in re.sub("the same", "prompt_image prompt_text duration seed", row[0])
    for value in next(field.allowed for field in BUILT_IN_MODELS[slug].fields if field.argument == "ratio"):
        assert value in row[0]


def test_the_table_of_placeholders_is_complete() -> None:
    assert re.findall(r"^\| `\{(\w+)\}`", PAGE, re.MULTILINE) == list(PLACEHOLDERS)


def test_the_bounds_are_the_codes() -> None:
    assert MAX_OUTPUT_BYTES == 2 * 1024**3
    assert "`max_output_bytes` (2 GiB)" in PAGE
    assert f"for {OUTPUT_LIFETIME_S / 86_400:.0f} days" in PAGE
