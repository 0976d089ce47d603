"""Command line of the emulator: ``python -m airflow_provider_runway.emulator``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from typing import Any

from .control_api import HISTORY_PATH
from .emulator_state import EmulatorState
from .fault_kinds import FAULTS
from .fault_rules import RULE_FIELDS
from .history_forms import FORM_FIELDS, HISTORY_FORMS
from .http_server import open_http_server
from .options import RESET_FORMATS, UPLOAD_FIELDS, EmulatorOptions, build_options

_DESCRIPTION = """A local emulator of the Segmind v2 API: submit, poll, result, blocking call, credits, uploads, history
and output files, with the documented latencies and errors. It needs no key, no money and no network."""

_EXAMPLES = """examples:
  python -m airflow_provider_runway.emulator --port 8081
        like the real API: a video takes about 27 s
  python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.05 --requests-per-minute 60
        jobs of a second or two, on an account with a small rate limit
  python -m airflow_provider_runway.emulator --fault submit:cut_after --fault status:server_error:probability=0.1
        the first submit is accepted without a response; one status poll in ten fails with a 500
  python -m airflow_provider_runway.emulator --history-form dashboard --clock-offset -300
        a history made for people, and a clock that is 5 minutes behind
  curl -X POST localhost:8081/_emulator/faults -d '"submit:rate_limited:times=3,window=20"'
        adds a fault while the emulator runs; GET /_emulator/ledger shows what would have been billed

A prompt with the word "forbidden" is blocked by moderation. A model whose slug begins with no-such-, private- or
retired- is refused with 404, 403 or 410; every other slug is run.
"""


def describe_faults() -> str:
    """Return the part of the help text that lists the faults."""
    lines = ["faults, as CALL:FAULT:PARAMETER=VALUE,... (every PARAMETER can be left out):"]
    for fault in FAULTS.values():
        lines.append(f"  {fault.name:<20} {fault.about}")
        lines.append(f"  {'':<20}   at {'; '.join([fault.describe_calls(), *fault.describe_params()])}")
    lines.append("every rule also takes:")
    lines += [f"  {name:<20} {about}" for name, about in RULE_FIELDS.items()]
    return "\n".join(lines)


def describe_history_forms() -> str:
    """Return the part of the help text that lists the named forms of the history."""
    lines = ["named forms of the history, for --history-form:"]
    return "\n".join(lines + [f"  {form.name:<22} {form.about}" for form in HISTORY_FORMS.values()])


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Its help text is the manual."""
    defaults = EmulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_runway.emulator",
        usage="%(prog)s [options]",
        description=_DESCRIPTION,
        epilog=f"{_EXAMPLES}\n{describe_history_forms()}\n\n{describe_faults()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one, shown in the first line of output")
    add("--time-scale", type=float, default=defaults.time_scale, help="factor on the latencies of jobs (%(default)s)")
    add("--requests-per-minute", type=int, default=0, help="rate limit of an account, GETs included; 0 for none")
    add("--rate-window", type=float, default=defaults.rate_window, help='seconds in that "minute" (%(default)s)')
    add(
        "--reset-format",
        choices=RESET_FORMATS,
        default=defaults.reset_format,
        help="format of x-rate-limit-reset-at-utc",
    )
    add("--retry-after", action="store_true", help="also send Retry-After with a 429; the API does not")
    add(
        "--record-ttl",
        type=float,
        default=defaults.record_ttl,
        help="seconds from submission until the record of a job expires (%(default)s)",
    )
    add(
        "--clock-offset",
        type=float,
        metavar="SECONDS",
        help="how far the emulator's clock is ahead of the real time (0)",
    )
    add("--upload-field", choices=UPLOAD_FIELDS, default=defaults.upload_field, help="field with the URLs of an upload")
    add(
        "--key",
        action="append",
        default=[],
        help="accepted key, repeatable; KEY1,KEY2 is one account (default: any key)",
    )
    add("--model", action="append", default=[], help="slug that exists, repeatable (default: every slug)")
    add("--last-frame", action="store_true", help="also return the last_frame_url of a video")
    add("--last-frame-base-url", metavar="URL", default="", help="begin of that URL (the emulator's own address)")
    add("--credits", type=float, default=defaults.credits, help="initial balance of each account, in USD (%(default)s)")
    add("--seed", type=int, default=defaults.seed, help="seed of the emulator's random numbers (%(default)s)")
    add("--fault", action="append", default=[], help="a fault rule, repeatable; see below")
    add("--state", metavar="FILE", help="keep the jobs in this file, and read them at the start")
    add("--log", choices=("debug", "info", "warning", "error"), default="info", help="info logs a line per request")
    _add_history_arguments(parser)
    return parser


def _add_history_arguments(parser: argparse.ArgumentParser) -> None:
    about = "What the history of a real account looks like is not documented. Each option is one open question."
    group = parser.add_argument_group("form of the request history", about)
    group.add_argument(
        "--history-form", choices=HISTORY_FORMS, default="plain", metavar="NAME", help="a named form; see below (plain)"
    )
    group.add_argument(
        "--replay", metavar="FILE", help="use the history's form, and the clock, of a real account's transcript"
    )
    for name, spec in FORM_FIELDS.items():
        choices, default = spec.get("choices"), spec["default"]
        group.add_argument(
            f"--history-{name.replace('_', '-')}",
            choices=choices,
            type=type(default),
            metavar=None if choices else spec.get("metavar", "NUMBER"),
            help=spec["about"],
        )


def parse_options(arguments: argparse.Namespace) -> EmulatorOptions:
    """Return the emulator's options from the parsed command line.

    :raises ValueError: for an invalid option or fault rule.
    """
    fields: dict[str, Any] = dict(vars(arguments))
    for other in ("host", "port", "log"):
        del fields[other]
    for name in ("key", "model", "fault"):
        fields[f"{name}s"] = tuple(fields.pop(name))
    return build_options(**fields)


def format_connection(url: str, key: str) -> str:
    """Return the Airflow connection to an emulator as the JSON of an environment variable."""
    extra = {"storage_url": url, "history_url": url + HISTORY_PATH}
    return json.dumps({"conn_type": "runway", "host": url, "password": key, "extra": extra})


async def _serve_until_signal(options: EmulatorOptions, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_http_server(EmulatorState(options), host, port) as url:
        print(f"Segmind emulator on {url}", flush=True)
        print(f"export AIRFLOW_CONN_RUNWAY_DEFAULT='{format_connection(url, options.test_key)}'", flush=True)
        if options.state is None:
            print("Jobs are forgotten when the emulator stops; --state FILE keeps them.", flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = make_parser()
    parsed = parser.parse_args(arguments)
    try:
        options = parse_options(parsed)
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(level=parsed.log.upper(), format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_serve_until_signal(options, parsed.host, parsed.port))
    except (OSError, OverflowError) as error:
        print(f"cannot listen on {parsed.host}:{parsed.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
