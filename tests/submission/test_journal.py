"""What one try writes, the next one reads: also across releases of this package, and in either store."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import StateStore
from hypothesis import given
from hypothesis import strategies as some
from upath import UPath

from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.inputs.job_request import JobIdentity
from airflow_provider_runway.submission.journal import KEY, Journal, JournalEntry, Phase, UnreadableEntryError
from airflow_provider_runway.submission.journal_files import KEEP_S, JournalFile, delete_old_files, make_file_name

TEXTS = some.text(min_size=1, max_size=20)
ENTRIES = some.builds(
    JournalEntry,
    phase=some.sampled_from(Phase),
    fingerprint=TEXTS,
    model=TEXTS,
    generation=some.integers(0, 100),
    seed=some.none() | some.integers(1, 99_999),
    try_number=some.integers(1, 100),
    max_tries=some.integers(0, 100),
    sent_at=some.floats(1e9, 2e9),
    request_id=some.none() | TEXTS,
    image_digest=some.none() | TEXTS,
    previous_request_ids=some.lists(TEXTS, max_size=3).map(tuple),
    expires_at=some.none() | some.floats(1e9, 2e9),
    prompt_digest=some.none() | TEXTS,
)
ENTRY = JournalEntry(Phase.INTENT, "0123", "runway-gen4-turbo", 0, 7, 1, 2, 1e9)
IDENTITY = JobIdentity("videos", "generate", "scheduled__2026-11-01T00:00:00+00:00", 3, deployment_id="one")


@given(ENTRIES)
def test_an_entry_comes_back_from_the_store_as_it_was(entry: JournalEntry) -> None:
    journal = Journal(StateStore())
    journal.write(entry)
    assert journal.read() == entry


def test_a_field_of_a_later_release_is_ignored() -> None:
    assert JournalEntry.from_json({**ENTRY.to_json(), "colour": "blue"}) == ENTRY


def test_a_field_that_an_earlier_release_did_not_write_has_its_default(subtests: pytest.Subtests) -> None:
    for name in ("request_id", "spent", "expires_at", "prompt", "unanswered_submits", "is_presumed"):
        with subtests.test(name=name):
            older = {key: value for key, value in ENTRY.to_json().items() if key != name}
            assert JournalEntry.from_json(older) == ENTRY


def test_a_store_without_an_entry_has_none() -> None:
    assert Journal(StateStore()).read() is None


@pytest.mark.parametrize(
    "value", ["text", 7, [], {}, {**ENTRY.to_json(), "phase": "teleported"}, {**ENTRY.to_json(), "at": "soon"}], ids=str
)
def test_an_entry_that_cannot_be_read_is_not_taken_for_none(value: Any) -> None:
    store = StateStore()
    store.set(KEY, value)
    with pytest.raises(UnreadableEntryError):
        Journal(store).read()


def test_the_key_stays_what_it_is() -> None:
    """Another name would forget the jobs of tasks that are under way during an upgrade."""
    assert KEY == "runway_submission"


def test_the_journal_holds_no_input_and_no_key() -> None:
    """Everything that is written is listed here; a field that could hold a prompt would have to be added."""
    assert set(ENTRY.to_json()) == {
        "phase", "fingerprint", "model", "generation", "seed", "try_number", "max_tries", "at", "request_id", "spent",
        "picture", "prompt", "expires_at", "unanswered_submits", "is_presumed",
        "spent_usd", "reserved_usd",
    }  # fmt: skip


def open_file(folder: Path | str, identity: JobIdentity = IDENTITY) -> JournalFile:
    # Airflow 2.11 has no storage in memory, which stands in for an object store here.
    make_path = UPath if str(folder).startswith("memory:") else make_storage_path
    return JournalFile(str(folder), make_path, lambda: identity)


@pytest.mark.parametrize("scheme", ["", "memory://journals-of-tests"], ids=["a local folder", "an object store"])
def test_a_journal_file_keeps_its_entry(tmp_path: Path, scheme: str) -> None:
    folder = scheme or tmp_path / "new" / "folder"
    assert Journal(open_file(folder)).read() is None
    Journal(open_file(folder)).write(ENTRY)
    assert Journal(open_file(folder)).read() == ENTRY


def test_a_journal_file_is_replaced_in_one_step_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(open_file(tmp_path)).write(ENTRY)

    def fail(descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        open_file(tmp_path).set(KEY, {"phase": "submitted"})
    assert Journal(open_file(tmp_path)).read() == ENTRY
    assert [path.name for path in tmp_path.iterdir()] == [make_file_name(IDENTITY)]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"text"'])
def test_a_journal_file_that_was_damaged_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    (tmp_path / make_file_name(IDENTITY)).write_text(text)
    with pytest.raises(UnreadableEntryError):
        Journal(open_file(tmp_path)).read()


def test_every_logical_job_has_a_file_of_its_own_with_a_readable_name() -> None:
    others = [
        JobIdentity("videos", "generate", IDENTITY.run_id, 4, deployment_id="one"),
        JobIdentity("videos", "generate", IDENTITY.run_id, 3, deployment_id="two"),
        JobIdentity("videos", "generate", IDENTITY.run_id, 3, deployment_id="one", region_id="loop/2"),
        JobIdentity("videos", "generate", IDENTITY.run_id.replace(":", "_"), 3, deployment_id="one"),
    ]
    names = {make_file_name(identity) for identity in (IDENTITY, *others)}
    assert len(names) == 5
    assert make_file_name(IDENTITY).startswith("videos-generate-scheduled__2026-11-01T00_00_00_00_00-3-")
    assert len(make_file_name(JobIdentity("d" * 250, "t" * 250, "r/" * 125))) < 200


def test_old_files_are_deleted_and_others_stay(tmp_path: Path) -> None:
    young, old, foreign = (tmp_path / name for name in ("young.json", "old.json", "notes.txt"))
    for path in (young, old, foreign):
        path.write_text("{}")
    for path in (old, foreign):
        os.utime(path, (time.time() - KEEP_S - 60, time.time() - KEEP_S - 60))
    assert delete_old_files(make_storage_path(str(tmp_path)), time.time() - KEEP_S) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "young.json"]
    assert json.loads(young.read_text()) == {}
