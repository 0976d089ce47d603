"""The connection form in both forms that Airflow reads: provider info (3.2 and later), and ``wtforms`` widgets."""

from __future__ import annotations

from typing import Any

from airflow_provider_runway.segmind.http import GATEWAY_URL, HISTORY_URL, STORAGE_URL

_TEXT: dict[str, Any] = {"type": ["string", "null"]}

#: name -> (label, JSON schema, description). Airflow 3 shows no placeholders here, so the description has the default.
FIELDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "requests_per_minute": (
        "Requests per minute",
        {"type": ["integer", "null"], "minimum": 1},
        "The account's limit, as on Segmind's plan page. Empty: the triggerer finds it out.",
    ),
    "daily_cost_limit": (
        "Daily cost limit (USD)",
        _TEXT,  # the older forms have no field for numbers with decimals
        "What the account may spend in a UTC day. No job is submitted that would make it more. Empty: no limit.",
    ),
    "timeout": (
        "Request timeout (seconds)",
        _TEXT,
        'For one request, not for a job: how long to wait for a response, or "connect, response". Empty: 10, 60.',
    ),
    # No fixed list of values, because a path is possible. Airflow 3 suggests the examples.
    "verify": (
        "Verify certificates",
        {**_TEXT, "examples": ["true", "false"]},
        "true, false, or the path of a CA file that workers and triggerers can read. Empty: true.",
    ),
    "storage_url": ("Storage URL", _TEXT, f"Where images without a public URL are uploaded. Empty: {STORAGE_URL}"),
    "history_url": ("History URL", _TEXT, f"Where lost and expired jobs are looked up. Empty: {HISTORY_URL}"),
}
HIDDEN = ["schema", "port", "login", "extra"]
LABELS = {"host": "Gateway URL", "password": "API key"}
#: Airflow 2 shows them in all fields, Airflow 3 in the standard ones only.
PLACEHOLDERS = {
    "host": GATEWAY_URL,
    "password": "SG_… (empty: the environment variable SEGMIND_API_KEY)",
    "requests_per_minute": "60",
    "daily_cost_limit": "20",
    "timeout": "10, 60",
    "verify": "true",
    "storage_url": STORAGE_URL,
    "history_url": HISTORY_URL,
}


def make_conn_fields() -> dict[str, Any]:
    """Return the extra fields in the provider info's form (Airflow 3.2 and later)."""
    return {
        name: {"label": label, "description": description, "schema": schema}
        for name, (label, schema, description) in FIELDS.items()
    }


def make_form_widgets() -> dict[str, Any]:
    """Return the extra fields as widgets (before Airflow 3.2)."""
    from wtforms import IntegerField, StringField  # type: ignore[import-untyped]
    from wtforms.validators import NumberRange, Optional  # type: ignore[import-untyped]

    try:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
    except ImportError:  # Airflow 3.0 and 3.1 without the FAB provider choose the widget themselves
        widget: dict[str, Any] = {}
    else:
        widget = {"widget": BS3TextFieldWidget()}
    widgets: dict[str, Any] = {}
    for name, (label, schema, description) in FIELDS.items():
        if "integer" in schema["type"]:
            validators = [Optional(), NumberRange(min=schema["minimum"])]
            widgets[name] = IntegerField(label, validators=validators, description=description, **widget)
        else:
            widgets[name] = StringField(label, description=description, **widget)
    return widgets


def make_field_behaviour() -> dict[str, Any]:
    """Return hidden fields, labels and placeholders as the hook's method returns them (before Airflow 3.2)."""
    return {"hidden_fields": HIDDEN, "relabeling": LABELS, "placeholders": PLACEHOLDERS}
