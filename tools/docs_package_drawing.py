"""Draws the packages of this project and the imports between them, as a Mermaid flowchart, from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def make_package_drawing() -> str:
    """Return a Mermaid drawing of the packages and of the imports between them, read from the source."""
    package = ROOT / "airflow_provider_runway"
    arrows = set()
    for path in package.rglob("*.py"):
        source = _package_of(path.relative_to(package).with_suffix("").parts)
        for module in _list_imports(path):
            target = _package_of(tuple(module.split(".")[1:]))
            if source != target and "__init__" not in (source, target) and target != "__version__":
                arrows.add((source, target))
    arrows = _remove_indirect(arrows)
    lines = [f"    {source} --> {target}" for source, target in sorted(arrows)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "    emulator", "```\n"])


def _package_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def _list_imports(path: Path) -> Iterable[str]:
    """Yield the modules of this package that a file imports, by their full names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_runway"):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def _remove_indirect(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Remove each arrow that a longer way already implies."""

    def reaches(start: str, goal: str, without: tuple[str, str]) -> bool:
        seen, todo = set(), [start]
        while todo:
            package = todo.pop()
            for source, target in arrows:
                if source == package and (source, target) != without and target not in seen:
                    seen.add(target)
                    todo.append(target)
        return goal in seen

    return {arrow for arrow in arrows if not reaches(*arrow, without=arrow)}
