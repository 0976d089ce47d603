"""The limits and the balance: by the emulator's ledger nothing is submitted beyond them, whatever happens to a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from airflow_runtime import TaskInstance, WorkerDied, advance_time, run_task
from submits import add_neighbour, count_requests, list_own_billable_ids, set_connection_extra
from tasks import make_operator

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: One job of five seconds costs USD 0.50, so this is the limit of one job.
limited = partial(make_operator, cost_limit=0.5)


def run_refused(make: Callable[[], Any], ti: TaskInstance, match: str) -> str:
    """Run a task whose submit is refused for good, and return its error."""
    with pytest.raises(AirflowFailException, match=match) as caught:
        run_task(make, ti)
    return str(caught.value)


@pytest.mark.parametrize("limit", [0.49, "0.49", 0, "0"])
def test_a_job_over_the_limit_is_not_submitted(gateway: Emulator, ti: TaskInstance, limit: Any) -> None:
    run_refused(partial(make_operator, cost_limit=limit), ti, "would make USD 0.50, so nothing was sent")
    assert gateway.ledger()["posts"] == 0


@pytest.mark.parametrize("limit", ["", "None", "five", -1])
def test_a_limit_that_cannot_be_read_is_no_licence(gateway: Emulator, ti: TaskInstance, limit: Any) -> None:
    run_refused(partial(make_operator, cost_limit=limit), ti, "cost_limit is .* give an amount in USD")
    assert count_requests(gateway) == 0


def test_a_retry_does_not_spend_the_limit_twice(gateway: Emulator, ti: TaskInstance) -> None:
    first = run_task(limited, ti)
    ti.retry()
    assert run_task(limited, ti)["request_id"] == first["request_id"]
    assert gateway.ledger()["posts"] == 1


def test_a_clear_after_a_delivery_is_refused_and_the_larger_limit_pays_for_one_more(
    gateway: Emulator, ti: TaskInstance
) -> None:
    first = run_task(limited, ti)
    ti.clear()
    error = run_refused(limited, ti, r"would make USD 1\.00")
    assert first["request_id"] in error
    assert ti.store.entry["request_id"] == first["request_id"]
    ti.clear()
    second = run_task(partial(make_operator, cost_limit=1.0), ti)
    assert second["request_id"] != first["request_id"]
    ti.clear()
    run_refused(partial(make_operator, cost_limit=1.0), ti, r"would make USD 1\.50")
    assert gateway.ledger()["billed_usd"] == 1.0


def test_failed_jobs_give_their_reservation_back(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_fails:times=2")
    for _ in range(2):
        with pytest.raises(Exception, match="Generation failed"):
            run_task(limited, ti)
        ti.retry()
    assert run_task(limited, ti)["status"] == "COMPLETED"
    ledger = gateway.ledger()
    assert (ledger["posts"], ledger["billed_usd"]) == (3, 0.5)


def test_the_real_cost_counts_where_the_price_was_wrong(gateway: Emulator, ti: TaskInstance) -> None:
    result = run_task(partial(make_operator, cost_limit=1.2), ti)
    entry = ti.store.entry
    assert entry["reserved_usd"] == result["cost"] == 0.5
    ti.store.set("runway_submission", {**entry, "reserved_usd": 0.75})  # as if the job had cost more
    ti.clear()
    run_refused(partial(make_operator, cost_limit=1.2), ti, r"would make USD 1\.25")


def test_a_job_that_may_be_billed_keeps_its_reservation(gateway: Emulator, ti: TaskInstance) -> None:
    """The author pays for another job where one may exist that cannot be found; both count."""
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("history:history_down:times=0")
    resubmit = partial(make_operator, cost_limit=0.99, on_orphaned_intent="resubmit", deferrable=False)
    run_refused(resubmit, ti, r"would make USD 1\.00")
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("clear", [TaskInstance.retry, TaskInstance.clear], ids=["retry", "clear"])
def test_inputs_that_change_after_a_timeout_count_the_job_that_goes_on(
    gateway: Emulator, ti: TaskInstance, clear: Callable[[TaskInstance], None]
) -> None:
    gateway.add_fault("submit:job_latency:seconds=30")
    with pytest.raises(Exception, match="deadline passed"):
        run_task(partial(limited, timeout=0.1), ti)
    advance_time(gateway, ti, 60)
    clear(ti)
    changed = partial(limited, prompt_text="another prompt")
    if clear is TaskInstance.retry:
        assert run_task(changed, ti)["status"] == "COMPLETED"
    else:
        run_refused(changed, ti, r"would make USD 1\.00")
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_worker_that_dies_at_any_write_leaves_the_limit_whole(
    gateway: Emulator, ti: TaskInstance, write: int
) -> None:
    """The writes are: start, intent, request id, delivery. Retries and clears follow, and one job is paid at most."""
    add_neighbour(gateway)
    ti.store.crash_at = {write}
    with pytest.raises(WorkerDied):
        run_task(partial(limited, deferrable=False), ti)
    ends = []
    for begin_again in (TaskInstance.retry, TaskInstance.clear, TaskInstance.clear, TaskInstance.retry):
        begin_again(ti)
        try:
            ends.append(run_task(partial(limited, deferrable=False), ti)["status"])
        except AirflowFailException as refusal:
            assert "so nothing was sent" in str(refusal)
            ends.append("refused")
    assert ends[-1] == "refused", "the clears asked for more jobs than the limit pays for"
    assert len(list_own_billable_ids(gateway)) == (0 if write == 1 else 1), "nobody knows what happened before write 1"


def test_a_slug_without_a_price_is_refused_and_the_message_says_how_to_give_it_one(
    gateway: Emulator, ti: TaskInstance
) -> None:
    other = partial(make_operator, model="runway-gen5-turbo")
    error = run_refused(partial(other, cost_limit=100), ti, "the price of runway-gen5-turbo is not known")
    assert "[runway] catalogue" in error
    assert gateway.ledger()["posts"] == 0


def test_without_a_journal_only_the_first_try_submits_under_a_limit(gateway: Emulator) -> None:
    ti = TaskInstance(has_store=False)
    first = run_task(limited, ti)
    ti.clear()
    assert run_task(limited, ti)["request_id"] == first["request_id"], "the history still shows the job"
    other = TaskInstance(has_store=False, run_id="scheduled__2026-11-02", try_number=2)
    run_refused(limited, other, "not known what earlier tries of this task have spent.*journal_path")
    assert gateway.ledger()["posts"] == 1


def test_without_durable_a_retry_under_a_limit_is_refused(gateway: Emulator, ti: TaskInstance) -> None:
    careless = partial(limited, durable=False)
    run_task(careless, ti)
    ti.retry()
    run_refused(careless, ti, "not known what earlier tries of this task have spent")
    assert gateway.ledger()["posts"] == 1


def test_an_entry_of_an_old_release_can_be_read_and_its_job_resumed(gateway: Emulator, ti: TaskInstance) -> None:
    first = run_task(make_operator, ti)
    old = {name: value for name, value in ti.store.entry.items() if not name.endswith("_usd")}
    ti.store.set("runway_submission", old)
    ti.retry()
    assert run_task(limited, ti)["request_id"] == first["request_id"]
    ti.store.set("runway_submission", old)
    ti.clear()
    run_refused(partial(make_operator, cost_limit=50), ti, "not known what earlier tries of this task have spent")
    assert run_task(make_operator, ti)["status"] == "COMPLETED", "without a limit a clear pays for a new job as before"


def test_the_log_has_the_estimate_before_the_first_submit(
    gateway: Emulator, ti: TaskInstance, logged: Callable[[], str]
) -> None:
    run_task(partial(make_operator, cost_limit=5), ti)
    log = logged()
    line = "Estimate: 1 job x USD 0.50 (runway-gen3-alphaturbo) = USD 0.50; cost_limit USD 5.00, USD 0.00 of it spent;"
    assert line in log
    assert log.index(line) < log.index("submitted to runway-gen3-alphaturbo")


class TestBalance:
    """The balance is asked once, before the first job."""

    @pytest.fixture
    def gateway(self) -> Iterator[Emulator]:
        with Emulator(time_scale=0.001, credits=0.75) as emulator:
            yield emulator

    def test_a_balance_below_the_estimate_stops_the_task_with_both_figures(
        self, gateway: Emulator, ti: TaskInstance
    ) -> None:
        error = run_refused(partial(make_operator, duration=10), ti, r"balance is USD 0\.75")
        assert "= USD 1.00" in error
        assert gateway.ledger()["posts"] == 0
        assert count_requests(gateway, "credits") == 1
        assert run_task(make_operator, TaskInstance(run_id="another"))["status"] == "COMPLETED"

    def test_a_retry_that_resumes_its_job_does_not_ask_again(self, gateway: Emulator, ti: TaskInstance) -> None:
        for _ in range(2):
            run_task(make_operator, ti)
            ti.retry()
        assert count_requests(gateway, "credits") == 1

    def test_waiting_for_the_rate_limit_does_not_ask_again(self, gateway: Emulator, ti: TaskInstance) -> None:
        gateway.add_fault("submit:rate_limited:times=3,window=0.1")
        run_task(make_operator, ti)
        assert count_requests(gateway, "credits") == 1

    @pytest.mark.parametrize("fault", ["server_error", "rate_limited", "no_balance", "cut_body", "refuse_auth"])
    def test_a_balance_that_cannot_be_had_is_no_obstacle(
        self, gateway: Emulator, ti: TaskInstance, fault: str, logged: Callable[[], str]
    ) -> None:
        gateway.add_fault(f"credits:{fault}")
        assert run_task(partial(make_operator, deferrable=False), ti)["status"] == "COMPLETED"
        assert count_requests(gateway, "credits") == 1
        assert ("cannot be had" in logged()) is (fault != "no_balance")


def test_estimate_only_sends_nothing_and_returns_the_estimate(gateway: Emulator, ti: TaskInstance) -> None:
    result = run_task(partial(limited, estimate_only=True, duration=10), ti)
    assert (result["job_count"], result["estimated_cost"], result["fits_cost_limit"]) == (1, 1.0, False)
    assert json.loads(json.dumps(result)) == result
    assert count_requests(gateway) == 0
    assert ti.pushes == []
    assert "runway_submission" not in ti.store.values


def test_estimate_only_refuses_inputs_as_a_submit_does(gateway: Emulator, ti: TaskInstance) -> None:
    run_refused(partial(make_operator, estimate_only=True, duration=7), ti, "duration")
    assert count_requests(gateway) == 0


def test_an_estimate_of_a_job_that_exists_is_nothing(ti: TaskInstance) -> None:
    result = run_task(partial(make_operator, estimate_only=True, request_id="r-1"), ti)
    assert (result["job_count"], result["estimated_cost"]) == (0, 0.0)


def test_dry_run_logs_the_estimate_and_sends_nothing(gateway: Emulator, logged: Callable[[], str]) -> None:
    make_operator().dry_run()
    assert "Estimate: 1 job x USD 0.50 (runway-gen3-alphaturbo) = USD 0.50. Nothing was sent." in logged()
    assert count_requests(gateway) == 0


class TestDailyLimit:
    """The account's limit of a UTC day, which the connection has."""

    @pytest.fixture(autouse=True)
    def limit(self, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
        set_connection_extra(monkeypatch, daily_cost_limit=1.0)

    def test_jobs_are_submitted_up_to_the_limit_of_the_day(self, gateway: Emulator) -> None:
        for number in range(2):
            run_task(make_operator, TaskInstance(run_id=f"run {number}"))
        run_refused(make_operator, TaskInstance(run_id="run 2"), r"daily_cost_limit is USD 1\.00.*spent USD 1\.00")
        assert gateway.ledger()["billed_usd"] == 1.0
        gateway.advance(86_400)
        run_task(make_operator, TaskInstance(run_id="run 3"))
        assert gateway.ledger()["billed_usd"] == 1.5, "on the next day of the API's clock there is a new limit"

    def test_a_retry_resumes_its_job_although_the_limit_is_reached(self, gateway: Emulator, ti: TaskInstance) -> None:
        first = run_task(partial(make_operator, duration=10), ti)
        ti.retry()
        assert run_task(partial(make_operator, duration=10), ti)["request_id"] == first["request_id"]

    @pytest.mark.parametrize("fault", ["history_down:times=0", "refuse_auth", "html_200:times=0"])
    def test_a_history_that_cannot_be_read_lets_nothing_be_submitted(
        self, gateway: Emulator, ti: TaskInstance, fault: str
    ) -> None:
        gateway.add_fault(f"history:{fault}")
        with pytest.raises(Exception, match="history does not tell what was spent today"):
            run_task(make_operator, ti)
        assert gateway.ledger()["posts"] == 0

    def test_mapped_siblings_that_the_history_does_not_show_yet_count(self, gateway: Emulator) -> None:
        gateway.add_fault("submit:job_latency:seconds=3000,times=9")
        xcoms: dict[tuple[str, int, str], str] = {}
        submit = partial(make_operator, wait_for_completion=False)
        submitted = 0
        for index in range(5):
            ti = TaskInstance(map_index=index, xcoms=xcoms)
            try:
                value = run_task(submit, ti)
            except AirflowFailException:
                continue
            ti.xcom_push("return_value", value)
            submitted += 1
        assert submitted == gateway.ledger()["posts"] == 2
