"""Settings of the docs site: ``make docs``. The build needs no network, and it does not import Airflow."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tools")]

project = "airflow-provider-runway"
author = "The airflow-provider-runway authors"
project_copyright = author
(release,) = re.findall(r'^__version__ = "(.+)"$', (ROOT / "airflow_provider_runway/__init__.py").read_text(), re.M)
version = release

extensions = ["autoapi.extension", "myst_parser", "sphinx_copybutton", "mermaid"]
exclude_patterns = ["_build", "snippets"]
nitpicky = False  # the types in signatures are Airflow's, whose inventory would need the network

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
copybutton_prompt_text = "$ "
pygments_style = "friendly"
pygments_dark_style = "github-dark"

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": [], "navigation_with_keys": True}

# The pages in reference/ name what is public; nothing is generated beside them.
autoapi_dirs = [str(ROOT / "airflow_provider_runway")]
autoapi_generate_api_docs = False
autoapi_member_order = "bysource"
autoapi_python_class_content = "class"
suppress_warnings = ["autoapi.python_import_resolution"]


def split_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give each ``:param`` of a docstring a line of its own: some stand two to a line in the source."""
    lines[:] = re.sub(r"(?<=\S) (?=:(?:param|raises) [^:]+:)", "\n", "\n".join(lines)).split("\n")


def strip_code(app: Any, doctree: nodes.document) -> None:
    """Remove empty lines at the end of code: those between a snippet and the mark behind it."""
    for block in doctree.findall(nodes.literal_block):
        block.rawsource = block.astext().rstrip()
        block.children = []
        block += nodes.Text(block.rawsource)


def setup(app: Any) -> None:
    """Connect this file's functions to Sphinx."""
    app.connect("autodoc-process-docstring", split_fields)
    app.connect("doctree-read", strip_code)
