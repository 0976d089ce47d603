"""The command ``check``: reports what an account settles of the API's open questions. It sends free GETs only.

It runs as ``python -m airflow_provider_runway check``, and as ``airflow runway check`` where Airflow takes commands of
providers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.checks.account_evidence import AccountEvidence, collect_evidence
from airflow_provider_runway.checks.account_findings import (
    Answer,
    Finding,
    Level,
    LostSubmitVerdict,
    decide_if_lost_submit_can_be_found,
    get_exit_code,
    list_findings,
)
from airflow_provider_runway.checks.redacted_transcript import make_transcript
from airflow_provider_runway.cli.command_connection import make_conn_id_option, read_settings
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.retry import UI_RETRY

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import ClientSettings

#: Options of the command: (flags, argparse arguments). Airflow's own parser takes the same.
OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    make_conn_id_option("to check"),
    (
        ("--request-id",),
        {"help": "a job of the account, best while it is running: shows when its row appears in the history"},
    ),
    (("--json",), {"action": "store_true", "help": "print the findings as JSON"}),
    (
        ("--record",),
        {"metavar": "FILE", "help": "write a redacted transcript, which the emulator can replay with --replay FILE"},
    ),
)
HELP = "Check an account for free: key, balance, clock and request history"
_MARKS = {Level.OK: "ok", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM", Level.UNKNOWN: "not known"}


def run_check(arguments: argparse.Namespace) -> int:
    """Check the account of a connection, print what was found, and return the exit code.

    0: nothing must be fixed. 1: something must be fixed, or a lost submit cannot be found again.
    """
    with contextlib.redirect_stdout(sys.stderr):  # where Airflow logs to standard output, the report stays clean
        try:
            settings = read_settings(arguments.conn_id)
        except RunwayError as problem:
            findings = [Finding("connection", Level.PROBLEM, str(problem))]
            verdict = LostSubmitVerdict(Answer.UNKNOWN, "the account could not be asked")
        else:
            evidence = _ask_account(settings, arguments.request_id)
            findings, verdict = list_findings(evidence), decide_if_lost_submit_can_be_found(evidence)
            if arguments.record:
                findings.append(_record(evidence, Path(arguments.record)))
    format_report = _format_json if arguments.json else _format_text
    sys.stdout.write(format_report(arguments.conn_id, findings, verdict) + "\n")
    return get_exit_code(findings, verdict)


def _ask_account(settings: ClientSettings, request_id: str | None) -> AccountEvidence:
    from airflow_provider_runway.transports.requests_transport import RequestsTransport

    # Pauses before a retry are no part of the report, so their lines go to a logger of its own.
    quiet_log = logging.Logger("check", logging.WARNING)
    with RequestsTransport(settings) as transport:
        return transport.run(collect_evidence(settings.base_urls, UI_RETRY, request_id=request_id), quiet_log)


def _record(evidence: AccountEvidence, path: Path) -> Finding:
    """Write the transcript, and say so. Without a history there is nothing that could be replayed."""
    if evidence.page is None:
        return Finding("transcript", Level.WARNING, "No transcript was written, because the history was not read.")
    text = json.dumps(make_transcript(evidence), indent=2, ensure_ascii=False)
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as problem:
        return Finding("transcript", Level.PROBLEM, f"The transcript could not be written: {problem}.")
    return Finding(
        "transcript", Level.OK, f"Written to {path}, without key, prompts and URLs. Read it before you share it."
    )


def _format_text(conn_id: str, findings: Sequence[Finding], verdict: LostSubmitVerdict) -> str:
    width = max(len(mark) for mark in _MARKS.values())
    lines = [f"{_MARKS[finding.level]:<{width}}  {finding.name:<13} {finding.text}" for finding in findings]
    return "\n".join([f"Connection {conn_id}:", *lines, "", verdict.text])


def _format_json(conn_id: str, findings: Sequence[Finding], verdict: LostSubmitVerdict) -> str:
    report = {
        "conn_id": conn_id,
        "findings": [{"name": each.name, "level": each.level, "text": each.text} for each in findings],
        "lost_submit_can_be_found": verdict.answer,
        "reason": verdict.reason,
    }
    return json.dumps(report, indent=2, ensure_ascii=False)
