"""``make demo`` on the command line: to its end, to Ctrl-C, and live without a key."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
import requests

from local_airflow import find_processes_in, wait_until

DEMO = Path(__file__).resolve().parents[2] / "tools" / "demo.py"


def start_demo(home: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
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
def test_the_demo_makes_a_video_and_prints_its_cost(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    with start_demo(home, "--keep") as demo:
        assert demo.stdout is not None
        lines: list[str] = []
        for line in demo.stdout:
            lines.append(line)
            if "/plugin/runway-videos-run" in line:
                break
        page_in_tab = lines[-1].strip().partition("/plugin")[0].replace("/dags/", "/runway-videos/dags/", 1)
        videos_page = requests.get(page_in_tab, timeout=60)
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)

    output = "".join(lines) + rest
    assert demo.returncode == 0, output
    assert videos_page.text.count('<article class="tile is-success"') == 2
    video = re.search(r"Video +(\S+\.mp4) \((\d+)x(\d+), [\d.]+ s", output)
    assert video, output
    with av.open(video[1]) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames > 10
    assert re.search(r"Cost +USD 1\.00 for 2 jobs", output), output
    assert re.search(r"generate +submitted: request [0-9a-f-]{36}", output), output
    assert re.search(r"deferred, .*worker slots in use: \d+, deferred tasks: [12]", output), output
    assert find_processes_in(home) == []


@pytest.mark.timeout(300)
def test_ctrl_c_stops_all_processes(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    with start_demo(home) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "deferred" in line:
                break
        assert find_processes_in(home), "the demo ended before it could be interrupted"
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130, output
    assert "Interrupted" in output
    wait_until(lambda: not find_processes_in(home), timeout_s=5, what="the end of all processes")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        pytest.param({}, "SEGMIND_API_KEY", id="no key"),
        pytest.param({"SEGMIND_API_KEY": "SG_0123456789abcdef"}, "USD 1.00", id="no terminal"),
    ],
)
def test_live_starts_nothing_without_a_key_and_agreement(tmp_path: Path, env: dict[str, str], message: str) -> None:
    home = tmp_path / "demo"

    with start_demo(home, "--live", **env) as demo:
        output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert message in output
    assert "Airflow" not in output
    assert find_processes_in(home) == []
