"""Make a video with the example DAG on a real Airflow and print the progress: ``make demo``.

By default this uses the emulator, which costs nothing and needs no key. ``--live`` uses Segmind, for money. All files
are made anew in ``.demo/`` of the checkout, and all processes end with this one.

Exits 0 with a video, 1 without one, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from demo_progress import ProgressPrinter, RunMonitor
from local_airflow import EmulatorProcess, LocalAirflow, recreate_home

ROOT = Path(__file__).resolve().parent.parent
DAG_ID = "runway_image_to_video"
#: The model takes 27.4 s on average; with this scale a job takes about 9 s.
TIME_SCALE = 0.33
#: The DAG runs two jobs of 5 s. The price is the one that Segmind's docs give for runway-gen3-alphaturbo.
JOB_COUNT, PRICE_USD = 2, 0.50


class CannotStartError(Exception):
    """The person who runs this has to correct something first."""


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--live", action="store_true", help="use Segmind itself, with SEGMIND_API_KEY; costs money")
    parser.add_argument("--yes", action="store_true", help="do not ask before spending")
    parser.add_argument("--keep", action="store_true", help="leave Airflow running until Ctrl-C")
    parser.add_argument("--image", type=Path, default=ROOT / "demo" / "sunflowers.jpg", help="the image to animate")
    parser.add_argument("--dags", type=Path, default=ROOT / "dags", help="the folder of runway_image_to_video.py")
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="the folder to work in; it is emptied first")
    return parser.parse_args()


def confirm_live_connection(*, yes: bool) -> str:
    """Ask the person to agree to the cost, and return the connection to Segmind.

    :raises CannotStartError: There is no key, or no agreement.
    """
    key = os.environ.get("SEGMIND_API_KEY", "")
    if not key:
        raise CannotStartError(
            "LIVE=1 needs your Segmind API key in SEGMIND_API_KEY (https://cloud.segmind.com/console/api-keys).\n"
            "Without it, plain `make demo` shows the same on the emulator."
        )
    cost = JOB_COUNT * PRICE_USD
    print(f"This makes {JOB_COUNT} videos of 5 s on Segmind and spends about USD {cost:.2f} of your credits.")
    if not yes:
        if not sys.stdin.isatty():
            raise CannotStartError("There is no terminal to ask on: pass YES=1 to agree.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CannotStartError("Nothing was started, nothing was spent.")
    return json.dumps({"conn_type": "runway", "host": "https://api.segmind.com", "password": key})


@contextlib.contextmanager
def start_emulator_unless_live(
    live_connection: str | None, home: Path, printer: ProgressPrinter
) -> Iterator[tuple[str, EmulatorProcess | None]]:
    """Yield an Airflow connection and, unless it is the live one, the emulator that it points to."""
    if live_connection is not None:
        yield live_connection, None
        return
    with EmulatorProcess(home / "logs" / "emulator.log", "--time-scale", str(TIME_SCALE)) as emulator:
        printer.print_event(
            f"Segmind emulator on {emulator.url}: jobs take about 9 s instead of 27 s, and cost nothing"
        )
        yield emulator.build_connection(), emulator


def run_demo(options: argparse.Namespace, printer: ProgressPrinter) -> bool:
    """Run the demo; return whether it made a video."""
    live_connection = confirm_live_connection(yes=options.yes) if options.live else None
    home = recreate_home(options.home.resolve())
    videos = home / "videos"
    videos.mkdir()
    with start_emulator_unless_live(live_connection, home, printer) as (connection, emulator):
        printer.print_event("Starting Airflow ...")
        env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": connection, "AIRFLOW__RUNWAY__VIDEOS_ROOTS": str(videos)}
        with LocalAirflow(home, options.dags, env=env, parallelism=4) as airflow:
            printer.print_event(f"Airflow {airflow.full_version} is running: {', '.join(sorted(airflow.pids))}")
            conf = {"prompt_image": str(options.image.resolve()), "output_path": f"{videos}/"}
            run = airflow.trigger(DAG_ID, conf)
            monitor = RunMonitor(printer, airflow, run, emulator)
            printer.print_event(f"{DAG_ID} triggered with {options.image.name}")
            try:
                monitor.follow(timeout_s=240 if live_connection is None else 1200)
            except KeyboardInterrupt:
                if live_connection is not None and monitor.requests:
                    printer.print_note(
                        f"These jobs go on at Segmind and are billed: {', '.join(monitor.requests.values())}"
                    )
                raise
            if options.keep:
                printer.print_note(f"\nAirflow keeps running at {airflow.url} until Ctrl-C. The run's videos:")
                printer.print_note(f"{airflow.url}/dags/{run.dag_id}/runs/{run.run_id}/plugin/runway-videos-run")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
    return monitor.print_summary()


def main() -> int:
    """Run the demo; return the exit code."""
    options = parse_options()
    printer = ProgressPrinter()
    # SIGTERM raises SystemExit, so that the context managers stop what they started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell that starts this in the background makes it ignore SIGINT; Ctrl-C shall always work.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return 0 if run_demo(options, printer) else 1
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        printer.print_note("Interrupted. All processes of the demo have been stopped.")
        return 130
    except Exception as error:
        printer.print_note(f"The demo failed: {error}")
        printer.print_note(f"Logs: {options.home / 'logs'}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
