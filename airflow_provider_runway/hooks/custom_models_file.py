"""Adds a user's own models to the model registry: from the file in Airflow's option ``[runway] catalogue``.

It is a file and not code, because workers and triggerers do not all run the DAG file that would hold the code. Each
process reads it once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_runway.compat import get_config
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.models import register_models

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import Log

SECTION, OPTION = "runway", "catalogue"

#: Problems that this process has warned of already.
_warned: set[str] = set()


def load_models() -> None:
    """Add the user's models to this process's registry. The first call reads the file; later ones do nothing.

    :raises BadInputError: the file cannot be read, or an entry is wrong. Nothing was sent; the built-in models stay.
    """
    if (problem := _read_file()) is not None:
        raise BadInputError(problem)


def load_models_or_warn(log: Log) -> None:
    """Add the user's models where a job is waited for: that is paid for, so a bad file gives one warning only."""
    if (problem := _read_file()) is not None and problem not in _warned:
        _warned.add(problem)
        log.warning("%s Expected latencies are those of the built-in models.", problem)


@cache
def _read_file() -> str | None:
    """Read the file, and return what is wrong with it. A corrected file is read by the next process."""
    path = get_config(SECTION, OPTION)
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8")
        # Imported here: pydantic loads slowly, and most users have no such file.
        from airflow_provider_runway.hooks.custom_models_schema import parse_models

        register_models(parse_models(text, path))
    except BadInputError as problem:
        return str(problem)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        return f"The models file {path} of [{SECTION}] {OPTION} cannot be read: {reason}. Nothing was sent."
    return None
