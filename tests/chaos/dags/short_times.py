"""The package's pauses and limits, shortened to what the emulator needs; a DAG file of these tests sets them first.

The emulator's jobs and history rows are complete within seconds, so a missing row proves something much sooner, too.
While they land there are rows of other jobs that are not complete yet, so the history is asked several times.
"""

from __future__ import annotations

from airflow_provider_runway.segmind.timing import Timing, set_timing


def use_short_times(intent_margin_s: float) -> None:
    """Set them in this process."""
    set_timing(
        Timing(
            latency_scale=0.03,
            history_pauses_s=(1.0, 2.0, 4.0),
            history_lag_s=40.0,
            intent_margin_s=intent_margin_s,
            response_margin_s=1.0,
        )
    )
