"""What Airflow reads about the package is true, importable, and to the liking of its own providers manager."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import pytest

from airflow_provider_runway import __version__
from airflow_provider_runway.get_provider_info import get_provider_info
from airflow_provider_runway.hooks.form import FIELDS
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
    assert set(RunwayHook.get_connection_form_widgets()) == set(FIELDS)


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
    assert field["schema"]["type"] in (["string", "null"], ["number", "null"])


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
