"""A transfer that breaks off goes on where it ended: where that is safe, and nowhere else."""

from __future__ import annotations

import io
import logging

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_files import read_clip
from airflow_provider_runway.exceptions import DownloadFailedError
from airflow_provider_runway.outputs import download as fetching
from airflow_provider_runway.outputs.download import CHUNK_BYTES, download
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

LOG = logging.getLogger(__name__)
QUICK = RetryPolicy(attempts=4, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)
CLIP = read_clip("05s-16x9.mp4")
#: Of the half that was sent, what fills whole chunks is kept.
KEPT = len(CLIP) // 2 // CHUNK_BYTES * CHUNK_BYTES


def sent(gateway: Emulator) -> list[tuple[int | None, int]]:
    """Return (status, bytes of body) of each answer to a download."""
    return [(entry["status"], entry["sent"]) for entry in gateway.requests() if entry["call"] == "output"]


def fetched(url: str, settings: ClientSettings) -> bytes:
    """Fetch into memory, and return what is there."""
    sink = io.BytesIO()
    download(url, sink, settings, LOG, QUICK)
    return sink.getvalue()


@pytest.mark.parametrize("names", ["etag", "date"])
def test_only_the_rest_is_fetched(
    gateway: Emulator, settings: ClientSettings, video: str, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gateway.add_fault(f"output:cut_body:how=close,names={names}")
    assert fetched(video, settings) == CLIP
    assert sent(gateway) == [(200, len(CLIP) // 2), (206, len(CLIP) - KEPT)]
    assert f"Going on at byte {KEPT} in" in caplog.text


@pytest.mark.parametrize("names", ["weak", "nothing", "fresh_date"])
def test_without_a_sure_name_of_the_version_it_begins_again(
    gateway: Emulator, settings: ClientSettings, video: str, names: str
) -> None:
    gateway.add_fault(f"output:cut_body:how=close,names={names}")
    assert fetched(video, settings) == CLIP
    assert sent(gateway) == [(200, len(CLIP) // 2), (200, len(CLIP))]


def test_a_rest_that_breaks_off_is_gone_on_with_too(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault("output:cut_body:how=close,times=3")
    assert fetched(video, settings) == CLIP
    statuses = [status for status, _ in sent(gateway)]
    assert statuses == [200, 206, 206, 206]


@pytest.mark.parametrize(
    ("answer", "statuses"),
    [
        pytest.param("whole", [200, 200], id="the whole file comes instead: taken"),
        pytest.param("refused", [200, 416, 200], id="416: begun again"),
        pytest.param("shifted", [200, 206, 200], id="another part comes: begun again"),
    ],
)
def test_any_other_answer_than_the_rest_never_gets_behind_the_beginning(
    gateway: Emulator, settings: ClientSettings, video: str, answer: str, statuses: list[int]
) -> None:
    gateway.add_fault("output:cut_body:how=close")
    gateway.add_fault(f"output:odd_range:answer={answer}")
    assert fetched(video, settings) == CLIP
    assert [status for status, _ in sent(gateway)] == statuses


@pytest.mark.parametrize("fault", ["server_error:status=503", "html_200", "cut_before"])
def test_what_is_held_outlasts_an_answer_without_the_file(
    gateway: Emulator, settings: ClientSettings, video: str, fault: str
) -> None:
    gateway.add_fault("output:cut_body:how=close")
    gateway.add_fault(f"output:{fault}")
    assert fetched(video, settings) == CLIP
    assert sent(gateway)[-1] == (206, len(CLIP) - KEPT)


def test_a_whole_file_that_is_none_is_never_gone_on_with(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    gateway.add_fault("output:output_truncated")
    assert fetched(video, settings) == CLIP
    assert sent(gateway) == [(200, len(CLIP) // 2), (200, len(CLIP))]


def test_a_slow_line_is_not_given_up_while_it_brings_enough(
    gateway: Emulator, settings: ClientSettings, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two halvings bring a chunk at least, and with it the attempts are counted anew; then only crumbs come.
    monkeypatch.setattr(fetching, "PROGRESS_BYTES", 1024)
    monkeypatch.setattr(fetching, "CHUNK_BYTES", 1024)
    gateway.add_fault("output:cut_body:how=close,times=0")
    sink = io.BytesIO()
    with pytest.raises(DownloadFailedError, match="Not fetched in") as caught:
        download(video, sink, settings, LOG, QUICK)
    assert caught.value.facts == {"url": video}
    assert len(sent(gateway)) > QUICK.attempts
    assert len(sink.getvalue()) > len(CLIP) * 0.9
    assert CLIP.startswith(sink.getvalue())


def test_a_server_that_takes_back_what_it_gave_is_given_up(
    gateway: Emulator, settings: ClientSettings, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PROGRESS_BYTES", 1024)
    for _ in range(10):
        gateway.add_fault("output:cut_body:how=close")
        gateway.add_fault("output:odd_range:answer=refused")
    with pytest.raises(DownloadFailedError, match="Not fetched in"):
        fetched(video, settings)
    assert [status for status, _ in sent(gateway)] == [200, 416, 200, 416], "only the first half was progress"
