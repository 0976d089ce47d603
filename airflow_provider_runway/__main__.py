"""Runs the command line: ``python -m airflow_provider_runway check --conn-id runway_default``."""

from __future__ import annotations

import sys

from airflow_provider_runway.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
