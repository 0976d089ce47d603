"""``make demo``, as a person runs it: from the command line, to its end or to a Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from local_airflow import leftovers, until

DEMO = Path(__file__).resolve().parents[2] / "tools" / "demo.py"


def start(home: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "SEGMIND_API_KEY"}
    return subprocess.Popen(
        [sys.executable, str(DEMO), "--home", str(home), *arguments],
        env=inherited | {"PYTHONUNBUFFERED": "1"} | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.timeout(300)
def test_the_demo_ends_with_a_video_and_its_price(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    with start(home) as demo:
        told, _ = demo.communicate(timeout=280)

    assert demo.returncode == 0, told
    video = re.search(r"Video +(\S+\.mp4) \((\d+)x(\d+), [\d.]+ s", told)
    assert video, told
    with av.open(video[1]) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames > 10
    assert re.search(r"Cost +USD 1\.00 for 2 jobs", told), told
    assert re.search(r"generate +submitted: request [0-9a-f-]{36}", told), told
    assert re.search(r"deferred, .*worker slots in use: \d+, deferred tasks: [12]", told), told
    assert leftovers(home) == []


@pytest.mark.timeout(300)
def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    with start(home) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "deferred" in line:
                break
        assert leftovers(home), "the demo ended before it could be interrupted"
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130, told
    assert "Interrupted" in told
    until(lambda: not leftovers(home), timeout_s=5, what="the end of everything")


@pytest.mark.parametrize(
    ("env", "says"),
    [
        pytest.param({}, "SEGMIND_API_KEY", id="no key"),
        pytest.param({"SEGMIND_API_KEY": "SG_0123456789abcdef"}, "USD 1.00", id="nobody to ask"),
    ],
)
def test_live_starts_nothing_without_a_key_and_a_yes(tmp_path: Path, env: dict[str, str], says: str) -> None:
    home = tmp_path / "demo"

    with start(home, "--live", **env) as demo:
        told, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert says in told
    assert "Airflow" not in told
    assert leftovers(home) == []
