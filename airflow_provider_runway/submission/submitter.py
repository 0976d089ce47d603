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
from airflow_provider_runway.inputs.job_request import JobRequest, digest_of
from airflow_provider_runway.polling.poll import poll_once
from airflow_provider_runway.segmind.history import HistoryRow
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import SUBMIT_RETRY
from airflow_provider_runway.segmind.timestamps import format_timestamp
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
from airflow_provider_runway.submission.journal import Entry, Phase
from airflow_provider_runway.submission.reconcile import (
    LANDING_S,
    SETTLED_S,
    LookupResult,
    LostSubmit,
    find_lost_submit,
)
from airflow_provider_runway.submission.task_attempt import TaskAttempt

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.transports.client_settings import Log

#: Submits that one run of a task may send after the history showed that the last came to nothing.
MOST_SUBMITS = 3

#: An ending's error code -> what it means for the decision. None: it completed.
_FATES = {
    None: RemoteState.COMPLETED,
    JobFailedError.code: RemoteState.FAILED,
    ContentBlockedError.code: RemoteState.BLOCKED,
}


class Submitter:
    """Submits the job of one try, or resumes the job of an earlier one.

    :param attempt: this try; its journal is None where nothing survives a retry.
    :param durable: False: no journal, and no earlier try is asked about; a retry then pays again.
    :param on_orphaned_intent: "fail" or "resubmit", for a submit whose outcome cannot be found out.
    """

    def __init__(
        self,
        hook: RunwayHook,
        attempt: TaskAttempt,
        log: Log,
        *,
        durable: bool = True,
        on_orphaned_intent: str = "fail",
    ) -> None:
        self.hook = hook
        self.attempt = attempt
        self.journal = attempt.journal if durable else None
        self.log = log
        self.durable = durable
        self.on_orphaned_intent = on_orphaned_intent
        self._entry: Entry | None = None

    def submit_or_resume(self, order: JobRequest) -> JobSummary:
        """Return the order's one job: submitted, found again, adopted, or finished (status COMPLETED).

        :raises SubmitOutcomeUnknownError: a job may exist and cannot be found; nothing more was sent.
        :raises RecordExpiredError: the job's id is known, its record and history row are gone.
        :raises OutputMissingError: the job completed, so it is billed, and shows no output anywhere.
        :raises ContentBlockedError: the journal's job was refused on its content.
        """
        self._entry = self.journal.read() if self.journal is not None else None
        situation = self._situation(order)
        found: LookupResult | None = None
        looked: WaitOutcome | None = None
        submits = 0
        while True:
            row = decide(situation)
            step = row.step
            if step is Action.POLL_JOB:
                fate, looked = self._look(self._known())
                situation = replace(situation, fate=fate)
            elif step is Action.ASK_HISTORY:
                found = self._reconcile(order)
                situation = replace(situation, trace=found.trace)
            elif step in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION):
                self._tell(row)
                submits += 1
                try:
                    return self._submit(order, anew=step is Action.SUBMIT_NEW_GENERATION)
                except SubmitOutcomeUnknownError as problem:
                    if submits >= MOST_SUBMITS:
                        raise self._refusal(order, f"{submits} submits in a row had no answer") from problem
                    self.log.warning("%s Looking it up in the account's history.", problem)
                situation = DecisionInput(JournalState.INTENT, Attempt.AGAIN)
            elif step is Action.ADOPT and found is not None and found.row is not None:
                return self._adopt(order, found.row, found.others)
            elif step in (Action.REATTACH, Action.DELIVER):
                self._tell(row)
                entry = self._write(
                    replace(self._known(), try_number=self.attempt.try_number, max_tries=self.attempt.max_tries)
                )
                return looked.report if looked else self._report(entry)
            elif step is Action.REFUSE:
                raise self._refusal(order, found.why if found else row.why)
            else:
                raise self._final(looked, row.why)

    def mark_delivered(self, request_id: str) -> None:
        """Write down that the task hands this job on: a later clear then asks for a new one.

        It need not be the journal's own: the author may have named a job whose id was lost.
        """
        if self.journal is not None and (entry := self.journal.read()) is not None:
            done = replace(entry, phase=Phase.DELIVERED, request_id=request_id, max_tries=self.attempt.max_tries)
            self.journal.write(done)

    def _situation(self, order: JobRequest) -> DecisionInput:
        note = JournalState.NONE if self.journal is None else journal_state_of(self._entry)
        same = self._entry is None or self._entry.fingerprint == order.fingerprint
        return DecisionInput(
            note=note if self.durable else JournalState.OFF,
            attempt=attempt_of(self._entry, self.attempt.try_number, self.attempt.max_tries),
            inputs=Inputs.SAME if same else Inputs.CHANGED,
        )

    def _submit(self, order: JobRequest, *, anew: bool) -> JobSummary:
        last = self._entry
        generation = 0 if last is None else last.generation + anew
        seed = order.identity.seed(generation) if order.derives_seed else order.seed
        spent = () if last is None else tuple(dict.fromkeys((*last.spent, *filter(None, [last.request_id]))))
        body = order.build_body_with_seed(seed, sending=True)  # before the intent: an upload that fails leaves no doubt
        intent = self._write(
            Entry(
                phase=Phase.INTENT,
                fingerprint=order.fingerprint,
                model=order.model,
                generation=generation,
                seed=seed,
                try_number=self.attempt.try_number,
                max_tries=self.attempt.max_tries,
                at=time.time(),
                picture=digest_of(body[order.image_field]) if order.image_field else None,
                spent=spent,
            )
        )
        try:
            job = self.hook.submit(order.model, body, SUBMIT_RETRY)
        except (NotSentError, RefusedError, NoUsableResponseError):
            # Never sent, refused or throttled: certainly no job. The next try must not look for one.
            self._write(replace(intent, phase=Phase.NOT_ACCEPTED))
            raise
        entry = self._write(replace(intent, phase=Phase.SUBMITTED, request_id=job.request_id, at=job.submitted_at))
        self.log.info(
            "Job %s: submitted to %s, seed %s. It is billed when it completes.", job.request_id, order.model, seed
        )
        return self._report(entry, job.state)

    def _adopt(self, order: JobRequest, row: HistoryRow, others: tuple[str, ...]) -> JobSummary:
        self.log.info(
            "Job %s of model %s is taken up: the account's history shows it as this task's. Nothing is submitted.",
            row.request_id,
            order.model,
        )
        if others:
            self.log.warning(
                "The history has %d more jobs with the same inputs: %s. The one nearest in time was taken.",
                len(others),
                ", ".join(others),
            )
        last = self._entry
        entry = self._write(
            Entry(
                phase=Phase.SUBMITTED,
                fingerprint=order.fingerprint,
                model=order.model,
                generation=last.generation if last else 0,
                seed=self._seed(order),
                try_number=self.attempt.try_number,
                max_tries=self.attempt.max_tries,
                at=row.created_at or (last.at if last else time.time()),
                request_id=row.request_id,
                spent=last.spent if last else (),
            )
        )
        report = self._report(entry)
        if row.state is JobState.COMPLETED and row.output_urls:
            report = report.from_history(row, time.time())
        return report

    def _look(self, entry: Entry) -> tuple[RemoteState, WaitOutcome | None]:
        report = self._report(entry)
        transport = self.hook.get_conn()
        try:
            looked = transport.run(poll_once(transport.settings.base_urls, report, self.hook.policy))
        except (NoUsableResponseError, RefusedError) as problem:
            self.log.warning("Job %s: %s", report.request_id, problem)
            return RemoteState.UNANSWERED, None
        if not isinstance(looked, WaitOutcome):
            return RemoteState.ALIVE, None
        return _FATES.get(looked.code, RemoteState.MAYBE_SENT), looked

    def _reconcile(self, order: JobRequest) -> LookupResult:
        entry = self._entry
        now = time.time()
        wanted = LostSubmit(
            model=order.model,
            body=order.build_body_with_seed(self._seed(order), sending=False),
            sent_at=entry.at if entry else self.attempt.earliest_submit_at,
            settled_at=min(now, self._sent_until(entry) if entry else now) + SETTLED_S,
            sent_until=self._sent_until(entry) if entry else None,
            ignoring=frozenset({order.image_field} if order.image_field else ()),
            picture=(order.image_field, entry.picture) if entry and entry.picture and order.image_field else None,
            taken=frozenset((*(entry.spent if entry else ()), *self.attempt.sibling_request_ids())),
            failures=None if entry else max(self.attempt.try_number - 1, 1),
        )
        self.log.info(
            "An earlier submit to %s may have become a job: looking for it in the account's history, for up to %.0f s.",
            order.model,
            max(wanted.settled_at - now, 0.0) + LANDING_S,
        )
        transport = self.hook.get_conn()
        return transport.run(find_lost_submit(transport.settings.base_urls, wanted, self.hook.policy, now))

    def _sent_until(self, entry: Entry) -> float:
        """Return until when the intent's POST can have been on its way, in a worker that may have died meanwhile."""
        return entry.at + SUBMIT_RETRY.max_elapsed_s + self.hook.settings.read_timeout_s

    def _seed(self, order: JobRequest) -> int | None:
        if self._entry is not None:
            return self._entry.seed
        return order.identity.seed(0) if order.derives_seed else order.seed

    def _known(self) -> Entry:
        if self._entry is None or self._entry.request_id is None:
            raise LookupError("the table asked for a job whose id nobody wrote down")
        return self._entry

    def _write(self, entry: Entry) -> Entry:
        """Remember the entry, in the store where there is one."""
        self._entry = entry
        if self.journal is not None:
            self.journal.write(entry)
        return entry

    def _report(self, entry: Entry, state: JobState = JobState.QUEUED) -> JobSummary:
        return JobSummary(
            request_id=entry.request_id or "",
            status=state.value,
            model=entry.model,
            seed=entry.seed,
            submitted_at=entry.at,
        )

    def _tell(self, row: Rule) -> None:
        """Say what becomes of an earlier submit, where there was one."""
        if (last := self._entry) is None or last.phase is Phase.NOT_ACCEPTED:
            return
        what = f"Job {last.request_id} of an earlier submit" if last.request_id else "An earlier submit without an id"
        then = (
            "A job is submitted now"
            if row.step in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION)
            else "Nothing is submitted"
        )
        self.log.info("%s (model %s, %s): %s. %s.", what, last.model, format_timestamp(last.at), row.why, then)

    def _refusal(self, order: JobRequest, why: str) -> SubmitOutcomeUnknownError:
        at = self._entry.at if self._entry else self.attempt.earliest_submit_at
        return SubmitOutcomeUnknownError(
            may_be_billed(order.model, order.fingerprint, at, why), fingerprint=order.fingerprint
        )

    def _final(self, looked: WaitOutcome | None, why: str) -> RunwayError:
        """Return the error of a job whose end is final: what the look at it found, in its own words."""
        found = looked.exception() if looked else None
        return found or RunwayError(f"Job {self._known().request_id}: {why}.")
