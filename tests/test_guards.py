"""What holds for the whole package: its version, its words about secrets, and what importing it may touch."""

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
OURS = [path for path in sorted(ROOT.rglob("*.py")) if "emulator" not in path.parts]


def test_the_version_is_said_once() -> None:
    assert version("airflow-provider-runway") == airflow_provider_runway.__version__
    config = configparser.ConfigParser()
    config.read(ROOT.parent / "setup.cfg")
    assert config["metadata"]["version"] == "attr: airflow_provider_runway.__version__"


def messages(path: Path) -> list[str]:
    """Every formatted text and every argument of a raised error or a log call in a file, as source."""
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


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_message_is_made_of_a_key(path: Path) -> None:
    for text in messages(path):
        for name in ("api_key", "password}", "{key}", "{key!r}", "headers_for"):
            assert name not in text


def test_that_guard_catches(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("raise ValueError(f'the key {settings.api_key} is bad')\nlog.info('%s', settings.api_key)\n")
    assert sum("api_key" in text for text in messages(bad)) == 3


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        pytest.param("airflow_provider_runway", {"airflow", "requests", "aiohttp", "pendulum"}, id="the package"),
        pytest.param(
            "airflow_provider_runway.get_provider_info", {"airflow", "requests", "aiohttp", "wtforms"}, id="info"
        ),
        pytest.param(
            "airflow_provider_runway.segmind.exchange", {"airflow", "requests", "aiohttp", "pendulum"}, id="segmind"
        ),
        pytest.param(
            "airflow_provider_runway.polling.poll", {"airflow", "requests", "aiohttp", "pendulum"}, id="polling"
        ),
        pytest.param("airflow_provider_runway.transports.requests_transport", {"airflow", "aiohttp"}, id="blocking"),
        pytest.param("airflow_provider_runway.transports.aiohttp_transport", {"airflow"}, id="asynchronous"),
        pytest.param("airflow_provider_runway.emulator", {"airflow", "requests"}, id="emulator"),
    ],
)
def test_importing_this_brings_no(module: str, absent: set[str]) -> None:
    program = (
        f"import sys; before = set(sys.modules); import {module}; print(*({absent!r} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()
