"""Rules for every file of the package: no key in a message, a docstring, and few imports."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import airflow_provider_runway

ROOT = Path(airflow_provider_runway.__file__).parent
FILES = [path for path in sorted(ROOT.rglob("*.py")) if "emulator" not in path.parts]


def test_the_version_is_written_in_one_place() -> None:
    assert version("airflow-provider-runway") == airflow_provider_runway.__version__
    config = configparser.ConfigParser()
    config.read(ROOT.parent / "setup.cfg")
    assert config["metadata"]["version"] == "attr: airflow_provider_runway.__version__"


def find_messages(path: Path) -> list[str]:
    """Return the source of every formatted text, raised error and log call in a file."""
    tree = ast.parse(path.read_text())
    logged = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
    ]
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    return [ast.unparse(node) for node in (*logged, *raised, *formatted)]


def test_no_message_contains_a_key() -> None:
    names = ("api_key", "password}", "{key}", "{key!r}", "make_headers")
    found = [(path.name, text) for path in FILES for text in find_messages(path) if any(name in text for name in names)]
    assert found == []


def test_a_message_with_a_key_would_be_found(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("raise ValueError(f'the key {settings.api_key} is bad')\nlog.info('%s', settings.api_key)\n")
    assert sum("api_key" in text for text in find_messages(bad)) == 3


def test_importing_a_module_does_not_import_these(subtests: pytest.Subtests) -> None:
    for case, module, absent in (
        ("the package", "airflow_provider_runway", {"airflow", "requests", "aiohttp", "pendulum"}),
        ("info", "airflow_provider_runway.get_provider_info", {"airflow", "requests", "aiohttp", "wtforms"}),
        ("segmind", "airflow_provider_runway.segmind.exchange", {"airflow", "requests", "aiohttp", "pendulum"}),
        (
            "polling",
            "airflow_provider_runway.polling.poll_and_wait_exchanges",
            {"airflow", "requests", "aiohttp", "pendulum"},
        ),
        ("blocking", "airflow_provider_runway.transports.requests_transport", {"airflow", "aiohttp"}),
        ("asynchronous", "airflow_provider_runway.transports.aiohttp_transport", {"airflow"}),
        ("emulator", "airflow_provider_runway.emulator", {"airflow", "requests"}),
    ):
        with subtests.test(case):
            found = f"{absent!r} & (set(sys.modules) - before)"
            program = f"import sys; before = set(sys.modules); import {module}; print(*({found}))"
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
            )
            assert done.stdout.split() == []


def test_every_file_has_a_docstring() -> None:
    assert [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()
