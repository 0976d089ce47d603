"""The user's own catalogue, read once in each process: option ``catalogue`` of Airflow's section ``[runway]``.

A file and not code, because workers and triggerers never run the DAG file that would hold the code.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_runway.compat import get_config
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.catalogue_file import read_catalogue
from airflow_provider_runway.segmind.models import register_models

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import Log

SECTION, OPTION = "runway", "catalogue"


def load_models() -> None:
    """Make the user's models known to this process. The first call reads the file, later ones nothing.

    :raises BadInputError: the file cannot be read, or an entry is wrong. Nothing was sent; the built-in models stay.
    """
    if (problem := _read()) is not None:
        raise BadInputError(problem)


def load_models_or_warn(log: Log) -> None:
    """The same where jobs are waited for: these are paid for, so a bad file is only worth a warning, once."""
    if (problem := _read()) is not None and _untold(problem):
        log.warning("%s Expected latencies are those of the built-in catalogue.", problem)


@cache
def _read() -> str | None:
    """Read the file, and return what is wrong with it. A file that is put right is read by the next process."""
    path = get_config(SECTION, OPTION)
    if path is None:
        return None
    try:
        register_models(read_catalogue(Path(path).read_text(encoding="utf-8"), path))
    except BadInputError as problem:
        return str(problem)
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem
        return f"The catalogue {path} of [{SECTION}] {OPTION} cannot be read: {why}. Nothing was sent."
    return None


_told: set[str] = set()


def _untold(problem: str) -> bool:
    """Is this the first time that this process speaks of the problem?"""
    if problem in _told:
        return False
    _told.add(problem)
    return True
