"""The connection form, said once and given to Airflow in both of its ways.

Airflow 3.2 and later read it from the provider info; earlier ones ask the hook's class methods,
which want ``wtforms`` widgets. Nothing here is imported before a form is drawn.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_runway.segmind.http import GATEWAY_URL, HISTORY_URL, STORAGE_URL

_TEXT: dict[str, Any] = {"type": ["string", "null"]}

#: name -> (label, JSON schema, description). Airflow 3 shows no placeholders here, so the description says the default.
FIELDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "requests_per_minute": (
        "Requests per minute",
        {"type": ["integer", "null"], "minimum": 1},
        "The account's limit, as on Segmind's plan page. Empty: the triggerer finds it out by itself.",
    ),
    "timeout": (
        "Request timeout (seconds)",
        _TEXT,
        'For one request, not for a job: how long to wait for an answer, or "connect, answer". Empty: 10, 60.',
    ),
    # No list of fixed values: a path must be possible. Airflow 3 offers the examples while one types.
    "verify": (
        "Verify certificates",
        {**_TEXT, "examples": ["true", "false"]},
        "true, false, or the path of a CA file that workers and triggerers can read. Empty: true.",
    ),
    "storage_url": ("Storage URL", _TEXT, f"Where pictures without a public URL are uploaded. Empty: {STORAGE_URL}"),
    "history_url": ("History URL", _TEXT, f"Where lost and expired jobs are looked up. Empty: {HISTORY_URL}"),
}
HIDDEN = ["schema", "port", "login", "extra"]
LABELS = {"host": "Gateway URL", "password": "API key"}
#: Of the standard fields everywhere, of the extra ones on Airflow 2 alone.
PLACEHOLDERS = {
    "host": GATEWAY_URL,
    "password": "SG_… (empty: the variable SEGMIND_API_KEY)",
    "requests_per_minute": "60",
    "timeout": "10, 60",
    "verify": "true",
    "storage_url": STORAGE_URL,
    "history_url": HISTORY_URL,
}


def conn_fields() -> dict[str, Any]:
    """Return the extra fields in the provider info's form (Airflow 3.2 and later)."""
    return {
        name: {"label": label, "description": description, "schema": schema}
        for name, (label, schema, description) in FIELDS.items()
    }


def connection_form_widgets() -> dict[str, Any]:
    """Return the extra fields as widgets (before Airflow 3.2)."""
    from wtforms import IntegerField, StringField  # type: ignore[import-untyped]
    from wtforms.validators import NumberRange, Optional  # type: ignore[import-untyped]

    try:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
    except ImportError:  # Airflow 3.0 and 3.1 without the FAB provider draw the field by themselves
        look: dict[str, Any] = {}
    else:
        look = {"widget": BS3TextFieldWidget()}
    return {
        name: IntegerField(label, validators=[Optional(), NumberRange(min=schema["minimum"])], description=text, **look)
        if "integer" in schema["type"]
        else StringField(label, description=text, **look)
        for name, (label, schema, text) in FIELDS.items()
    }


def field_behaviour() -> dict[str, Any]:
    """Return what to hide, rename and pre-fill, in the hook method's form."""
    return {"hidden_fields": HIDDEN, "relabeling": LABELS, "placeholders": PLACEHOLDERS}
