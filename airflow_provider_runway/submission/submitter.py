"""Submits or resumes a task's job, as the decision tables say. The only place from which a submit is sent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import (
    BadInputError,
    ContentBlockedError,
    HistoryNotSettledError,
    JobFailedError,
    NotSentError,
    NoUsableResponseError,
    OutputMissingError,
    RecordExpiredError,
    RefusedError,
    RunwayError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.inputs.job_request import JobRequest, digest_of
from airflow_provider_runway.polling.poll import poll_once
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.request_inputs import find_image_url, find_prompt, find_seed
from airflow_provider_runway.segmind.timestamps import format_timestamp
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.user_messages import how_to_resume, may_be_billed
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.decision import (
    Action,
    Attempt,
    DecisionInput,
    EarlierSubmit,
    Inputs,
    JournalState,
    OnOrphanedIntent,
    RemoteState,
    attempt_of,
    classify_earlier_submit,
    decide,
    find_earlier_submit_rule,
    journal_state_of,
)
from airflow_provider_runway.submission.journal import JournalEntry, Phase, UnreadableEntryError
from airflow_provider_runway.submission.reconcile import LookupResult, LookupWindow, find_lost_submit
from airflow_provider_runway.submission.row_matching import LostSubmit, digest_of_prompt

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.submission.task_attempt import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: For so long the worker itself asks the history for a submit of its own; then it comes back later.
MAX_WORKER_WAIT_S = 15.0
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
    ) -> None:
        self.hook = hook
        self.attempt = attempt
        self.journal = attempt.journal if durable else None
        self.log = log
        self.durable = durable
        self.on_orphaned_intent = _read_orphan_policy(on_orphaned_intent)
        #: The last entry that was read or written. Without a journal it is all that is known; a deferral carries it.
        self._entry: JournalEntry | None = None
        if self.journal is None and attempt.carried_entry is not None:
            self._entry = JournalEntry.from_json(attempt.carried_entry)
        self._ended_at: float | None = None  # when the submit that is in doubt ended, if this object sent it

    def record_start(self) -> None:
        """On the first try, write down that nothing was sent yet. A later try then need not ask the history."""
        if self.journal is None or self.attempt.try_number != 1:
            return
        try:
            if self.journal.read() is None:
                self._entry = None
                self._write(JournalEntry(Phase.STARTED, "", "", 0, None, 1, self.attempt.max_tries, time.time()))
        except Exception as problem:  # nothing is lost by it: a later try has to ask the history
            self.log.warning("The journal did not take the start of the task (%s).", type(problem).__name__)

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
        lookup = LookupResult(known.history)
        outcome: WaitOutcome | None = None
        while True:
            rule = decide(known)
            if rule.action is Action.POLL_JOB:
                remote, outcome = self._poll_job()
                known = replace(known, remote=remote)
            elif rule.action is Action.ASK_HISTORY:
                lookup = self._ask_history(request)
                known = replace(known, history=lookup.history)
            elif rule.action in (Action.SUBMIT, Action.SUBMIT_NEW_GENERATION):
                self._log_decision(known, rule.why, "A job is submitted now")
                try:
                    return self._submit(request, is_new_generation=rule.action is Action.SUBMIT_NEW_GENERATION)
                except SubmitOutcomeUnknownError as problem:
                    self._check_unanswered_submits(request, problem)
                known = DecisionInput(JournalState.INTENT, Attempt.AGAIN, on_orphaned_intent=self.on_orphaned_intent)
            elif rule.action is Action.ADOPT:
                return self._adopt(request, lookup)
            elif rule.action in (Action.REATTACH, Action.DELIVER):
                self._log_decision(known, rule.why, "Nothing is submitted")
                return self._resume(outcome)
            elif rule.action is Action.COME_BACK_LATER:
                raise self._make_not_settled_error(lookup)
            elif rule.action is Action.REFUSE:
                raise self._make_refusal(request, lookup.why or rule.why)
            else:
                raise self._make_final_error(outcome, rule.why)

    def mark_delivered(self, request_id: str) -> None:
        """Write down that the task hands this job on: a later clear then asks for a new one.

        The job may be another than the journal's own: the author may have named one whose id was lost.
        """
        if self.journal is None:
            return
        try:
            entry = self.journal.read()
            if entry is None or entry.try_number > self.attempt.try_number:
                return
            self._entry = entry
            self._write(replace(entry, phase=Phase.DELIVERED, request_id=request_id, max_tries=self.attempt.max_tries))
        except Exception as problem:  # the result is there, and a later clear finds this job again
            self.log.warning(
                "Job %s: the journal did not take its delivery (%s). If this task is cleared, it may return this "
                "job again instead of a new one.",
                request_id,
                type(problem).__name__,
            )

    def get_carried_entry(self) -> dict[str, Any] | None:
        """Return what a deferral has to carry, where there is no journal that keeps it."""
        return self._entry.to_json() if self._entry is not None and self.journal is None else None

    # Reading what is known.

    def _read_journal(self, request: JobRequest) -> DecisionInput:
        if self.journal is None and self._entry is not None:  # this try has sent something already
            state = journal_state_of(self._entry)
        elif self.journal is None:
            state = JournalState.NONE if self.durable else JournalState.OFF
        else:
            try:
                self._entry = None
                self._entry = self.journal.read()
                state = journal_state_of(self._entry)
            except UnreadableEntryError as problem:
                self.log.warning("What an earlier try wrote is lost: %s.", problem)
                state = JournalState.UNREADABLE
            except Exception as problem:
                raise NoUsableResponseError(
                    f"The submit journal did not respond ({type(problem).__name__}: {problem}). Nothing was sent."
                ) from problem
        is_same = self._entry is None or self._entry.fingerprint == request.fingerprint
        known = DecisionInput(
            journal=state,
            attempt=attempt_of(self._entry, self.attempt.try_number, self.attempt.max_tries),
            inputs=Inputs.SAME if is_same else Inputs.CHANGED,
            on_orphaned_intent=self.on_orphaned_intent,
        )
        earlier = classify_earlier_submit(known)
        if not is_same and earlier in (EarlierSubmit.JOB, EarlierSubmit.UNKNOWN):
            self.log.warning(
                "The inputs changed since the earlier try submitted (a presigned URL or a time in the prompt does "
                "that). The earlier job is resumed, and nothing is paid again. To get a job with the new inputs, "
                "clear the task."
            )
        return known

    def _poll_job(self) -> tuple[RemoteState, WaitOutcome | None]:
        job = _make_summary(self._entry_with_id())
        transport = self.hook.get_conn()
        try:
            polled = transport.run(poll_once(transport.settings.base_urls, job, self.hook.policy), self.log)
        except (NoUsableResponseError, RefusedError) as problem:
            self.log.warning("Job %s: %s", job.request_id, problem)
            return RemoteState.UNANSWERED, None
        if not isinstance(polled, WaitOutcome):
            return RemoteState.ALIVE, None
        return _REMOTE_STATES.get(polled.code, RemoteState.GONE), polled

    def _ask_history(self, request: JobRequest) -> LookupResult:
        now = time.time()
        entry = self._take_over(request, now)
        window = self._window(entry)
        lost = self._describe_lost_submit(request, entry, window)
        self.log.info(
            "An earlier submit to %s may have become a job: looking for it in the account's history. It counts as not "
            "accepted from %s on.",
            entry.model,
            format_timestamp(window.settled_at),
        )
        transport = self.hook.get_conn()
        pauses_s = () if self._ended_at is None else _first_pauses_s()
        lookup = find_lost_submit(transport.settings.base_urls, lost, window, self.hook.policy, now, pauses_s)
        return transport.run(lookup, self.log)

    def _describe_lost_submit(self, request: JobRequest, entry: JournalEntry, window: LookupWindow) -> LostSubmit:
        body = request.build_body_with_seed(entry.seed, sending=False)
        prompt, prompt_digest = find_prompt(body), entry.prompt_digest
        image_digest = entry.image_digest
        if entry.is_presumed:
            prompt_digest = digest_of_prompt(prompt)
            is_uploaded = request.image_field is not None
            image_digest = None if is_uploaded else _digest_or_none(find_image_url(body))
        is_prompt_at_hand = digest_of_prompt(prompt) == prompt_digest
        return LostSubmit(
            model=entry.model,
            sent_from=entry.sent_at,
            latest_row_at=window.settled_at,
            seeds=self._possible_seeds(request, entry),
            has_derived_seed=request.derives_seed,
            prompt=prompt if is_prompt_at_hand else None,
            prompt_digest=prompt_digest,
            image_digest=image_digest,
            is_as_sent=not entry.is_presumed,
            other_request_ids=frozenset((*entry.previous_request_ids, *self.attempt.sibling_request_ids())),
        )

    def _possible_seeds(self, request: JobRequest, entry: JournalEntry) -> frozenset[int]:
        """Return the seeds that the lost submit can have had: of any generation where nothing was written down."""
        if entry.is_presumed and request.derives_seed:
            return frozenset(request.identity.seed(generation) for generation in range(self.attempt.try_number + 1))
        return frozenset() if entry.seed is None else frozenset({entry.seed})

    def _window(self, entry: JournalEntry) -> LookupWindow:
        """Return when the history can tell what became of the entry's submit."""
        settings = self.hook.settings
        expires_at = entry.sent_at + _intent_lifetime_s() if entry.expires_at is None else entry.expires_at
        request_s = settings.connect_timeout_s + settings.read_timeout_s + get_timing().response_margin_s
        if self._ended_at is not None:
            return LookupWindow.for_submit(entry.model, entry.sent_at, self._ended_at)
        return LookupWindow.for_submit(entry.model, entry.sent_at, expires_at + request_s)

    # Acting, and writing it down.

    def _take_over(self, request: JobRequest, now: float) -> JournalEntry:
        """Return the intent that is in doubt, after it was written down as this try's own.

        An earlier try that is still alive somewhere finds this, and stops. Where tries in between left no entry,
        or there is none at all, anything may have been sent until now.
        """
        entry = self._entry
        if entry is None:
            entry = JournalEntry(
                phase=Phase.INTENT,
                fingerprint=request.fingerprint,
                model=request.model,
                generation=0,
                seed=request.identity.seed(0) if request.derives_seed else request.seed,
                try_number=self.attempt.try_number,
                max_tries=self.attempt.max_tries,
                sent_at=self.attempt.earliest_submit_at,
                expires_at=now,
                is_presumed=True,
            )
        elif entry.try_number < self.attempt.try_number:
            expires_at = now if entry.try_number < self.attempt.try_number - 1 else entry.expires_at
            entry = replace(entry, try_number=self.attempt.try_number, expires_at=expires_at, unanswered_submits=0)
        if entry != self._entry:
            self._write(entry)
        return entry

    def _submit(self, request: JobRequest, *, is_new_generation: bool) -> JobSummary:
        self.hook.get_conn()  # before the intent, as the upload: what fails here leaves no doubt
        last = self._entry
        generation = 0 if last is None else last.generation + is_new_generation
        seed = request.identity.seed(generation) if request.derives_seed else request.seed
        body = request.build_body_with_seed(seed, sending=True)
        previous = () if last is None else (*last.previous_request_ids, *filter(None, [last.request_id]))
        is_same_try = last is not None and last.try_number == self.attempt.try_number
        now = time.time()
        intent = JournalEntry(
            phase=Phase.INTENT,
            fingerprint=request.fingerprint,
            model=request.model,
            generation=generation,
            seed=find_seed(body) if seed is None else seed,
            try_number=self.attempt.try_number,
            max_tries=self.attempt.max_tries,
            sent_at=now,
            image_digest=_digest_or_none(find_image_url(body)),
            previous_request_ids=tuple(dict.fromkeys(previous)),
            expires_at=now + _intent_lifetime_s(),
            prompt_digest=digest_of_prompt(find_prompt(body)),
            unanswered_submits=last.unanswered_submits if last is not None and is_same_try else 0,
        )
        self._write(intent)
        try:
            job = self.hook.submit(request.model, body, get_timing().submit_retry, not_after=intent.expires_at)
        except (NotSentError, RefusedError, NoUsableResponseError):
            # Never sent, refused or throttled: certainly no job. The next try must not look for one.
            self._try_to_write(replace(intent, phase=Phase.NOT_ACCEPTED))
            raise
        except SubmitOutcomeUnknownError:
            self._ended_at = time.time()
            self._try_to_write(replace(intent, unanswered_submits=intent.unanswered_submits + 1))
            raise
        # Before the journal's write, which may fail: from here on the id is in the log.
        self.log.info(
            "Job %s: submitted to %s, seed %s. It is billed when it completes.", job.request_id, job.model, intent.seed
        )
        entry = replace(intent, phase=Phase.SUBMITTED, request_id=job.request_id, sent_at=job.submitted_at)
        self._try_to_write(entry)
        return _make_summary(entry, job.state)

    def _adopt(self, request: JobRequest, lookup: LookupResult) -> JobSummary:
        row, last = lookup.row, self._entry
        if row is None or last is None:
            raise LookupError("the table adopts a job that no lookup found")
        self.log.info(
            "Job %s of model %s is adopted: the account's history shows it as this task's. Nothing is submitted.",
            row.request_id,
            last.model,
        )
        if lookup.others:
            self.log.warning(
                "The history has %d more jobs of this task: %s. They are billed, too, if they completed.",
                len(lookup.others),
                ", ".join(lookup.others),
            )
        entry = replace(
            last,
            phase=Phase.SUBMITTED,
            request_id=row.request_id,
            seed=row.seed if row.seed is not None else last.seed,
            generation=_generation_of(row.seed, request, self.attempt.try_number, last.generation),
            max_tries=self.attempt.max_tries,
            sent_at=row.created_at or last.sent_at,
            is_presumed=False,
        )
        self._try_to_write(entry)
        summary = _make_summary(entry)
        if row.state is JobState.COMPLETED and row.output_urls:
            summary = summary.update_from_history(row, time.time())
        return summary

    def _resume(self, outcome: WaitOutcome | None) -> JobSummary:
        entry = replace(self._entry_with_id(), try_number=self.attempt.try_number, max_tries=self.attempt.max_tries)
        self._try_to_write(entry)
        return outcome.job if outcome else _make_summary(entry)

    def _write(self, entry: JournalEntry) -> None:
        """Replace the journal's entry, unless a later try has written since it was read.

        :raises NoUsableResponseError: it could not be written; the caller has sent nothing on its account.
        """
        if self.journal is not None:
            try:
                current = self._read_current()
                if current != self._entry and (current is None or current.try_number >= self.attempt.try_number):
                    raise NoUsableResponseError(
                        "Another try of this task has written to the submit journal meanwhile, so this one stops."
                    )
                self.journal.write(entry)
            except RunwayError:
                raise
            except Exception as problem:
                raise NoUsableResponseError(
                    f"The submit journal cannot be written ({type(problem).__name__}: {problem})."
                ) from problem
        self._entry = entry

    def _read_current(self) -> JournalEntry | None:
        try:
            return self.journal.read() if self.journal is not None else None
        except UnreadableEntryError:
            return None

    def _try_to_write(self, entry: JournalEntry) -> None:
        """Write an entry about what has happened already. Where that fails, the log says what the journal does not."""
        try:
            self._write(entry)
        except NoUsableResponseError as problem:
            self._entry = entry
            job = "" if entry.request_id is None else how_to_resume(entry.request_id, entry.sent_at)
            self.log.warning("%s The next try will ask the account's history. %s", problem, job)

    def _entry_with_id(self) -> JournalEntry:
        if self._entry is None or self._entry.request_id is None:
            raise LookupError("the table asked for a job whose id was not written down")
        return self._entry

    # Saying what happens.

    def _log_decision(self, known: DecisionInput, why: str, what_follows: str) -> None:
        """Log what becomes of an earlier submit, where there was one."""
        entry = self._entry
        if entry is None or classify_earlier_submit(known) is EarlierSubmit.NOTHING:
            return
        earlier = (
            f"Job {entry.request_id} of an earlier submit" if entry.request_id else "An earlier submit without an id"
        )
        reason = find_earlier_submit_rule(known).why
        self.log.info(
            "%s (model %s, %s): %s; %s. %s.",
            earlier,
            entry.model,
            format_timestamp(entry.sent_at),
            reason,
            why,
            what_follows,
        )

    def _check_unanswered_submits(self, request: JobRequest, problem: SubmitOutcomeUnknownError) -> None:
        """Go on to the history after a first unanswered submit; end the try after a second."""
        count = self._entry.unanswered_submits if self._entry is not None else MAX_UNANSWERED_SUBMITS
        if count >= MAX_UNANSWERED_SUBMITS:
            raise self._make_refusal(request, f"{count} submits of this try had no usable response") from problem
        self.log.warning("%s Looking for it in the account's history.", problem)

    def _make_not_settled_error(self, lookup: LookupResult) -> HistoryNotSettledError:
        entry = self._entry
        if entry is None:
            raise LookupError("the table waits for a submit that no lookup was made for")
        window = self._window(entry)
        retry_at = window.next_lookup_at(lookup.asked_at)
        return HistoryNotSettledError(
            f"A submit of model {entry.model} may have become a job, and the account's history does not tell yet: "
            f"{lookup.why}. Nothing is sent before {format_timestamp(window.settled_at)}.",
            retry_at=retry_at,
        )

    def _make_refusal(self, request: JobRequest, why: str) -> SubmitOutcomeUnknownError:
        sent_at = self._entry.sent_at if self._entry else self.attempt.earliest_submit_at
        return SubmitOutcomeUnknownError(
            may_be_billed(request.model, request.fingerprint, sent_at, why), fingerprint=request.fingerprint
        )

    def _make_final_error(self, outcome: WaitOutcome | None, why: str) -> RunwayError:
        """Return the error of a job whose outcome is final."""
        error = outcome.to_error() if outcome else None
        if error is None:
            return RunwayError(f"Job {self._entry_with_id().request_id}: {why}.")
        if isinstance(error, RecordExpiredError | OutputMissingError):
            way_out = (
                'To have a new job, which is billed again: set on_orphaned_intent="resubmit" on the operator and '
                "clear the task."
            )
            return type(error)(f"{error} {way_out}", **error.facts)
        return error


def _read_orphan_policy(value: str) -> OnOrphanedIntent:
    try:
        return OnOrphanedIntent(value)
    except ValueError:
        raise BadInputError(
            f'on_orphaned_intent is {str(value)[:40]!r}; allowed: "fail", "resubmit". Nothing was sent.'
        ) from None


def _intent_lifetime_s() -> float:
    return get_timing().submit_retry.max_elapsed_s + get_timing().intent_margin_s


def _first_pauses_s() -> tuple[float, ...]:
    """Return the pauses that a worker itself waits for the row of its own submit."""
    pauses: list[float] = []
    for pause_s in get_timing().history_pauses_s:
        if sum(pauses) + pause_s <= MAX_WORKER_WAIT_S:
            pauses.append(pause_s)
    return tuple(pauses)


def _digest_or_none(text: str | None) -> str | None:
    return None if text is None else digest_of(text)


def _generation_of(seed: int | None, request: JobRequest, try_number: int, known: int) -> int:
    """Return the generation that a derived seed belongs to, so that the next one is new."""
    if not request.derives_seed or seed is None:
        return known
    numbers = [number for number in range(known, known + try_number + 1) if request.identity.seed(number) == seed]
    return numbers[0] if numbers else known


def _make_summary(entry: JournalEntry, state: JobState = JobState.QUEUED) -> JobSummary:
    return JobSummary(
        request_id=entry.request_id or "",
        status=state.value,
        model=entry.model,
        seed=entry.seed,
        submitted_at=entry.sent_at,
    )
