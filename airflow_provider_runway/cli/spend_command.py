"""The command ``spend``: what an account has spent, by UTC day and model, from its history. It sends GETs only."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import logging
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.cli.command_connection import make_conn_id_option, read_settings
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.history.read_many_days import MAX_TOTAL_DAYS, read_days
from airflow_provider_runway.segmind.exchange import pace
from airflow_provider_runway.segmind.job_price import format_amount
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.spending.account_spend import AccountSpend, DaySpend, sum_spend

if TYPE_CHECKING:
    from airflow_provider_runway.history.search import HistorySearch
    from airflow_provider_runway.transports.client_settings import ClientSettings

HELP = "Show what an account has spent, by UTC day and model"
#: Requests a minute that are assumed where the connection does not say: those of Segmind's smallest paid plan.
DEFAULT_REQUESTS_PER_MINUTE = 60.0
#: This share of the account's requests goes into the report. The others are for jobs that wait.
RATE_SHARE = 0.5


def parse_day(text: str) -> date:
    """Return the date in an option.

    :raises argparse.ArgumentTypeError: it is no date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2026-11-24") from None


OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    make_conn_id_option("whose account is meant"),
    (
        ("--from",),
        {
            "dest": "first_day",
            "metavar": "DATE",
            "type": parse_day,
            "help": "first day, in UTC (default: the first of this month)",
        },
    ),
    (
        ("--to",),
        {
            "dest": "last_day",
            "metavar": "DATE",
            "type": parse_day,
            "help": f"last day, in UTC (default: today); at most {MAX_TOTAL_DAYS} days",
        },
    ),
    (
        ("--assume-utc",),
        {"action": "store_true", "help": "take times without a time zone for UTC, if you know that they are"},
    ),
    (("--csv",), {"action": "store_true", "help": "print CSV; notes go to standard error"}),
    (("--json",), {"action": "store_true", "help": "print JSON, with the unclear rows"}),
)
_COLUMNS = ("day", "model", "jobs", "completed", "failed", "running", "cost_usd")


def run_spend(arguments: argparse.Namespace) -> int:
    """Print what the account of a connection has spent, and return the exit code.

    0: that is all. 1: rows are unclear or missing, or the history could not be read. 2: both formats are asked for.
    """
    if arguments.csv and arguments.json:
        sys.stderr.write("Give --csv or --json, not both.\n")
        return 2
    now = datetime.now(UTC)
    last = arguments.last_day or now.date()
    first = arguments.first_day or last.replace(day=1)
    with contextlib.redirect_stdout(sys.stderr):  # where Airflow logs to standard output, the report stays clean
        try:
            search = _read_history(read_settings(arguments.conn_id), first, last)
        except RunwayError as problem:
            sys.stderr.write(f"{problem}\n")
            return 1
    spend = sum_spend(search, first, last, assume_utc=arguments.assume_utc)
    notes = _list_notes(spend, now.date())
    if arguments.json:
        sys.stdout.write(_format_json(arguments.conn_id, spend, now) + "\n")
    elif arguments.csv:
        sys.stdout.write(_format_csv(spend))
        sys.stderr.write("".join(f"{note}\n" for note in notes))
    else:
        sys.stdout.write(_format_text(arguments.conn_id, spend, notes) + "\n")
    return 0 if spend.is_certain else 1


def _read_history(settings: ClientSettings, first: date, last: date) -> HistorySearch:
    from airflow_provider_runway.transports.requests_transport import RequestsTransport

    gap_s = 60.0 / (RATE_SHARE * (settings.requests_per_minute or DEFAULT_REQUESTS_PER_MINUTE))
    # Pauses before a retry are no part of the report, so their lines go to a logger of its own.
    quiet_log = logging.Logger("spend", logging.WARNING)
    with RequestsTransport(settings) as transport:
        return transport.run(pace(read_days(settings.base_urls, first, last, RetryPolicy()), gap_s), quiet_log)


def _make_row(line: DaySpend, unknown: str) -> tuple[str, ...]:
    day, model = unknown if line.day is None else line.day.isoformat(), line.model or unknown
    return (day, model, *map(str, (line.jobs, line.completed, line.failed, line.running)), format_amount(line.cost_usd))


def _format_text(conn_id: str, spend: AccountSpend, notes: list[str]) -> str:
    rows = [_COLUMNS, *(_make_row(line, "not known") for line in spend.days)]
    rows.append(("total", *_make_row(_sum_lines(spend), "")[1:]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    head = f"Connection {conn_id}: {spend.first} to {spend.last}, days in UTC, cost in USD."
    return "\n".join([head, "", *lines, "", *notes]).rstrip()


def _sum_lines(spend: AccountSpend) -> DaySpend:
    total = DaySpend(None, None, cost_usd=spend.total_usd)
    for line in spend.days:
        total.completed += line.completed
        total.failed += line.failed
        total.running += line.running
    return total


def _list_notes(spend: AccountSpend, today: date) -> list[str]:
    """Return what the sums do not say, a sentence each."""
    notes = [
        f"{rows.count} unclear, in no sum: {rows.reason}."
        + (f" With them the total is up to USD {format_amount(rows.cost_usd)} more." if rows.cost_usd else "")
        for rows in spend.unclear
    ]
    if any(line.day is None for line in spend.days):
        notes.append("Jobs of a day that is not known are surely of these days. Their times have no time zone.")
    if not spend.is_whole:
        notes.append("Not all rows of these days could be read, so this is not all. Ask for fewer days.")
    if spend.last >= today:
        notes.append("Jobs of the last minutes may be missing, because their rows can appear late.")
    return notes


def _format_csv(spend: AccountSpend) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_make_row(line, "") for line in spend.days)
    return text.getvalue()


def _format_json(conn_id: str, spend: AccountSpend, now: datetime) -> str:
    report = {
        "conn_id": conn_id,
        "from": spend.first.isoformat(),
        "to": spend.last.isoformat(),
        "time_zone": "UTC",
        "read_at": now.isoformat(timespec="seconds"),
        "days": [
            {
                "day": None if line.day is None else line.day.isoformat(),
                "model": line.model,
                "jobs": line.jobs,
                "completed": line.completed,
                "failed": line.failed,
                "running": line.running,
                "cost_usd": line.cost_usd,
            }
            for line in spend.days
        ],
        "total_usd": spend.total_usd,
        "unclear": [
            {"reason": rows.reason.name.lower(), "text": rows.reason, "rows": rows.count, "cost_usd": rows.cost_usd}
            for rows in spend.unclear
        ],
        "is_whole": spend.is_whole,
    }
    return json.dumps(report, indent=2, ensure_ascii=False)
