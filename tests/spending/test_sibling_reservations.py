"""Which reservations of its mapped siblings a task counts."""

from __future__ import annotations

import json

import pytest

from airflow_provider_runway.spending.sibling_reservations import Reservation, list_running

OWN = Reservation(5, 0.5, 1000.0)


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        pytest.param(Reservation(5, 0.5, 900.0), False, id="its own of an earlier check"),
        pytest.param(Reservation(7, 0.5, 999.0), True, id="made before"),
        pytest.param(Reservation(3, 0.5, 1001.0), False, id="made after, not submitted"),
        pytest.param(Reservation(3, 0.5, 1001.0, "r"), True, id="made after, submitted already"),
        pytest.param(Reservation(3, 0.5, 1000.0), True, id="in the same moment, a lower index"),
        pytest.param(Reservation(7, 0.5, 1000.0), False, id="in the same moment, a higher index"),
        pytest.param(Reservation(3, 0.5, 99.0, "r"), False, id="of yesterday"),
    ],
)
def test_what_was_reserved_before_or_submitted_counts(other: Reservation, counts: bool) -> None:
    assert list(list_running([OWN, other], OWN, day_start=100.0).values()) == ([0.5] if counts else [])


def test_a_submitted_job_is_known_by_its_id() -> None:
    others = [Reservation(1, 0.5, 900.0, "r-1"), Reservation(2, 1.0, 900.0)]
    assert list_running(others, OWN, 0.0) == {"r-1": 0.5, "reserved by map index 2": 1.0}


def test_of_any_two_siblings_at_once_one_sees_the_other() -> None:
    pairs = [(Reservation(1, 0.5, a), Reservation(2, 0.5, b)) for a in (1.0, 2.0) for b in (1.0, 2.0)]
    for pair in pairs:
        seen = [len(list_running(pair, own, 0.0)) for own in pair]
        assert sorted(seen) == [0, 1]


def test_a_reservation_survives_its_xcom() -> None:
    assert Reservation.from_json(json.loads(json.dumps(OWN.to_json()))) == OWN
