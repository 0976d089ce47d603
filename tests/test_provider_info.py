"""The provider info that Airflow reads is true, importable, and accepted by Airflow's own providers manager."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import pytest

from airflow_provider_runway import __version__
from airflow_provider_runway.compat import get_config
from airflow_provider_runway.get_provider_info import get_provider_info
from airflow_provider_runway.hooks import custom_models_file
from airflow_provider_runway.hooks.connection_form import FIELDS, PLACEHOLDERS
from airflow_provider_runway.hooks.runway import RunwayHook

INFO = get_provider_info()
(CONNECTION,) = INFO["connection-types"]

#: Drawing a form on Airflow 2.11 imports Flask-AppBuilder, whose own parts are deprecated for one another.
FLASK = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def import_class(path: str) -> Any:
    """Return the class of a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_the_entry_point_returns_the_provider_info() -> None:
    (point,) = (point for point in entry_points(group="apache_airflow_provider") if "runway" in point.value)
    assert point.load()() == INFO
    assert INFO["package-name"] == "airflow-provider-runway"
    assert INFO["versions"] == [__version__]
    assert json.loads(json.dumps(INFO)) == INFO


def test_every_link_and_module_can_be_imported() -> None:
    assert all(import_class(path).name for path in INFO["extra-links"])
    rows = [row for kind in ("hooks", "operators", "sensors", "triggers") for row in INFO[kind]]
    assert all(import_module(name).__doc__ for row in rows for name in row["python-modules"])
    assert {row["integration-name"] for row in rows} == {row["integration-name"] for row in INFO["integrations"]}


def test_the_connection_type_is_that_of_the_hook() -> None:
    assert import_class(CONNECTION["hook-class-name"]) is RunwayHook
    assert CONNECTION["connection-type"] == RunwayHook.conn_type == "runway"
    assert CONNECTION["hook-name"] == RunwayHook.hook_name
    assert RunwayHook.conn_name_attr == "runway_conn_id"
    assert RunwayHook.default_conn_name == "runway_default"


@FLASK
def test_the_old_and_the_new_form_have_the_same_texts() -> None:
    behaviour = RunwayHook.get_ui_field_behaviour()
    declared = CONNECTION["ui-field-behaviour"]
    assert declared == {
        "hidden-fields": behaviour["hidden_fields"],
        "relabeling": behaviour["relabeling"],
        "placeholders": behaviour["placeholders"],
    }
    assert set(CONNECTION["conn-fields"]) == set(FIELDS)
    pytest.importorskip("wtforms", reason="Airflow 3 without the FAB provider has no form widgets")
    widgets = RunwayHook.get_connection_form_widgets()
    texts = {name: (widget.args[0], widget.kwargs["description"]) for name, widget in widgets.items()}
    assert texts == {name: (label, description) for name, (label, _, description) in FIELDS.items()}


@FLASK
def test_the_old_form_takes_a_whole_number_or_nothing_as_the_rate_limit() -> None:
    wtforms = pytest.importorskip("wtforms", reason="Airflow 3 without the FAB provider has no form widgets")
    form = type("Form", (wtforms.Form,), RunwayHook.get_connection_form_widgets())
    for typed, is_valid in (("60", True), ("", True), ("0", False), ("many", False)):
        assert form(FormData(requests_per_minute=typed)).validate() is is_valid, typed


class FormData(dict[str, str]):
    """What a browser sends for a form."""

    def getlist(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def test_without_flask_the_form_is_built_from_airflows_own_replacements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.0 and 3.1 replace ``wtforms`` by such classes, and read from them what to show."""
    service = pytest.importorskip("airflow.api_fastapi.core_api.services.ui.connections").HookMetaService
    replacements = ModuleType("wtforms")
    replacements.IntegerField, replacements.StringField = service.MockIntegerField, service.MockStringField  # type: ignore[attr-defined]
    validators = ModuleType("wtforms.validators")
    validators.Optional, validators.NumberRange = service.MockOptional, service.MockOptional  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wtforms", replacements)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    monkeypatch.setitem(sys.modules, "flask_appbuilder", None)
    shown = {name: widget.param.dump() for name, widget in RunwayHook.get_connection_form_widgets().items()}
    assert {name: field["schema"]["type"] for name, field in shown.items()} == {
        name: schema["type"] for name, (_, schema, _) in FIELDS.items()
    }
    assert {name: field["description"] for name, field in shown.items()} == {
        name: description for name, (_, _, description) in FIELDS.items()
    }


def test_the_form_shows_host_and_password() -> None:
    assert {"host", "password"}.isdisjoint(CONNECTION["ui-field-behaviour"]["hidden-fields"])
    assert set(CONNECTION["ui-field-behaviour"]["relabeling"]) <= {"host", "password"}


def test_each_field_has_a_label_a_description_and_a_type() -> None:
    for name in FIELDS:
        field = CONNECTION["conn-fields"][name]
        assert field["label"]
        assert field["description"]
        assert field["schema"]["type"] in (["string", "null"], ["integer", "null"])


def test_every_field_says_what_it_means_when_it_is_empty() -> None:
    """Airflow 3 shows placeholders of the standard fields alone; the description says it on every release."""
    assert set(PLACEHOLDERS) == {"host", "password", *FIELDS}
    assert all("Empty: " in description for _, _, description in FIELDS.values())


def test_every_option_of_the_configuration_is_read_somewhere() -> None:
    options = {(section, option) for section, row in INFO["config"].items() for option in row["options"]}
    read = {
        (custom_models_file.SECTION, custom_models_file.OPTION),
        ("runway", "journal_path"),
        ("runway", "videos_roots"),
    }
    assert options == read


def test_airflow_knows_the_option_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_config("runway", "catalogue") is None
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", "/opt/airflow/models.json")
    assert get_config("runway", "catalogue") == "/opt/airflow/models.json"


def test_the_provider_info_fits_airflows_own_schema() -> None:
    from airflow import providers_manager

    create = getattr(providers_manager, "_create_provider_info_schema_validator", None)
    assert create is not None
    create().validate(INFO)


@FLASK
@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # moved in 3.2; 2.11 has it here only
def test_airflows_manager_knows_the_connection_type() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert "airflow-provider-runway" in manager.providers
    hook = manager.hooks["runway"]
    assert hook is not None
    assert (hook.hook_class_name, hook.connection_id_attribute_name) == (
        CONNECTION["hook-class-name"],
        "runway_conn_id",
    )
