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
from .fault_rules import RULE_FIELDS, parse_rule
from .fault_table import ALL_CALLS, FAULTS, KEYED_CALLS
from .http_server import serve_http
from .options import HISTORY_BODIES, RESET_FORMATS, UPLOAD_FIELDS, EmulatorOptions
from .state import EmulatorState

_DESCRIPTION = """A local emulator of the Segmind v2 API: submit, poll, result, blocking call, credits, uploads, history
and output files, with the documented latencies and errors. It needs no key, no money and no network."""

_EXAMPLES = """examples:
  python -m airflow_provider_runway.emulator --port 8081
        like the real API: a video takes about 27 s
  python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.05 --requests-per-minute 60
        jobs of a second or two, on an account with a small rate limit
  python -m airflow_provider_runway.emulator --fault submit:cut_after --fault status:server_error:probability=0.1
        the first submit is accepted without a response; one status poll in ten fails with a 500
  curl -X POST localhost:8081/_emulator/faults -d '"submit:rate_limited:times=3,window=20"'
        adds a fault while the emulator runs; GET /_emulator/ledger shows what would have been billed

A prompt with the word "forbidden" is blocked by moderation. A model whose slug begins with no-such-, private- or
retired- is refused with 404, 403 or 410; every other slug is run.
"""


def describe_faults() -> str:
    """Return the part of the help text that lists the faults."""
    lines = ["faults, as CALL:FAULT:PARAMETER=VALUE,... (every PARAMETER can be left out):"]
    for fault in FAULTS.values():
        defaults = [f"{key}={'|'.join(val) if isinstance(val, tuple) else val}" for key, val in fault.params.items()]
        calls = {ALL_CALLS: "any call", KEYED_CALLS: "any call but output"}.get(fault.calls, ", ".join(fault.calls))
        lines.append(f"  {fault.name:<20} {fault.about}")
        lines.append(f"  {'':<20}   at {'; '.join([calls, *defaults])}")
    lines.append("every rule also takes:")
    lines += [f"  {name:<20} {about}" for name, about in RULE_FIELDS.items()]
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Its help text is the manual."""
    defaults = EmulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_runway.emulator",
        description=_DESCRIPTION,
        epilog=f"{_EXAMPLES}\n{describe_faults()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one, shown in the first line of output")
    add("--time-scale", type=float, default=defaults.time_scale, help="factor on the latencies of jobs (%(default)s)")
    add("--requests-per-minute", type=int, default=0, help="rate limit of an account, GETs included; 0 for no limit")
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
        "--history-lag", default="0", help="seconds until a history row is complete, or MIN-MAX to draw one per job (0)"
    )
    add("--history-body", choices=HISTORY_BODIES, default=defaults.history_body, help="format of its request_body")
    add("--upload-field", choices=UPLOAD_FIELDS, default=defaults.upload_field, help="field with the URLs of an upload")
    add("--key", action="append", default=[], help="accepted key, repeatable; KEY1,KEY2 is one account (any key)")
    add("--model", action="append", default=[], help="slug that exists, repeatable (default: every slug)")
    add("--credits", type=float, default=defaults.credits, help="initial balance of each account, in USD (%(default)s)")
    add("--seed", type=int, default=defaults.seed, help="seed of the emulator's random numbers (%(default)s)")
    add("--fault", action="append", default=[], help="a fault rule, repeatable; see below")
    add("--log", choices=("debug", "info", "warning", "error"), default="info", help="info logs a line per request")
    return parser


def build_options(arguments: argparse.Namespace) -> EmulatorOptions:
    """Return the emulator's options from the parsed command line.

    :raises ValueError: for an invalid option or fault rule.
    """
    fields: dict[str, Any] = dict(vars(arguments))
    for other in ("host", "port", "log"):
        del fields[other]
    for name in ("key", "model", "fault"):
        fields[f"{name}s"] = tuple(fields.pop(name))
    for rule in fields["faults"]:
        parse_rule(rule)
    return EmulatorOptions(**fields)


def format_connection(url: str, key: str) -> str:
    """Return the Airflow connection to an emulator as the JSON of an environment variable."""
    extra = {"storage_url": url, "history_url": url + HISTORY_PATH}
    return json.dumps({"conn_type": "runway", "host": url, "password": key, "extra": extra})


async def _serve_until_signal(options: EmulatorOptions, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve_http(EmulatorState(options), host, port) as url:
        print(f"Segmind emulator on {url}", flush=True)
        print(f"export AIRFLOW_CONN_RUNWAY_DEFAULT='{format_connection(url, options.test_key)}'", flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = make_parser()
    parsed = parser.parse_args(arguments)
    try:
        options = build_options(parsed)
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
