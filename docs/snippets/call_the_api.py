from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.hooks.runway import RunwayHook


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def call_the_api():
    # [start: task]
    @task
    def report_spend_of_a_day() -> dict[str, float]:
        with RunwayHook("runway_default") as hook:
            rows = hook.find_requests()  # of the last 24 hours
            return {
                "jobs": len(rows),
                "spent": sum(row.cost or 0 for row in rows),
                "balance": hook.get_credits().credits,
            }

    # [end: task]
    report_spend_of_a_day()


call_the_api()
