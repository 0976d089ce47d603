"""What the pages keep of tasks' results, and for how long."""

from __future__ import annotations

import pytest

from airflow_provider_runway.videos import result_cache
from airflow_provider_runway.videos.result_cache import ResultCache

TASK = {"dag_id": "clips", "dag_run_id": "run", "task_id": "one", "map_index": -1, "state": "success", "try_number": 1}


def test_a_result_is_kept_for_its_try() -> None:
    cache = ResultCache()
    cache.put(TASK, {"cost": 0.5})
    assert cache.get(dict(TASK)) == {"cost": 0.5}
    for change in ({"try_number": 2}, {"map_index": 0}, {"task_id": "two"}, {"end_date": "2099-01-01"}):
        assert cache.get(TASK | change) is None


def test_what_is_not_final_or_too_large_is_not_kept(subtests: pytest.Subtests) -> None:
    for task, value in ((TASK | {"state": "running"}, {}), (TASK, None), (TASK, "x" * 10_000)):
        with subtests.test(state=task["state"], value=str(value)[:10]):
            cache = ResultCache()
            cache.put(task, value)
            assert cache.get(task) is None


def test_old_results_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ResultCache()
    cache.put(TASK, "old")
    monkeypatch.setattr(result_cache, "MAX_AGE_S", -1.0)
    assert cache.get(TASK) is None


def test_the_least_recently_used_result_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_cache, "MAX_RESULTS", 2)
    cache = ResultCache()
    for index in (0, 1):
        cache.put(TASK | {"map_index": index}, index + 1)
    assert cache.get(TASK | {"map_index": 0}) == 1
    cache.put(TASK | {"map_index": 2}, 3)
    assert [cache.get(TASK | {"map_index": index}) for index in range(3)] == [1, None, 3]
