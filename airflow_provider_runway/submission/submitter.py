"""Does what the decision table says: the only place from which a submit is sent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    JobFailedError,
    NotSentError,
    NoUsableResponseError,
    RefusedError,
    RunwayError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.inputs.identity import digest_of
from airflow_provider_runway.inputs.job_request import JobRequest
from airflow_provider_runway.polling.poll import poll_once
from airflow_provider_runway.segmind.history import HistoryRow
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.timestamps import format_timestamp
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.user_messages import may_be_billed
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.decision import (
    Action,
    Attempt,
    DecisionInput,
    Inputs,
    JournalState,
    RemoteState,
    Rule,
    attempt_of,
    decide,
    journal_state_of,
)
from airflow_provider_runway.submission.journal import JournalEntry, Phase
from airflow_provider_runway.submission.reconcile import (
    LANDING_S,
    SETTLED_S,
    LookupResult,
    LostSubmit,
    find_lost_submit,
)

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.submission.task_attempt import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: Submits that one try of a task may send, each after the history showed that the last one was not accepted.
MAX_SUBMITS = 3

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
    """

    def __init__(
        self,
        hook: RunwayHook,
        attempt: TaskAttempt,
        log: Log,
        *,
        durable: bool = True,
    ) -> None:
        self.hook = hook
        self.attempt = attempt
        self.journal = attempt.journal if durable else None
        self.log = log
        self.durable = durable
        self._entry: JournalEntry | None = None

    def submit_or_resume(self, request: JobRequest) -> JobSummary:
        """Return the task instance's job: submitted, found again, adopted, or finished (status COMPLETED).

        :raises SubmitOutcomeUnknownError: a job may exist and cannot be found; nothing more was sent.
        :raises RecordExpiredError: the job's id is known, its record and history row are gone.
        :raises OutputMissingError: the job completed, so it is billed, and shows no output anywhere.
        :raises ContentBlockedError: the journal's job was refused on its content.
        """
        self._entry = self.journal.read() if self.journal is not None else None
        known = self._known(request)
        found: LookupResult | None = None
        polled: WaitOutcome | None = None
        submits = 0
        while True:
            row = decide(known)
            action = row.action
            if action is Action.POLL_JOB:
                remote, polled = self._poll(self._entry_with_id())
                known = replace(known, remote=remote)
            elif action is Action.ASK_HISTORY:
                found = self._reconcile(request)
                known = replace(known, history=found.history)
            elif action in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION):
                self._log_decision(row)
                submits += 1
                try:
                    return self._submit(request, anew=action is Action.SUBMIT_NEW_GENERATION)
                except SubmitOutcomeUnknownError as problem:
                    if submits >= MAX_SUBMITS:
                        raise self._refusal(request, f"{submits} submits in a row had no answer") from problem
                    self.log.warning("%s Looking it up in the account's history.", problem)
                known = DecisionInput(JournalState.INTENT, Attempt.AGAIN)
            elif action is Action.ADOPT and found is not None and found.row is not None:
                return self._adopt(request, found.row, found.others)
            elif action in (Action.REATTACH, Action.DELIVER):
                self._log_decision(row)
                entry = self._write(
                    replace(self._entry_with_id(), try_number=self.attempt.try_number, max_tries=self.attempt.max_tries)
                )
                return polled.job if polled else self._summary(entry)
            elif action is Action.REFUSE:
                raise self._refusal(request, found.why if found else row.why)
            else:
                raise self._final(polled, row.why)

    def mark_delivered(self, request_id: str) -> None:
        """Write down that the task hands this job on: a later clear then asks for a new one.

        It need not be the journal's own: the author may have named a job whose id was lost.
        """
        if self.journal is not None and (entry := self.journal.read()) is not None:
            done = replace(entry, phase=Phase.DELIVERED, request_id=request_id, max_tries=self.attempt.max_tries)
            self.journal.write(done)

    def _known(self, request: JobRequest) -> DecisionInput:
        journal = JournalState.NONE if self.journal is None else journal_state_of(self._entry)
        same = self._entry is None or self._entry.fingerprint == request.fingerprint
        return DecisionInput(
            journal=journal if self.durable else JournalState.OFF,
            attempt=attempt_of(self._entry, self.attempt.try_number, self.attempt.max_tries),
            inputs=Inputs.SAME if same else Inputs.CHANGED,
        )

    def _submit(self, request: JobRequest, *, anew: bool) -> JobSummary:
        last = self._entry
        generation = 0 if last is None else last.generation + anew
        seed = request.identity.seed(generation) if request.derives_seed else request.seed
        previous = (
            () if last is None else tuple(dict.fromkeys((*last.previous_request_ids, *filter(None, [last.request_id]))))
        )
        body = request.build_body_with_seed(
            seed, sending=True
        )  # before the intent: an upload that fails leaves no doubt
        intent = self._write(
            JournalEntry(
                phase=Phase.INTENT,
                fingerprint=request.fingerprint,
                model=request.model,
                generation=generation,
                seed=seed,
                try_number=self.attempt.try_number,
                max_tries=self.attempt.max_tries,
                at=time.time(),
                image_digest=digest_of(body[request.picture_field]) if request.picture_field else None,
                previous_request_ids=previous,
            )
        )
        try:
            job = self.hook.submit(request.model, body, get_timing().submit_retry)
        except (NotSentError, RefusedError, NoUsableResponseError):
            # Never sent, refused or throttled: certainly no job. The next try must not look for one.
            self._write(replace(intent, phase=Phase.NOT_ACCEPTED))
            raise
        entry = self._write(replace(intent, phase=Phase.SUBMITTED, request_id=job.request_id, at=job.submitted_at))
        self.log.info(
            "Job %s: submitted to %s, seed %s. It is billed when it completes.", job.request_id, request.model, seed
        )
        return self._summary(entry, job.state)

    def _adopt(self, request: JobRequest, row: HistoryRow, others: tuple[str, ...]) -> JobSummary:
        self.log.info(
            "Job %s of model %s is taken up: the account's history shows it as this task's. Nothing is submitted.",
            row.request_id,
            request.model,
        )
        if others:
            self.log.warning(
                "The history has %d more jobs with the same inputs: %s. The one nearest in time was taken.",
                len(others),
                ", ".join(others),
            )
        last = self._entry
        entry = self._write(
            JournalEntry(
                phase=Phase.SUBMITTED,
                fingerprint=request.fingerprint,
                model=request.model,
                generation=last.generation if last else 0,
                seed=self._seed(request),
                try_number=self.attempt.try_number,
                max_tries=self.attempt.max_tries,
                at=row.created_at or (last.at if last else time.time()),
                request_id=row.request_id,
                previous_request_ids=last.previous_request_ids if last else (),
            )
        )
        report = self._summary(entry)
        if row.state is JobState.COMPLETED and row.output_urls:
            report = report.update_from_history(row, time.time())
        return report

    def _poll(self, entry: JournalEntry) -> tuple[RemoteState, WaitOutcome | None]:
        report = self._summary(entry)
        transport = self.hook.get_conn()
        try:
            polled = transport.run(poll_once(transport.settings.base_urls, report, self.hook.policy))
        except (NoUsableResponseError, RefusedError) as problem:
            self.log.warning("Job %s: %s", report.request_id, problem)
            return RemoteState.UNANSWERED, None
        if not isinstance(polled, WaitOutcome):
            return RemoteState.ALIVE, None
        return _REMOTE_STATES.get(polled.code, RemoteState.GONE), polled

    def _reconcile(self, request: JobRequest) -> LookupResult:
        entry = self._entry
        now = time.time()
        lost = LostSubmit(
            model=request.model,
            body=request.build_body_with_seed(self._seed(request), sending=False),
            sent_at=entry.at if entry else self.attempt.earliest_submit_at,
            settled_at=min(now, self._sent_until(entry) if entry else now) + SETTLED_S,
            sent_until=self._sent_until(entry) if entry else None,
            ignoring=frozenset({request.picture_field} if request.picture_field else ()),
            image=(request.picture_field, entry.image_digest)
            if entry and entry.image_digest and request.picture_field
            else None,
            other_request_ids=frozenset(
                (*(entry.previous_request_ids if entry else ()), *self.attempt.sibling_request_ids())
            ),
            failures=None if entry else max(self.attempt.try_number - 1, 1),
        )
        self.log.info(
            "An earlier submit to %s may have become a job: looking for it in the account's history, for up to %.0f s.",
            request.model,
            max(lost.settled_at - now, 0.0) + LANDING_S,
        )
        transport = self.hook.get_conn()
        return transport.run(find_lost_submit(transport.settings.base_urls, lost, self.hook.policy, now))

    def _sent_until(self, entry: JournalEntry) -> float:
        """Return until when the intent's POST can have been on its way, in a worker that may have died meanwhile."""
        return entry.at + get_timing().submit_retry.max_elapsed_s + self.hook.settings.read_timeout_s

    def _seed(self, request: JobRequest) -> int | None:
        if self._entry is not None:
            return self._entry.seed
        return request.identity.seed(0) if request.derives_seed else request.seed

    def _entry_with_id(self) -> JournalEntry:
        if self._entry is None or self._entry.request_id is None:
            raise LookupError("the table asked for a job whose id nobody wrote down")
        return self._entry

    def _write(self, entry: JournalEntry) -> JournalEntry:
        """Remember the entry, in the store where there is one."""
        self._entry = entry
        if self.journal is not None:
            self.journal.write(entry)
        return entry

    def _summary(self, entry: JournalEntry, state: JobState = JobState.QUEUED) -> JobSummary:
        return JobSummary(
            request_id=entry.request_id or "",
            status=state.value,
            model=entry.model,
            seed=entry.seed,
            submitted_at=entry.at,
        )

    def _log_decision(self, row: Rule) -> None:
        """Say what becomes of an earlier submit, where there was one."""
        if (last := self._entry) is None or last.phase is Phase.NOT_ACCEPTED:
            return
        what = f"Job {last.request_id} of an earlier submit" if last.request_id else "An earlier submit without an id"
        then = (
            "A job is submitted now"
            if row.action in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION)
            else "Nothing is submitted"
        )
        self.log.info("%s (model %s, %s): %s. %s.", what, last.model, format_timestamp(last.at), row.why, then)

    def _refusal(self, request: JobRequest, why: str) -> SubmitOutcomeUnknownError:
        at = self._entry.at if self._entry else self.attempt.earliest_submit_at
        return SubmitOutcomeUnknownError(
            may_be_billed(request.model, request.fingerprint, at, why), fingerprint=request.fingerprint
        )

    def _final(self, polled: WaitOutcome | None, why: str) -> RunwayError:
        """Return the error of a job whose end is final: what the look at it found, in its own words."""
        found = polled.to_error() if polled else None
        return found or RunwayError(f"Job {self._entry_with_id().request_id}: {why}.")
