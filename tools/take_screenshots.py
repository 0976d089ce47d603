"""Take the pictures of the Videos pages for the docs: ``make screenshots``.

They show a run in a real Airflow with the emulator, whose videos are in a bucket that moto serves: light and dark, wide
and narrow.
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
sys.path.insert(0, str(ROOT / "tests" / "support"))

from bucket import serving_bucket  # type: ignore[import-not-found]  # noqa: E402

DAG_ID, RUN_ID = "sunflowers", "manual__2026-11-27T09:00:00+00:00"
DAG = """
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://example.com/sunflowers.jpg"
FOLDER = "s3://aws_default@videos/sunflowers"
SCENES = ["A bee lands", "A cloud passes", "Leaves in the wind", "A first ray of light"]


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def sunflowers():
    def generate(task_id, prompt_text, **more):
        RunwayGenerateOperator(
            task_id=task_id,
            prompt_image=IMAGE,
            prompt_text=prompt_text,
            output_path=f"{FOLDER}/{task_id}-{{seed}}.mp4",
            wait_for_completion=True,
            **more,
        )

    generate("tall", "A single sunflower in tall grass, seen from below", ratio="9:16")
    generate("storm", "A storm bends the stems")
    generate("night", "Stars turn slowly above the field")
    generate("opening", "The camera drifts over a field of sunflowers while the sun goes down", duration=10)
    RunwayGenerateOperator.partial(
        task_id="takes",
        prompt_image=IMAGE,
        prompt_text="A slow zoom onto one flower while the sun sets behind it",
        output_path=f"{FOLDER}/take-{{seed}}.mp4",
        wait_for_completion=True,
    ).expand(seed=[7, 8])
    RunwayGenerateBatchOperator(
        task_id="scenes",
        requests=[{"custom_id": f"scene-{n}", "prompt_text": text} for n, text in enumerate(SCENES, 1)],
        result_path=f"{FOLDER}/scenes",
        prompt_image=IMAGE,
    )


sunflowers()
"""
#: Faults of the emulator, so that the run has a job that failed and one that waits.
FAULTS = ("submit:job_fails:match=A storm,times=0", "submit:job_latency:match=Stars turn,times=0,seconds=3600")
#: File name -> (theme, width of the window in pixels).
PICTURES = {
    "videos_tab_light": ("light", 1500),
    "videos_tab_dark": ("dark", 1500),
    "videos_tab_narrow_light": ("light", 800),
    "videos_tab_narrow_dark": ("dark", 800),
}
HEIGHT = 1000
PATIENCE_MS = 90_000


def make_run(airflow: LocalAirflow) -> Run:
    """Run the DAG until only the job that waits is left."""
    run = airflow.trigger(DAG_ID, run_id=RUN_ID)
    for task_id in ("opening", "tall", "storm", "scenes"):
        airflow.wait_for_task(run, task_id, timeout_s=240)
    for index in (0, 1):
        airflow.wait_for_task(run, "takes", map_index=index, timeout_s=240)
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
        dags = home / "dags"
        dags.mkdir()
        (dags / f"{DAG_ID}.py").write_text(DAG)
        faults = [part for fault in FAULTS for part in ("--fault", fault)]
        with (
            EmulatorProcess(home / "emulator.log", "--time-scale", "0.1", *faults) as emulator,
            serving_bucket(home) as bucket,
        ):
            env = {
                "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(),
                "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection,
                "AIRFLOW__RUNWAY__VIDEOS_ROOTS": f"{bucket.url}/{{dag_id}}",
            }
            with (
                LocalAirflow(home / "airflow", dags, env=env, parallelism=4) as airflow,
                sync_playwright() as playwright,
            ):
                run = make_run(airflow)
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
