"""What Airflow reads about the package is true, importable, and to the liking of its own providers manager."""

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
from airflow_provider_runway.hooks import custom_models
from airflow_provider_runway.hooks.connection_form import FIELDS, PLACEHOLDERS
from airflow_provider_runway.hooks.runway import RunwayHook

INFO = get_provider_info()
(CONNECTION,) = INFO["connection-types"]

#: Drawing a form on Airflow 2.11 imports Flask-AppBuilder, whose own parts are deprecated for one another.
FLASK = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def imported(path: str) -> Any:
    """The class of a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_the_entry_point_is_found_and_brings_this() -> None:
    (point,) = (point for point in entry_points(group="apache_airflow_provider") if "runway" in point.value)
    assert point.load()() == INFO
    assert INFO["package-name"] == "airflow-provider-runway"
    assert INFO["versions"] == [__version__]
    assert json.loads(json.dumps(INFO)) == INFO


@pytest.mark.parametrize("path", INFO["extra-links"])
def test_every_link_can_be_imported(path: str) -> None:
    assert imported(path).name


@pytest.mark.parametrize(
    "module",
    [
        name
        for kind in ("hooks", "operators", "sensors", "triggers")
        for row in INFO[kind]
        for name in row["python-modules"]
    ],
)
def test_every_module_can_be_imported(module: str) -> None:
    assert import_module(module).__doc__


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_kind_names_an_integration_that_is_there(kind: str) -> None:
    names = {row["integration-name"] for row in INFO["integrations"]}
    assert {row["integration-name"] for row in INFO[kind]} <= names


def test_the_connection_type_is_the_hooks() -> None:
    assert imported(CONNECTION["hook-class-name"]) is RunwayHook
    assert CONNECTION["connection-type"] == RunwayHook.conn_type == "runway"
    assert CONNECTION["hook-name"] == RunwayHook.hook_name
    assert RunwayHook.conn_name_attr == "runway_conn_id"
    assert RunwayHook.default_conn_name == "runway_default"


@FLASK
def test_both_forms_of_the_form_say_the_same() -> None:
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
    said = {name: (widget.args[0], widget.kwargs["description"]) for name, widget in widgets.items()}
    assert said == {name: (label, description) for name, (label, _, description) in FIELDS.items()}


@FLASK
def test_the_older_form_takes_a_whole_number_or_nothing_as_the_budget() -> None:
    wtforms = pytest.importorskip("wtforms", reason="Airflow 3 without the FAB provider has no form widgets")
    form = type("Form", (wtforms.Form,), RunwayHook.get_connection_form_widgets())
    for typed, good in (("60", True), ("", True), ("0", False), ("many", False)):
        assert form(Typed(requests_per_minute=typed)).validate() is good, typed


class Typed(dict[str, str]):
    """What a browser sends of a form."""

    def getlist(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def test_without_flask_the_hooks_form_is_drawn_from_airflows_own_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.0 and 3.1 put such classes in the place of ``wtforms``, and read from them what to draw."""
    service = pytest.importorskip("airflow.api_fastapi.core_api.services.ui.connections").HookMetaService
    stand_ins = ModuleType("wtforms")
    stand_ins.IntegerField, stand_ins.StringField = service.MockIntegerField, service.MockStringField  # type: ignore[attr-defined]
    validators = ModuleType("wtforms.validators")
    validators.Optional, validators.NumberRange = service.MockOptional, service.MockOptional  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wtforms", stand_ins)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    monkeypatch.setitem(sys.modules, "flask_appbuilder", None)
    drawn = {name: widget.param.dump() for name, widget in RunwayHook.get_connection_form_widgets().items()}
    assert {name: field["schema"]["type"] for name, field in drawn.items()} == {
        name: schema["type"] for name, (_, schema, _) in FIELDS.items()
    }
    assert {name: field["description"] for name, field in drawn.items()} == {
        name: description for name, (_, _, description) in FIELDS.items()
    }


def test_no_field_hides_the_password_or_shows_it() -> None:
    assert "password" not in declared_hidden()
    assert "host" not in declared_hidden()
    assert set(CONNECTION["ui-field-behaviour"]["relabeling"]) <= {"host", "password"}


def declared_hidden() -> set[str]:
    """The fields that the form leaves out."""
    return set(CONNECTION["ui-field-behaviour"]["hidden-fields"])


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_has_a_label_a_description_and_a_type(name: str) -> None:
    field = CONNECTION["conn-fields"][name]
    assert field["label"]
    assert field["description"]
    assert field["schema"]["type"] in (["string", "null"], ["integer", "null"])


def test_every_field_that_may_stay_empty_says_what_that_means() -> None:
    """Airflow 3 shows placeholders of the standard fields alone; the description says it on every release."""
    assert set(PLACEHOLDERS) == {"host", "password", *FIELDS}
    assert all("Empty: " in description for _, _, description in FIELDS.values())


def test_every_option_of_the_configuration_is_read_somewhere() -> None:
    options = {(section, option) for section, row in INFO["config"].items() for option in row["options"]}
    assert options == {(custom_models.SECTION, custom_models.OPTION), ("runway", "journal_path")}


def test_airflow_knows_the_option_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_config("runway", "catalogue") is None
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", "/opt/airflow/models.json")
    assert get_config("runway", "catalogue") == "/opt/airflow/models.json"


def test_airflows_own_schema_accepts_it() -> None:
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
