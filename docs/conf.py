"""Settings of the docs site: ``make docs``. The build needs no network, and it does not import Airflow."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

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

#: What a DAG author may import. Everything else may change without notice.
PUBLIC_MODULES = (
    "operators.runway",
    "sensors.runway",
    "triggers.runway",
    "hooks.runway",
    "hooks.async_hook",
    "exceptions",
    "emulator",
    "emulator.emulator",
)
autoapi_dirs = [str(ROOT / "airflow_provider_runway")]
autoapi_root = "api"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
autoapi_member_order = "bysource"
autoapi_python_class_content = "class"
autoapi_options = ["members", "undoc-members", "show-inheritance", "show-module-summary"]
autoapi_template_dir = "_templates/autoapi"
suppress_warnings = ["autoapi.python_import_resolution"]


def skip_private_modules(
    app: Any,
    what: str,
    name: str,
    obj: Any,
    skip: bool,
    options: Any,
) -> bool | None:
    """Leave out of the API reference what is not public."""
    module = name.removeprefix("airflow_provider_runway").lstrip(".")
    if what == "package" or (what == "module" and not is_public(module)):
        return not any(public == module or public.startswith(f"{module}.") or not module for public in PUBLIC_MODULES)
    return skip


def is_public(module: str) -> bool:
    """Is this module, named without the package, in the API reference?"""
    return module in PUBLIC_MODULES


def setup(app: Any) -> None:
    """Connect this file's functions to Sphinx."""
    app.connect("autoapi-skip-member", skip_private_modules)
