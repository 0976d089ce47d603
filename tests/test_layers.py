"""Imports run one way only. They are read with ``ast``, those inside functions too, and judged by one table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_runway

PACKAGE = "airflow_provider_runway"
ROOT = Path(airflow_provider_runway.__file__).parent

#: room -> the rooms it may import from, beside itself. ``__init__`` is the top level, which holds the version.
CORE = {"__init__", "exceptions"}
AIRFLOW_FACING = {"compat", "airflow_errors", "task_context", "waiting"}
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    "exceptions": set(),
    "segmind": CORE,
    "polling": CORE | {"segmind"},
    "transports": CORE | {"segmind", "polling"},
    "hooks": CORE | {"segmind", "polling", "transports", "compat"},
    "inputs": CORE | {"segmind", "polling", "transports", "hooks", "compat"},
    "outputs": CORE | {"segmind", "polling", "transports", "hooks", "compat"},
    "submission": CORE | {"segmind", "polling", "transports", "hooks", "inputs"},
    "links": CORE | {"segmind", "compat"},
    "operators": CORE
    | AIRFLOW_FACING
    | {"segmind", "polling", "transports", "hooks", "inputs", "outputs", "submission", "triggers", "links"},
    "sensors": CORE
    | AIRFLOW_FACING
    | {"segmind", "polling", "transports", "hooks", "inputs", "outputs", "submission", "triggers", "links"},
    "triggers": CORE | {"compat", "segmind", "polling", "transports", "hooks"},
    "compat": set(),
    "airflow_errors": {"exceptions", "compat"},
    "task_context": CORE | {"compat", "inputs", "links", "submission"},
    "waiting": CORE | {"compat", "task_context", "segmind", "polling", "transports", "hooks", "submission", "triggers"},
    "get_provider_info": {"__init__", "hooks"},
    "emulator": set(),
}
#: Rooms without a clock, a line, dice or a log: none of these may be imported there, not even inside a function.
PURE = {"segmind", "polling"}
IMPURE = {
    *("airflow", "asyncio", "logging", "time", "random", "requests", "urllib3", "aiohttp", "socket", "ssl", "os"),
    *("threading", "subprocess", "secrets", "uuid", "http", "pathlib", "sqlalchemy"),
}
#: The one file that may import Airflow when the program runs; type checkers may read it anywhere.
MAY_IMPORT_AIRFLOW = {"compat"}


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Yield each imported module by its full name, and whether only a type checker sees it.

    :param package: the dotted package that the source stands in, for relative imports.
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


def room_of(module: str) -> str | None:
    """Return the room of one of our modules (its first name below the package), None for a foreign one."""
    head, _, rest = module.partition(".")
    if head != PACKAGE:
        return None
    name = rest.partition(".")[0]
    return name if name in ARROWS else "__init__"


def violations(source: str, module: str) -> list[str]:
    """Return the arrows in a source that are drawn backwards.

    :param module: the full name of the module that the source is.
    """
    home = room_of(module) or "__init__"
    found = []
    for name, typing_only in imports(source, module.rpartition(".")[0]):
        room, foreign = room_of(name), name.partition(".")[0]
        if room is not None and name != PACKAGE and room not in ARROWS[home] | {home}:
            found.append(f"{module}: {home} may not import {name}")
        if foreign == "airflow" and not typing_only and home not in MAY_IMPORT_AIRFLOW:
            found.append(f"{module}: only compat imports Airflow, not {home} ({name})")
        if home in PURE and foreign in IMPURE:
            found.append(f"{module}: {home} has no I/O, clock, dice or log, so no {name}")
    return found


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the package with its file; a package's name ends in ``__init__``."""
    for path in sorted(ROOT.rglob("*.py")):
        yield ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]), path


@pytest.mark.parametrize(("module", "path"), [pytest.param(*row, id=row[0]) for row in modules()])
def test_no_arrow_is_drawn_backwards(module: str, path: Path) -> None:
    assert violations(path.read_text(), module) == []


def test_every_room_stands_in_the_table() -> None:
    rooms = {path.stem if path.parent == ROOT else path.relative_to(ROOT).parts[0] for _, path in modules()}
    assert rooms == set(ARROWS)


def test_the_table_itself_has_no_circle() -> None:
    left = {room: set(arrows) for room, arrows in ARROWS.items()}
    while left:
        free = {room for room, arrows in left.items() if not arrows & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {room: arrows for room, arrows in left.items() if room not in free}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("segmind.x", f"from {PACKAGE}.transports import settings", id="backwards"),
        pytest.param("segmind.x", "from ..hooks.runway import RunwayHook", id="backwards, relative"),
        pytest.param("segmind.x", "from .. import hooks", id="a room by its package"),
        pytest.param("segmind.x", f"import {PACKAGE}.polling.look", id="plain import"),
        pytest.param("polling.x", "def f():\n    import time", id="a clock inside a function"),
        pytest.param("polling.x", "if TYPE_CHECKING:\n    import aiohttp", id="a client, if only for types"),
        pytest.param("segmind.x", "async def f():\n    from random import random", id="dice inside a coroutine"),
        pytest.param("segmind.x", "__import__('logging')", id="by a call"),
        pytest.param(
            "transports.x", "import importlib\nimportlib.import_module('airflow.sdk')", id="Airflow by a call"
        ),
        pytest.param("hooks.x", "from airflow.hooks.base import BaseHook", id="Airflow past compat"),
        pytest.param("submission.x", f"from {PACKAGE}.compat import mask_secret", id="compat from an inner room"),
        pytest.param("triggers.x", f"from {PACKAGE}.operators.runway import RunwayGenerateOperator", id="sideways"),
        pytest.param("operators.x", f"from {PACKAGE}.emulator import Emulator", id="the emulator from our side"),
        pytest.param("emulator.x", f"from {PACKAGE}.exceptions import RunwayError", id="ours from the emulator"),
        pytest.param("emulator.x", "from ..segmind import wire", id="ours from the emulator, relative"),
        pytest.param("exceptions", f"from {PACKAGE}.segmind import wire", id="the tree stands on nothing"),
    ],
)
def test_the_checker_catches(module: str, source: str) -> None:
    assert violations(source, f"{PACKAGE}.{module}")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("segmind.x", f"from {PACKAGE}.segmind.wire import Answer", id="its own room"),
        pytest.param("segmind.x", "from . import wire", id="its own room, relative"),
        pytest.param("hooks.x", "if TYPE_CHECKING:\n    from airflow.models import Connection", id="for types only"),
        pytest.param("compat", "from airflow.triggers.base import BaseTrigger", id="compat"),
        pytest.param("transports.x", f"from {PACKAGE} import __version__", id="the version"),
        pytest.param("emulator.x", "from .options import EmulatorOptions", id="the emulator's own"),
    ],
)
def test_the_checker_lets_pass(module: str, source: str) -> None:
    assert violations(source, f"{PACKAGE}.{module}") == []
