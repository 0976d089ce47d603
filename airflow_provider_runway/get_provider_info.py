"""What Airflow reads about this package, without importing the rest of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_runway import __version__
from airflow_provider_runway.hooks.connection_form import HIDDEN, LABELS, PLACEHOLDERS, make_conn_fields

_PACKAGE = "airflow_provider_runway"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "airflow-provider-runway",
        "name": "Runway",
        "description": "Turn images and prompts into videos with Runway's models on Segmind, and never pay twice.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Runway",
                "external-doc-url": "https://www.segmind.com/models/runway-gen3-alphaturbo",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "runway",
                "hook-class-name": f"{_PACKAGE}.hooks.runway.RunwayHook",
                "hook-name": "Runway (Segmind)",
                "conn-fields": make_conn_fields(),
                "ui-field-behaviour": {
                    "hidden-fields": HIDDEN,
                    "relabeling": LABELS,
                    "placeholders": PLACEHOLDERS,
                },
            }
        ],
        "hooks": [{"integration-name": "Runway", "python-modules": [f"{_PACKAGE}.hooks.runway"]}],
        "operators": [
            {
                "integration-name": "Runway",
                "python-modules": [f"{_PACKAGE}.operators.runway", f"{_PACKAGE}.operators.batch"],
            }
        ],
        "sensors": [{"integration-name": "Runway", "python-modules": [f"{_PACKAGE}.sensors.runway"]}],
        "task-decorators": [
            {"class-name": f"{_PACKAGE}.decorators.batch.runway_batch_task", "name": "runway_batch"},
        ],
        "triggers": [
            {
                "integration-name": "Runway",
                "python-modules": [f"{_PACKAGE}.triggers.runway", f"{_PACKAGE}.triggers.batch"],
            }
        ],
        "cli": [f"{_PACKAGE}.cli.commands.get_airflow_commands"],
        "config": {
            "runway": {
                "description": "Options of the Runway provider (airflow-provider-runway).",
                "options": {
                    "catalogue": {
                        "description": (
                            "Path of a JSON file with models of your own, on every worker and triggerer:\n"
                            '{"slug": {"latency_s": seconds, "fields": [{"name", "kind", "argument", "required",\n'
                            '"allowed", "low", "high", "default"}], "price": {"usd"} or {"usd_by_duration"},\n'
                            '"makes"}}. '
                            "They are checked like the built-in ones. An entry of a built-in slug corrects what it\n"
                            "names and keeps the rest. Each process reads the file once.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/config/runway_models.json",
                        "default": None,
                    },
                    "journal_path": {
                        "description": (
                            "A folder for the submit journals, one small JSON file for each job that a task asks for:\n"
                            "a path that all workers share, or any URL that ObjectStoragePath takes. With it a retry\n"
                            "or a clear never pays twice on Airflow 2.11 to 3.2, too, which have no task state store,\n"
                            "and a clear on Airflow 3.4, which empties that store, loses nothing. Files older than 90\n"
                            "days are deleted. Where it is set, it is used instead of the task state store.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/runway-journal",
                        "default": None,
                    },
                    "videos_roots": {
                        "description": (
                            "The folders whose videos the Videos pages may show, one a line or with commas between\n"
                            "them: local folders that the API server can read, and URLs that ObjectStoragePath takes,\n"
                            "with the connection to read them. {dag_id} stands for the DAG's id, so that no DAG can\n"
                            "show the videos of another. Without it only public output URLs are shown, for 7 days.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/data/videos, s3://aws_default@my-bucket/videos/{dag_id}",
                        "default": None,
                    },
                },
            }
        },
        "extra-links": [
            f"{_PACKAGE}.links.runway.RunwayVideoLink",
            f"{_PACKAGE}.links.runway.RunwayConsoleLink",
            f"{_PACKAGE}.links.batch.RunwayResultsLink",
            f"{_PACKAGE}.links.runway.RunwayVideosPageLink",
        ],
    }
