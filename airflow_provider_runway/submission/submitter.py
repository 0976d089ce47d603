"""Submits or resumes a task's job: decides by the tables, acts, and writes down what happened in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    JobFailedError,
    NoUsableResponseError,
    RefusedError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.inputs.job_request import JobRequest
from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_once
from airflow_provider_runway.segmind.jobs import JobState, JobSummary
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.spending.estimate import Estimate, PricedJob
from airflow_provider_runway.submission.build_intent import (
    adopt_row,
    build_intent,
)
from airflow_provider_runway.submission.classify_earlier_submit import classify_earlier_submit
from airflow_provider_runway.submission.decision import (
    Rule,
    decide,
    describe_decision,
    make_final_error,
    make_refusal,
    make_unanswered_error,
)
from airflow_provider_runway.submission.decision_input import (
    Action,
    Attempt,
    DecisionInput,
    EarlierSubmitResult,
    Inputs,
    JournalState,
    RemoteState,
    classify_attempt,
    read_orphan_policy,
)
from airflow_provider_runway.submission.find_lost_submit import LookupResult
from airflow_provider_runway.submission.journal import make_summary
from airflow_provider_runway.submission.journal_session import JournalSession
from airflow_provider_runway.submission.lost_submit_lookup import LostSubmitLookup
from airflow_provider_runway.submission.send_intent import send_intent

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.submission.journal_session import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: Submits without a usable response that one try may send.
MAX_UNANSWERED_SUBMITS = 2

#: The error code of a job's outcome -> what it means for the decision. None: the job completed.
_REMOTE_STATES = {
    None: RemoteState.COMPLETED,
    JobFailedError.code: RemoteState.FAILED,
    ContentBlockedError.code: RemoteState.BLOCKED,
}


class Submitter:
    """Makes sure that a task instance has exactly one job, whatever its earlier tries did.

    :param attempt: this try, with the task instance's journal.
    :param durable: False: no journal, and earlier tries are not asked about; a retry then pays again.
    :param on_orphaned_intent: "fail" or "resubmit", where a job may exist that cannot be found.
    :param check_spending: called right before each intent with the estimate and with what the task has spent so far
        (USD; None: not known). What it raises keeps the submit from being sent.
    :raises BadInputError: on_orphaned_intent is neither.
    """

    def __init__(
        self,
        hook: RunwayHook,
        attempt: TaskAttempt,
        log: Log,
        *,
        durable: bool = True,
        on_orphaned_intent: str = "fail",
        check_spending: Callable[[Estimate, float | None], None] = lambda _estimate, _spent_usd: None,
    ) -> None:
        self.hook = hook
        self.attempt = attempt
        self.log = log
        self.journal = JournalSession(attempt, log, durable=durable)
        self.on_orphaned_intent = read_orphan_policy(on_orphaned_intent)
        self.check_spending = check_spending
        self.lookup = LostSubmitLookup(hook, attempt, self.journal, log)

    def record_start(self) -> None:
        """On the first try, write down that nothing was sent yet. A later try then need not ask the history."""
        self.journal.write_start()

    def submit_or_resume(self, request: JobRequest) -> JobSummary:
        """Return the task instance's job: submitted, found again, adopted, or finished (status COMPLETED).

        :raises HistoryNotSettledError: a job may exist; ask again at its ``retry_at``.
        :raises ThrottledError: 429; nothing was submitted.
        :raises SubmitOutcomeUnknownError: a job may exist and cannot be found; nothing more was sent.
        :raises RecordExpiredError: the job's id is known, its record and history row are gone.
        :raises OutputMissingError: the job completed, so it is billed, and shows no output anywhere.
        :raises ContentBlockedError: the journal's job was refused on its content.
        """
        known = self._read_journal(request)
        found = LookupResult(known.history)
        outcome: WaitOutcome | None = None
        while True:
            rule = decide(known)
            if rule.action is Action.POLL_JOB:
                remote, outcome = self._poll_job()
                known = replace(known, remote=remote)
            elif rule.action is Action.ASK_HISTORY:
                found = self.lookup.ask(request)
                known = replace(known, history=found.history)
            elif rule.action in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION):
                self._log_decision(known, rule.why, "A job is submitted now")
                try:
                    return self._submit(request, rule)
                except SubmitOutcomeUnknownError as problem:
                    self._check_unanswered_submits(request, problem)
                known = DecisionInput(JournalState.INTENT, Attempt.AGAIN, on_orphaned_intent=self.on_orphaned_intent)
            elif rule.action is Action.ADOPT:
                return self._adopt(request, found)
            elif rule.action in (Action.REATTACH, Action.DELIVER):
                self._log_decision(known, rule.why, "Nothing is submitted")
                return self._resume(outcome)
            elif rule.action is Action.COME_BACK_LATER:
                raise self.lookup.make_not_settled_error(found)
            elif rule.action is Action.REFUSE:
                sent_at = self.journal.entry.sent_at if self.journal.entry else self.attempt.earliest_submit_at
                raise make_refusal(request.model, request.fingerprint, sent_at, found.why or rule.why)
            else:
                raise make_final_error(self.journal.get_entry_with_id().request_id, outcome, rule.why)

    def mark_delivered(self, request_id: str, cost_usd: float | None = None) -> None:
        """Write down that the task hands this job on, and what it cost: a later clear then asks for a new one."""
        self.journal.write_delivery(request_id, cost_usd)

    def get_carried_entry(self) -> dict[str, Any] | None:
        """Return what a deferral has to carry, where there is no journal that keeps it."""
        return self.journal.get_carried_entry()

    # Reading what is known.

    def _read_journal(self, request: JobRequest) -> DecisionInput:
        state = self.journal.read()
        entry = self.journal.entry
        is_same = entry is None or entry.fingerprint == request.fingerprint
        known = DecisionInput(
            journal=state,
            attempt=classify_attempt(entry, self.attempt.try_number, self.attempt.max_tries),
            inputs=Inputs.SAME if is_same else Inputs.CHANGED,
            on_orphaned_intent=self.on_orphaned_intent,
        )
        earlier = classify_earlier_submit(known)
        if not is_same and earlier in (EarlierSubmitResult.JOB, EarlierSubmitResult.UNKNOWN):
            self.log.warning(
                "The inputs changed since the earlier try submitted (a presigned URL or a time in the prompt does "
                "that). The earlier job is resumed, and nothing is paid again. To get a job with the new inputs, "
                "clear the task."
            )
        return known

    def _poll_job(self) -> tuple[RemoteState, WaitOutcome | None]:
        job = make_summary(self.journal.get_entry_with_id())
        transport = self.hook.get_conn()
        try:
            polled = transport.run(poll_once(transport.settings.base_urls, job, self.hook.policy), self.log)
        except (NoUsableResponseError, RefusedError) as problem:
            self.log.warning("Job %s: %s", job.request_id, problem)
            return RemoteState.UNANSWERED, None
        if not isinstance(polled, WaitOutcome):
            return RemoteState.ALIVE, None
        return _REMOTE_STATES.get(polled.code, RemoteState.GONE), polled

    # Acting, and writing it down.

    def _submit(self, request: JobRequest, rule: Rule) -> JobSummary:
        self.hook.get_conn()  # before the intent, as the upload: what fails here leaves no doubt
        spent_usd = self.journal.get_spent_usd(earlier_may_be_billed=rule.earlier_may_be_billed)
        priced = PricedJob.from_body(request.model, request.build_body_with_seed(None, sending=False))
        self.check_spending(Estimate.of([priced]), spent_usd)
        last = self.journal.entry
        generation = 0 if last is None else last.generation + (rule.action is Action.SUBMIT_NEW_GENERATION)
        seed = request.identity.seed(generation) if request.derives_seed else request.seed
        body = request.build_body_with_seed(seed, sending=True)
        intent = build_intent(
            request,
            body,
            last,
            generation=generation,
            seed=seed,
            try_number=self.attempt.try_number,
            max_tries=self.attempt.max_tries,
            now=time.time(),
            spent_usd=spent_usd,
            reserved_usd=priced.price_usd,
        )
        self.journal.write(intent)
        sent = send_intent(self.hook, intent, body)
        if sent.error is None:  # before the journal's write, which may fail: from here on the id is in the log
            self.log.info(
                "Job %s: submitted to %s, seed %s. It is billed when it completes.",
                sent.entry.request_id,
                intent.model,
                intent.seed,
            )
        self.journal.try_to_write(sent.entry)
        if sent.error is not None:
            if isinstance(sent.error, SubmitOutcomeUnknownError):
                self.lookup.submit_ended_at = sent.ended_at
            raise sent.error
        return make_summary(sent.entry, sent.state)

    def _adopt(self, request: JobRequest, found: LookupResult) -> JobSummary:
        row, last = found.row, self.journal.get_entry()
        if row is None:
            raise LookupError("the table adopts a job that no lookup found")
        self.log.info(
            "Job %s of model %s is adopted: the account's history shows it as this task's. Nothing is submitted.",
            row.request_id,
            last.model,
        )
        if found.others:
            self.log.warning(
                "The history has %d more jobs of this task: %s. They are billed, too, if they completed.",
                len(found.others),
                ", ".join(found.others),
            )
        entry = adopt_row(last, row, request, try_number=self.attempt.try_number, max_tries=self.attempt.max_tries)
        if found.others:
            entry = replace(entry, spent_usd=None)  # what they cost is not known
        self.journal.try_to_write(entry)
        summary = make_summary(entry)
        if row.state is JobState.COMPLETED and row.output_urls:
            summary = row.add_to_summary(summary, time.time())
        return summary

    def _resume(self, outcome: WaitOutcome | None) -> JobSummary:
        entry = replace(
            self.journal.get_entry_with_id(), try_number=self.attempt.try_number, max_tries=self.attempt.max_tries
        )
        self.journal.try_to_write(entry)
        return outcome.job if outcome else make_summary(entry)

    def _log_decision(self, known: DecisionInput, why: str, what_follows: str) -> None:
        if (line := describe_decision(self.journal.entry, known, why, what_follows)) is not None:
            self.log.info("%s", line)

    def _check_unanswered_submits(self, request: JobRequest, problem: SubmitOutcomeUnknownError) -> None:
        """Go on to the history after a first unanswered submit; end the try after a second."""
        count = self.journal.entry.unanswered_submits if self.journal.entry is not None else MAX_UNANSWERED_SUBMITS
        if count >= MAX_UNANSWERED_SUBMITS:
            raise make_unanswered_error(request.model, count) from problem
        self.log.warning("%s Looking for it in the account's history.", problem)
