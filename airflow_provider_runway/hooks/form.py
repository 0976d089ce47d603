"""The connection form, said once and given to Airflow in both of its ways.

Airflow 3.2 and later read it from the provider info; earlier ones ask the hook's class methods,
which want ``wtforms`` widgets. Nothing here is imported before a form is drawn.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_runway.segmind.wire import GATEWAY_URL, HISTORY_URL, STORAGE_URL

#: name -> (label, JSON type, description)
FIELDS: dict[str, tuple[str, str, str]] = {
    "requests_per_minute": (
        "Requests a minute",
        "number",
        "The account's limit, as on Segmind's plan page. Leave it empty to let the triggerer find out.",
    ),
    "timeout": (
        "Timeout (seconds)",
        "string",
        "For one request: the read timeout, or \"connect, read\". Empty: 10, 60. A job's deadline is the operator's.",
    ),
    "verify": (
        "Verify certificates",
        "string",
        "true (default), false, or the path of a certificate authority's file on workers and triggerers.",
    ),
    "storage_url": ("Storage URL", "string", f"Where local pictures are uploaded. Empty: {STORAGE_URL}"),
    "history_url": ("History URL", "string", f"Where lost jobs are looked up. Empty: {HISTORY_URL}"),
}
HIDDEN = ["schema", "port", "login", "extra"]
LABELS = {"host": "Gateway URL", "password": "API key"}
PLACEHOLDERS = {
    "host": GATEWAY_URL,
    "password": "SG_… (empty: the variable SEGMIND_API_KEY)",
    "timeout": "10, 60",
    "verify": "true",
}


def conn_fields() -> dict[str, Any]:
    """Return the extra fields in the provider info's form (Airflow 3.2 and later)."""
    return {
        name: {"label": label, "description": description, "schema": {"type": [kind, "null"]}}
        for name, (label, kind, description) in FIELDS.items()
    }


def conn_widgets() -> dict[str, Any]:
    """Return the extra fields as widgets (before Airflow 3.2)."""
    from wtforms import StringField  # type: ignore[import-untyped]

    try:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
    except ImportError:  # Airflow 3.0 and 3.1 without the FAB provider draw the field by themselves
        return {name: StringField(label, description=text) for name, (label, _, text) in FIELDS.items()}
    return {
        name: StringField(label, description=text, widget=BS3TextFieldWidget())
        for name, (label, _, text) in FIELDS.items()
    }


def field_behaviour() -> dict[str, Any]:
    """Return what to hide, rename and pre-fill, in the hook method's form."""
    return {"hidden_fields": HIDDEN, "relabeling": LABELS, "placeholders": PLACEHOLDERS}
