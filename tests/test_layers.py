"""Imports between the layers run one way only: they are read with ``ast`` and checked by a table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_runway

PACKAGE = "airflow_provider_runway"
ROOT = Path(airflow_provider_runway.__file__).parent

#: layer -> the layers that it may import, beside itself. ``__init__`` is the top level, which holds the version.
CORE = {"__init__", "exceptions"}
AIRFLOW_FACING = {"compat", "airflow_errors", "task_context", "task_deferral"}
JOB_LAYERS = {
    *("segmind", "history", "polling", "transports", "hooks", "inputs", "outputs", "submission", "triggers"),
    *("lineage", "links"),
}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "exceptions": set(),
    "segmind": CORE,
    "history": CORE | {"segmind"},
    "polling": CORE | {"segmind", "history"},
    "transports": CORE | {"segmind"},
    "checks": CORE | {"segmind", "history"},
    "hooks": CORE | {"segmind", "history", "polling", "transports", "checks", "compat"},
    "inputs": CORE | {"segmind", "history", "polling", "transports", "hooks", "compat"},
    "outputs": CORE | {"segmind", "history", "polling", "transports", "hooks", "compat"},
    "spending": CORE | {"segmind", "history"},
    "submission": CORE | {"segmind", "history", "polling", "transports", "hooks", "inputs", "spending"},
    "batch": CORE
    | {"segmind", "history", "polling", "transports", "hooks", "inputs", "outputs", "submission", "spending", "compat"},
    "lineage": CORE | {"segmind", "transports", "compat"},
    "links": CORE | {"segmind", "compat", "videos"},
    "operators": CORE | AIRFLOW_FACING | JOB_LAYERS | {"spending", "batch"},
    "decorators": CORE | {"compat", "airflow_errors", "batch", "operators"},
    "sensors": CORE | AIRFLOW_FACING | JOB_LAYERS,
    "triggers": CORE
    | {"compat", "segmind", "history", "polling", "transports", "hooks", "inputs", "outputs", "submission", "batch"},
    "cli": CORE | {"segmind", "history", "transports", "checks", "hooks", "spending", "compat"},
    # jobs and media as values, and the storage; the plugin module itself imports nothing
    "videos": CORE | {"segmind", "outputs", "compat"},
    "__main__": {"cli"},
    "compat": set(),
    "airflow_errors": {"exceptions", "compat"},
    "task_context": CORE | {"compat", "inputs", "links", "spending", "submission"},
    "task_deferral": CORE
    | {"compat", "task_context", "segmind", "history", "polling", "transports", "hooks", "submission", "triggers"},
    "get_provider_info": {"__init__", "hooks"},
    "emulator": set(),
}
#: Layers without clock, network, randomness or log: none of these may be imported there, not even inside a function.
PURE_LAYERS = {"segmind", "history", "polling", "spending"}
IMPURE_MODULES = {
    *("airflow", "asyncio", "logging", "time", "random", "requests", "urllib3", "aiohttp", "socket", "ssl", "os"),
    *("threading", "subprocess", "secrets", "uuid", "http", "pathlib", "sqlalchemy"),
}
#: The layer that may import Airflow at run time. For type checkers any file may.
MAY_IMPORT_AIRFLOW = {"compat"}
#: A module outside of it that may, too: every Airflow process imports the plugin, and for it compat is too much.
MAY_IMPORT_PLUGIN_CLASS = (f"{PACKAGE}.videos.plugin", "airflow.plugins_manager")


def find_imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Yield each imported module by its full name, and whether only a type checker sees it.

    :param package: the dotted package that the source is in, for relative imports.
    """
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        else:
            continue
        for name in names:
            yield name, id(node) in typing_only


def get_layer(module: str) -> str | None:
    """Return the layer of a module of this package (its first name below the package); None for another module."""
    head, _, rest = module.partition(".")
    if head != PACKAGE:
        return None
    name = rest.partition(".")[0]
    return name if name in MAY_IMPORT else "__init__"


def find_violations(source: str, module: str) -> list[str]:
    """Return the imports in a source that the table does not allow.

    :param module: the full name of the module with this source.
    """
    home = get_layer(module) or "__init__"
    found = []
    for name, typing_only in find_imports(source, module.rpartition(".")[0]):
        layer, foreign = get_layer(name), name.partition(".")[0]
        if layer is not None and name != PACKAGE and layer not in MAY_IMPORT[home] | {home}:
            found.append(f"{module}: {home} may not import {name}")
        is_plugin_class = (module, name.removesuffix(".AirflowPlugin")) == MAY_IMPORT_PLUGIN_CLASS
        if foreign == "airflow" and not typing_only and home not in MAY_IMPORT_AIRFLOW and not is_plugin_class:
            found.append(f"{module}: only compat imports Airflow, not {home} ({name})")
        if home in PURE_LAYERS and foreign in IMPURE_MODULES:
            found.append(f"{module}: {home} has no I/O, clock, randomness or log, so no {name}")
    return found


def find_modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the package with its file; a package's name ends in ``__init__``."""
    for path in sorted(ROOT.rglob("*.py")):
        yield ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]), path


def test_every_import_is_allowed() -> None:
    assert [found for module, path in find_modules() for found in find_violations(path.read_text(), module)] == []


def test_every_layer_is_in_the_table() -> None:
    layers = {path.stem if path.parent == ROOT else path.relative_to(ROOT).parts[0] for _, path in find_modules()}
    assert layers == set(MAY_IMPORT)


def test_the_table_has_no_cycle() -> None:
    left = {layer: set(allowed) for layer, allowed in MAY_IMPORT.items()}
    while left:
        free = {layer for layer, allowed in left.items() if not allowed & set(left)}
        assert free, f"a cycle among {sorted(left)}"
        left = {layer: allowed for layer, allowed in left.items() if layer not in free}


def test_a_forbidden_import_is_found(subtests: pytest.Subtests) -> None:
    for case, module, source in (
        ("backwards", "segmind.x", f"from {PACKAGE}.transports import settings"),
        ("backwards, relative", "segmind.x", "from ..hooks.runway import RunwayHook"),
        ("a layer by its package", "segmind.x", "from .. import hooks"),
        ("plain import", "segmind.x", f"import {PACKAGE}.polling.poll_and_wait_exchanges"),
        ("a clock inside a function", "polling.x", "def f():\n    import time"),
        ("a client, if only for types", "polling.x", "if TYPE_CHECKING:\n    import aiohttp"),
        ("randomness inside a coroutine", "segmind.x", "async def f():\n    from random import random"),
        ("by a call", "segmind.x", "__import__('logging')"),
        ("Airflow by a call", "transports.x", "import importlib\nimportlib.import_module('airflow.sdk')"),
        ("Airflow past compat", "hooks.x", "from airflow.hooks.base import BaseHook"),
        ("compat from an inner layer", "submission.x", f"from {PACKAGE}.compat import mask_secret"),
        ("sideways", "triggers.x", f"from {PACKAGE}.operators.runway import RunwayGenerateOperator"),
        ("the emulator", "operators.x", f"from {PACKAGE}.emulator import Emulator"),
        ("from the emulator", "emulator.x", f"from {PACKAGE}.exceptions import RunwayError"),
        ("from the emulator, relative", "emulator.x", "from ..segmind import http"),
        ("from the errors", "exceptions", f"from {PACKAGE}.segmind import http"),
    ):
        with subtests.test(case):
            assert find_violations(source, f"{PACKAGE}.{module}")


def test_an_allowed_import_is_not_reported(subtests: pytest.Subtests) -> None:
    for case, module, source in (
        ("its own layer", "segmind.x", f"from {PACKAGE}.segmind.http import Response"),
        ("its own layer, relative", "segmind.x", "from . import http"),
        ("for types only", "hooks.x", "if TYPE_CHECKING:\n    from airflow.models import Connection"),
        ("compat", "compat", "from airflow.triggers.base import BaseTrigger"),
        ("the version", "transports.x", f"from {PACKAGE} import __version__"),
        ("the emulator's own", "emulator.x", "from .options import EmulatorOptions"),
    ):
        with subtests.test(case):
            assert find_violations(source, f"{PACKAGE}.{module}") == []
