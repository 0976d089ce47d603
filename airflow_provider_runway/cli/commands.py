"""The package's commands: for ``python -m airflow_provider_runway``, and for Airflow's own command line.

``airflow runway …`` is there where Airflow takes commands of providers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_runway.cli import check_command, spend_command


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``run`` prints its report and returns the exit code.

    :param options: (flags, arguments of argparse); Airflow's own parser takes the same.
    """

    name: str
    help: str
    options: tuple[tuple[tuple[str, ...], dict[str, Any]], ...]
    run: Callable[[argparse.Namespace], int]

    def run_in_airflow(self, arguments: argparse.Namespace) -> None:
        """Run it, and end the process with its exit code."""
        sys.exit(self.run(arguments))


COMMANDS = (
    Command("check", check_command.HELP, check_command.OPTIONS, check_command.run_check),
    Command("spend", spend_command.HELP, spend_command.OPTIONS, spend_command.run_spend),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_runway")
    parsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command_parser = parsers.add_parser(
            command.name, help=command.help, description=f"{command.help}. Sends GETs only, which are free."
        )
        for flags, options in command.options:
            command_parser.add_argument(*flags, **options)
        command_parser.set_defaults(run=command.run)
    parsed = parser.parse_args(arguments)
    exit_code: int = parsed.run(parsed)
    return exit_code


def get_airflow_commands() -> list[Any]:
    """Return the commands that Airflow adds to its own (provider info, key ``cli``)."""
    from airflow_provider_runway.compat import make_cli_group

    commands = [(each.name, each.help, each.run_in_airflow, each.options) for each in COMMANDS]
    return [make_cli_group("runway", "Runway's models on Segmind", commands)]
