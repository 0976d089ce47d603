"""Decides what the evidence of an account check means. Pure functions: evidence in, findings and a verdict out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_runway.checks.account_evidence import AccountEvidence
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.segmind.jobs import JobState

#: A clock that differs by more than this is worth a warning. ``Date`` headers have whole seconds.
MAX_CLOCK_OFFSET_S = 5.0
#: About the price of the cheapest video, USD.
MIN_USEFUL_BALANCE = 1.0

_FINAL_STATES = (JobState.COMPLETED, JobState.FAILED)


class Level(StrEnum):
    """How good a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


class Answer(StrEnum):
    """The answer to a question that may stay open."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the check found. ``name`` never changes; ``text`` is for people."""

    name: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class LostSubmitVerdict:
    """Can a lost submit be found again, and why?"""

    answer: Answer
    reason: str

    @property
    def text(self) -> str:
        """The verdict as a sentence."""
        answer = {Answer.YES: "yes", Answer.NO: "no", Answer.UNKNOWN: "not known yet"}[self.answer]
        return f"A lost submit can be found again: {answer}, because {self.reason}."


def list_findings(evidence: AccountEvidence) -> list[Finding]:
    """Return everything that the evidence shows, most basic things first."""
    findings = [_make_key_finding(evidence)]
    if evidence.credits is None:
        return findings
    findings += [_make_balance_finding(evidence), _make_clock_finding(evidence), _make_rate_limit_finding(evidence)]
    findings.append(_make_history_finding(evidence))
    if evidence.page is not None and evidence.page.row_count:
        findings += _make_row_findings(evidence)
        findings += _make_filter_findings(evidence)
        findings += _make_row_timing_findings(evidence)
    if evidence.job_id is not None:
        findings.append(_make_job_finding(evidence))
    return findings


def decide_if_lost_submit_can_be_found(evidence: AccountEvidence) -> LostSubmitVerdict:
    """Decide whether a submit whose response was lost can be found in this account's history."""
    if evidence.page is None:
        return LostSubmitVerdict(
            Answer.NO if evidence.history_problem else Answer.UNKNOWN, "the history could not be read"
        )
    page = evidence.page
    if not page.row_count:
        return LostSubmitVerdict(Answer.UNKNOWN, "the history has no rows yet; run one job, and check again")
    finished = [row for row in page.rows if row.state in _FINAL_STATES] or page.rows
    if not any(row.request_id for row in finished):
        return LostSubmitVerdict(Answer.NO, "no row has a request id")
    if not any(_has_inputs(row) for row in finished):
        return LostSubmitVerdict(Answer.NO, "no row shows the prompt or the seed of its request")
    incomplete = page.unreadable_count + sum(row.request_id is None or not _has_inputs(row) for row in finished)
    if incomplete:
        return LostSubmitVerdict(
            Answer.UNKNOWN,
            f"{incomplete} of {len(finished) + page.unreadable_count} rows lack their request id or their inputs; "
            "where such a row may be the lost one, the task fails and pays nothing more",
        )
    if all(row.seed is not None for row in finished):
        return LostSubmitVerdict(Answer.YES, "every row has its request id and its seed")
    return LostSubmitVerdict(
        Answer.YES, "every row has its request id and its prompt; without a seed, prompt and image decide"
    )


def get_exit_code(findings: Iterable[Finding], verdict: LostSubmitVerdict) -> int:
    """Return 0, or 1 where something must be fixed, or a lost submit cannot be found."""
    has_problem = any(finding.level is Level.PROBLEM for finding in findings)
    return 1 if has_problem or verdict.answer is Answer.NO else 0


def summarize_for_connection_test(evidence: AccountEvidence) -> tuple[bool, str]:
    """Return whether a connection can be used, and a short text for the test of a connection.

    A history that cannot be read does not keep videos from being made, so it is only reported.
    """
    if evidence.credits_problem is not None:
        return False, str(evidence.credits_problem)
    shown = [
        finding.text
        for finding in list_findings(evidence)
        if finding.name in ("key", "balance")
        or (finding.name in ("clock", "history") and finding.level in (Level.WARNING, Level.PROBLEM))
    ]
    return True, " ".join([*shown, decide_if_lost_submit_can_be_found(evidence).text])


def _make_key_finding(evidence: AccountEvidence) -> Finding:
    if evidence.credits_problem is not None:
        return Finding("key", Level.PROBLEM, str(evidence.credits_problem))
    return Finding("key", Level.OK, "The key is valid.")


def _make_balance_finding(evidence: AccountEvidence) -> Finding:
    balance = evidence.credits
    if balance is None or not balance.is_known:
        return Finding("balance", Level.UNKNOWN, "The account has no balance record yet.")
    text = f"Credits: {balance.credits:.2f} USD, free credits: {balance.free_credits:.2f} USD."
    if balance.credits + balance.free_credits < MIN_USEFUL_BALANCE:
        return Finding("balance", Level.WARNING, f"{text} That is less than most videos cost.")
    return Finding("balance", Level.OK, text)


def _make_clock_finding(evidence: AccountEvidence) -> Finding:
    offset_s = evidence.clock_offset_s
    if offset_s is None:
        return Finding("clock", Level.UNKNOWN, "The responses have no Date header, so clocks cannot be compared.")
    if abs(offset_s) <= MAX_CLOCK_OFFSET_S:
        return Finding("clock", Level.OK, f"This machine's clock and the API's differ by {abs(offset_s):.0f} s.")
    direction = "behind" if offset_s > 0 else "ahead of"
    return Finding(
        "clock",
        Level.WARNING,
        f"This machine's clock is {abs(offset_s):.0f} s {direction} the API's. Lost submits are searched in the API's "
        "time, so that does no harm there; but logs and deadlines are off.",
    )


def _make_rate_limit_finding(evidence: AccountEvidence) -> Finding:
    if evidence.rate_limit_headers:
        names = ", ".join(evidence.rate_limit_headers)
        return Finding("rate_limit", Level.OK, f"GETs show a rate limit, in the headers {names}.")
    return Finding("rate_limit", Level.UNKNOWN, "GETs show no rate limit in their headers; they may still count.")


def _make_history_finding(evidence: AccountEvidence) -> Finding:
    if evidence.page is None:
        return Finding("history", Level.PROBLEM, f"The history cannot be read. {evidence.history_problem}")
    if not evidence.page.row_count:
        return Finding("history", Level.UNKNOWN, "The history is readable and has no rows of the last weeks.")
    total = "" if evidence.page.total is None else f" of {evidence.page.total}"
    unreadable = ""
    if evidence.page.unreadable_count:
        unreadable = f" {evidence.page.unreadable_count} items of it are no rows that can be read."
    level = Level.WARNING if unreadable else Level.OK
    return Finding("history", level, f"The history is readable: {evidence.page.row_count}{total} rows.{unreadable}")


def _make_row_findings(evidence: AccountEvidence) -> list[Finding]:
    rows = evidence.page.rows if evidence.page else []
    checks: list[tuple[str, str, Callable[[HistoryRow], bool]]] = [
        ("row_id", "a request id", lambda row: row.request_id is not None),
        ("row_inputs", "the prompt or the seed", _has_inputs),
        ("row_seed", "a seed", lambda row: row.seed is not None),
        ("row_image", "the URL of the image", lambda row: row.image_url is not None),
        ("row_model", "the model", lambda row: row.model is not None),
        ("row_time", "a time", lambda row: row.created_at is not None),
        ("row_zone", "a time with its zone", lambda row: row.has_time_zone),
    ]
    findings = []
    for name, what, has_it in checks:
        count = sum(has_it(row) for row in rows)
        level = Level.OK if count == len(rows) else Level.WARNING
        findings.append(Finding(name, level, f"{count} of {len(rows)} rows have {what}."))
    return findings


def _make_filter_findings(evidence: AccountEvidence) -> list[Finding]:
    findings = []
    if evidence.refused_filters:
        names = ", ".join(sorted(evidence.refused_filters))
        findings.append(Finding("filters", Level.WARNING, f"The history refuses {names}; it is read without."))
    if evidence.model_filter is not None:
        page = evidence.model_filter_page
        is_right = page is not None and bool(page.rows) and all(row.model == evidence.model_filter for row in page.rows)
        text = "works" if is_right else "does not work as documented; it is not relied on"
        findings.append(
            Finding("model_filter", Level.OK if is_right else Level.WARNING, f"The filter by model {text}.")
        )
    if evidence.lookup_id is not None:
        text = "can be looked up" if evidence.lookup_row is not None else "cannot be looked up"
        level = Level.OK if evidence.lookup_row is not None else Level.WARNING
        findings.append(Finding("lookup", level, f"A single request {text} by its id."))
    return findings


def _make_row_timing_findings(evidence: AccountEvidence) -> list[Finding]:
    """Tell when rows appear, from the rows alone."""
    rows = evidence.page.rows if evidence.page else []
    findings = []
    if any(row.state not in _FINAL_STATES for row in rows):
        findings.append(Finding("row_delay", Level.OK, "Some rows are of unfinished jobs: rows appear before the end."))
    else:
        text = "No row is of an unfinished job. Check again with --request-id of a running job to see when rows appear."
        findings.append(Finding("row_delay", Level.UNKNOWN, text))
    api_now = evidence.checked_at + (evidence.clock_offset_s or 0.0)
    ahead = [row.created_at - api_now for row in rows if row.created_at is not None and row.created_at > api_now + 60]
    if ahead:
        text = f"Times without a zone lie up to {max(ahead) / 3600:.1f} h in the future if they are read as UTC."
        findings.append(Finding("row_clock", Level.WARNING, text))
    return findings


def _make_job_finding(evidence: AccountEvidence) -> Finding:
    """Tell when the row of the named job appears, compared with the job's own record."""
    if evidence.job_status is None:
        return Finding("job", Level.UNKNOWN, f"Job {evidence.job_id} has no record. {evidence.job_problem}")
    status, row = evidence.job_status, evidence.job_row
    if row is None:
        end = "is not there yet, although it has ended" if status.is_final else "is not there while it is running"
        level = Level.WARNING if status.is_final else Level.OK
        return Finding("job", level, f"Job {evidence.job_id} is {status.state}: its row {end}.")
    has_parts = "complete" if row.is_identifiable else "not complete"
    when = "" if status.is_final else ", before the job's end"
    return Finding(
        "job", Level.OK, f"Job {evidence.job_id} is {status.state}: its row is there{when}, and {has_parts}."
    )


def _has_inputs(row: HistoryRow) -> bool:
    return row.seed is not None or row.prompt is not None
