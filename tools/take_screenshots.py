"""Take the pictures of the Videos pages for the docs: ``make screenshots``.

They show a run of the DAG ``clips`` of the tests, in a real Airflow with the emulator: light and dark, wide and narrow.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from local_airflow import EmulatorProcess, LocalAirflow, Run

ROOT = Path(__file__).resolve().parent.parent
RUN_ID = "manual__2026-11-27T09:00:00+00:00"
#: Faults of the emulator, so that the run has a job that failed and one that waits.
FAULTS = ("submit:job_fails:match=A storm,times=0", "submit:job_latency:match=A glacier,times=0,seconds=3600")
#: File name -> (theme, width of the window in pixels).
PICTURES = {
    "videos_tab_light": ("light", 1500),
    "videos_tab_dark": ("dark", 1500),
    "videos_tab_narrow_light": ("light", 800),
    "videos_tab_narrow_dark": ("dark", 800),
}
HEIGHT = 1000
PATIENCE_MS = 90_000


def make_run(airflow: LocalAirflow, videos: Path) -> Run:
    """Run the DAG until only the job that waits is left."""
    run = airflow.trigger("clips", {"videos": str(videos), "bucket": str(videos)}, run_id=RUN_ID)
    for task_id in ("sunflowers", "in_bucket", "url_only", "wait", "refused"):
        airflow.wait_for_task(run, task_id, timeout_s=240)
    for index in (0, 1):
        airflow.wait_for_task(run, "each", map_index=index, timeout_s=240)
    return run


def take_picture(browser: Browser, url: str, theme: str, width: int) -> bytes:
    """Return a PNG of a tab in Airflow, with the first frames of its videos."""
    page = browser.new_page(viewport={"width": width, "height": HEIGHT})
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(url)
    frame = page.frame_locator("iframe")
    expect(frame.locator("html")).to_have_attribute("data-theme", theme, timeout=PATIENCE_MS)
    expect(frame.locator(".tile").first.locator(".ratio")).to_contain_text("\u00d7", timeout=PATIENCE_MS)
    page.wait_for_timeout(5000)  # the other first frames
    picture = page.screenshot()
    page.close()
    return picture


def main() -> int:
    """Write the pictures into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Take the pictures of the Videos pages.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("There is no Chromium: `make browser` installs Debian's.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        dags, videos = home / "dags", home / "videos"
        for made in (dags, videos):
            made.mkdir()
        (dags / "videos.py").symlink_to(ROOT / "tests" / "integration" / "dags" / "videos.py")
        faults = [part for fault in FAULTS for part in ("--fault", fault)]
        with EmulatorProcess(home / "emulator.log", "--time-scale", "0.1", *faults) as emulator:
            env = {
                "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(),
                "AIRFLOW__RUNWAY__VIDEOS_ROOTS": str(videos),
            }
            with (
                LocalAirflow(home / "airflow", dags, env=env, parallelism=4) as airflow,
                sync_playwright() as playwright,
            ):
                run = make_run(airflow, videos)
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                url = f"{airflow.url}/dags/{run.dag_id}/runs/{quote(run.run_id, safe='')}/plugin/runway-videos-run"
                for name, (theme, width) in PICTURES.items():
                    picture = Image.open(io.BytesIO(take_picture(browser, url, theme, width)))
                    file = folder / f"{name}.webp"
                    picture.convert("RGB").save(file, quality=80, method=6)
                    print(f"{file}: {width}x{HEIGHT}, {file.stat().st_size / 1000:.0f} kB")
                browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
