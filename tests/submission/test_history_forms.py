"""Every form of the account's history that cannot be ruled out, against every way to lose a submit's response.

Never are two jobs accepted. Where a person reading the rows would know the job, it is adopted; where nothing was
accepted and the rows can be read, one more submit follows; in every other case the task fails and names the doubt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest
from airflow_runtime import IMAGE_URL, PROMPT, StateStore
from submits import add_neighbour, count_own_posts, list_own_jobs

from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.history_forms import HISTORY_FORMS
from airflow_provider_runway.exceptions import HistoryNotSettledError, SubmitOutcomeUnknownError
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import build_request
from airflow_provider_runway.inputs.job_request import JobIdentity, JobRequest
from airflow_provider_runway.inputs.prompt_image_upload import UploadCache
from airflow_provider_runway.segmind import timing
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import Timing
from airflow_provider_runway.submission.decision import decide
from airflow_provider_runway.submission.decision_input import Attempt, DecisionInput, JournalState
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.journal_files import JournalFile
from airflow_provider_runway.submission.journal_session import TaskAttempt
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.transports.client_settings import ClientSettings

LOG = logging.getLogger("tests.submission")
FIRST_TRY = DecisionInput(JournalState.EMPTY, Attempt.FIRST)
IDENTITY = JobIdentity("videos", "generate", "scheduled__2026-11-01", deployment_id="tests")

#: Name -> the fault, and whether the job was accepted.
FAULTS = {
    "cut after acceptance": ("cut_after", True),
    "cut before": ("cut_before", False),
    "a proxy's status": ("proxy_status:status=409,body=json", True),
}
#: Where the journal is, and whether the try that sent the submit goes on, or its worker died and the next try follows.
WAYS = (
    ("task state store", "same try"),
    ("journal_path", "next try"),
    ("no journal", "same try"),
    ("no journal", "next try"),
)
#: The connection's timeouts together. The tests do not wait for them: no response comes late here.
REQUEST_S = 4.0


@dataclass(frozen=True)
class Result:
    """How one case ended: the posts and jobs at the emulator, and whether the task has a job."""

    posts: int
    jobs: int
    has_own_job: bool


#: Forms that do not show a person which job it is, or not its id, without which it cannot be waited for.
NOT_RECOGNISABLE = {
    *("body_truncated", "body_empty", "body_null", "body_missing", "id_missing", "empty", "sparse"),
    "dashboard",  # a short prompt and a copied image are not enough
}
#: Forms in which a row does not say enough to exclude it, or no row is complete. Of 11/12/2026 nobody knows the month.
NOT_READABLE = (NOT_RECOGNISABLE - {"dashboard"}) | {"time_missing", "time_us"}
#: Forms without the seed: without a journal another prompt proves nothing, for the template may have changed.
WITHOUT_SEED = {"seed_missing", "dashboard"}


def expect(form: str, fault: str, way: tuple[str, str]) -> Result:
    """Return how a case must end."""
    if FAULTS[fault][1]:
        return Result(posts=1, jobs=1, has_own_job=form not in NOT_RECOGNISABLE)
    if form in NOT_READABLE or (form in WITHOUT_SEED and way == ("no journal", "next try")):
        return Result(posts=1, jobs=0, has_own_job=False)
    return Result(posts=2, jobs=1, has_own_job=True)


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    retry = RetryPolicy(attempts=3, first_pause_s=0.01, max_elapsed_s=1.0)
    short = Timing(
        latency_scale=0.002,
        history_pauses_s=(0.1,),
        history_lag_s=0.6,
        intent_margin_s=20.0,
        response_margin_s=-REQUEST_S + 0.2,
        read_retry=retry,
        submit_retry=retry,
    )
    monkeypatch.setattr(timing, "_current", short)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """The cases of one form mostly wait, so they run side by side."""
    with ThreadPoolExecutor(6) as executor:
        yield executor


def lose_submit(form: str, fault: str, journal: str, which_try: str, folder: Path) -> Result:
    """Submit one job with a fault, until there is a job or an error; return what came of it."""
    options = {"history_lag": "0.3"} if form == "appears_late" else {}
    with Emulator(time_scale=0.001, history_form=form, **options) as gateway:
        add_neighbour(gateway)
        time.sleep(0.1)
        gateway.add_fault(f"submit:{FAULTS[fault][0]}")
        with RunwayHook() as hook:
            urls = BaseUrls(gateway.url, gateway.storage_url, gateway.history_url)
            hook.__dict__["settings"] = ClientSettings(gateway.test_key, urls, REQUEST_S / 2, REQUEST_S / 2)
            job_id = _run_tries(hook, journal, which_try, folder)
        jobs = list_own_jobs(gateway)
        return Result(count_own_posts(gateway), len(jobs), job_id in {job["request_id"] for job in jobs})


def _run_tries(hook: RunwayHook, journal: str, which_try: str, folder: Path) -> str | None:
    attempt = TaskAttempt(1, 2, time.time() - 1, _make_journal(journal, folder))
    request = build_request(
        hook,
        IDENTITY,
        UploadCache(read_entries=list, write_entry=lambda _: None),
        model="runway-gen3-alphaturbo",
        arguments={"prompt_text": PROMPT, "prompt_image": IMAGE_URL, "duration": 5},
        extra=None,
    )
    if which_try == "next try":
        with pytest.raises(SubmitOutcomeUnknownError):
            Submitter(hook, attempt, LOG)._submit(request, decide(FIRST_TRY))
        _let_intent_expire(attempt.journal)
        attempt = replace(attempt, try_number=2)
    return _submit_and_wait(hook, attempt, request)


def _let_intent_expire(journal: Journal | None) -> None:
    if journal is not None and (entry := journal.read()) is not None:
        journal.write(replace(entry, expires_at=entry.sent_at))


def _make_journal(journal: str, folder: Path) -> Journal | None:
    if journal == "no journal":
        return None
    store = (
        StateStore() if journal == "task state store" else JournalFile(str(folder), make_storage_path, lambda: IDENTITY)
    )
    return Journal(store)


def _submit_and_wait(hook: RunwayHook, attempt: TaskAttempt, request: JobRequest) -> str | None:
    submitter = Submitter(hook, attempt, LOG)
    while True:
        try:
            return submitter.submit_or_resume(request).request_id
        except HistoryNotSettledError as not_settled:
            time.sleep(max(not_settled.retry_at - time.time(), 0.0))
        except SubmitOutcomeUnknownError:
            return None


@pytest.mark.parametrize("form", HISTORY_FORMS)
def test_a_lost_submit_is_paid_for_at_most_once(form: str, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    cases = list(product(FAULTS, WAYS))
    folders = [tmp_path / str(number) for number in range(len(cases))]
    results = list(pool.map(lambda case, folder: lose_submit(form, case[0], *case[1], folder), cases, folders))
    for case, result in zip(cases, results, strict=True):
        assert result == expect(form, *case), case
