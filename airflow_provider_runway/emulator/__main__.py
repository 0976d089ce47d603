"""The command line: ``python -m airflow_provider_runway.emulator``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from typing import Any

from .control import HISTORY_PATH
from .fault_table import CALLS, KEYED, TABLE
from .faults import RULE_FIELDS, read_rule
from .settings import HISTORY_BODIES, RESET_FORMATS, UPLOAD_FIELDS, Settings
from .web import serving
from .world import World

_ABOUT = """A local gateway of the Segmind v2 API: submit, poll, result, blocking call, credits, uploads, history
and output files, with the latencies and the errors of its documents. No key, no money, no network."""

_EXAMPLES = """examples:
  python -m airflow_provider_runway.emulator --port 8081
        as the real thing: a video takes about 27 s
  python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.05 --requests-per-minute 60
        jobs of a second or two, on an account with a small budget
  python -m airflow_provider_runway.emulator --fault submit:cut_after --fault status:server_error:probability=0.1
        the first submit is accepted but never answered; one status in ten is a 500
  curl -X POST localhost:8081/_emulator/faults -d '"submit:rate_limited:times=3,window=20"'
        the same while it runs; GET /_emulator/ledger tells what would have been billed

A prompt with the word "forbidden" is blocked by the moderation. A model whose slug begins with no-such-, private-
or retired- is refused with 404, 403 or 410; every other slug is run.
"""


def _fault_help() -> str:
    lines = ["faults, as CALL:FAULT:PARAMETER=VALUE,... (every PARAMETER can be left out):"]
    for fault in TABLE.values():
        defaults = [f"{key}={'|'.join(val) if isinstance(val, tuple) else val}" for key, val in fault.params.items()]
        lines.append(f"  {fault.name:<20} {fault.about}")
        places = {CALLS: "any call", KEYED: "any call but output"}.get(fault.calls, ", ".join(fault.calls))
        lines.append(f"  {'':<20}   at {'; '.join([places, *defaults])}")
    lines.append("every rule also takes:")
    lines += [f"  {name:<20} {about}" for name, about in RULE_FIELDS.items()]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the parser; its help is the manual."""
    usual = Settings()
    made = argparse.ArgumentParser(
        prog="python -m airflow_provider_runway.emulator",
        description=_ABOUT,
        epilog=f"{_EXAMPLES}\n{_fault_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port; 0 takes a free one, named in the first line printed")
    add("--time-scale", type=float, default=usual.time_scale, help="factor on the latencies of jobs (%(default)s)")
    add("--requests-per-minute", type=int, default=0, help="budget of an account, GETs count too; 0 for no limit")
    add("--rate-window", type=float, default=usual.rate_window, help='seconds in that "minute" (%(default)s)')
    add("--reset-format", choices=RESET_FORMATS, default=usual.reset_format, help="of x-rate-limit-reset-at-utc")
    add("--retry-after", action="store_true", help="send Retry-After with a 429 too; the API does not")
    add(
        "--record-ttl",
        type=float,
        default=usual.record_ttl,
        help="seconds a record lives, from submission (%(default)s)",
    )
    add("--history-lag", default="0", help="seconds until a history row is whole, or MIN-MAX to draw one per job (0)")
    add("--history-body", choices=HISTORY_BODIES, default=usual.history_body, help="form of its request_body")
    add("--upload-field", choices=UPLOAD_FIELDS, default=usual.upload_field, help="where an upload has its URLs")
    add("--key", action="append", default=[], help="accepted key, repeatable; KEY1,KEY2 is one account (any)")
    add("--model", action="append", default=[], help="slug that exists, repeatable (default: every slug)")
    add("--credits", type=float, default=usual.credits, help="balance of each account at the start, USD (%(default)s)")
    add("--seed", type=int, default=usual.seed, help="of the emulator's dice (%(default)s)")
    add("--fault", action="append", default=[], help="a fault rule, repeatable; see below")
    add("--log", choices=("debug", "info", "warning", "error"), default="info", help="info has a line per request")
    return made


def settings_from(options: argparse.Namespace) -> Settings:
    """Return the settings that the options make.

    :raises ValueError: when they cannot be.
    """
    fields: dict[str, Any] = dict(vars(options))
    for unused in ("host", "port", "log"):
        del fields[unused]
    for name in ("key", "model", "fault"):
        fields[f"{name}s"] = tuple(fields.pop(name))
    for rule in fields["faults"]:
        read_rule(rule)
    return Settings(**fields)


def connection(url: str, key: str) -> str:
    """Return the Airflow connection to an emulator, as the JSON that an environment variable can hold."""
    extra = {"storage_url": url, "history_url": url + HISTORY_PATH}
    return json.dumps({"conn_type": "runway", "host": url, "password": key, "extra": extra})


async def _run(settings: Settings, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(World(settings), host, port) as url:
        print(f"Segmind emulator on {url}", flush=True)
        print(f"export AIRFLOW_CONN_RUNWAY_DEFAULT='{connection(url, settings.test_key)}'", flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    made = parser()
    options = made.parse_args(arguments)
    try:
        settings = settings_from(options)
    except ValueError as wrong:
        made.error(str(wrong))
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_run(settings, options.host, options.port))
    except (OSError, OverflowError) as taken:
        print(f"cannot listen on {options.host}:{options.port}: {taken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
