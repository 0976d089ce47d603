"""Make a video with the example DAG on a real Airflow, and tell what happens as it happens: ``make demo``.

By default against the emulator, which costs nothing and needs no key; ``--live`` against Segmind, for money. Everything
is made anew in ``.demo/`` of the checkout, and nothing of it runs on when this ends, however it ends.

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

from demo_story import Story, Teller
from local_airflow import EmulatorProcess, LocalAirflow, fresh

ROOT = Path(__file__).resolve().parent.parent
DAG_ID = "runway_image_to_video"
#: 27.4 s, what the model takes on average, times this is about 9 s.
TIME_SCALE = 0.33
#: Two jobs (the DAG shows both ways to run one) of 5 s, at what Segmind's docs say for runway-gen3-alphaturbo.
JOBS, PRICE_USD = 2, 0.50


class CannotStartError(Exception):
    """Something has to be put right by the person who runs this."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--live", action="store_true", help="use Segmind itself, with SEGMIND_API_KEY; costs money")
    parser.add_argument("--yes", action="store_true", help="do not ask before spending")
    parser.add_argument("--keep", action="store_true", help="leave Airflow running, to look at its pages, until Ctrl-C")
    parser.add_argument("--picture", type=Path, default=ROOT / "demo" / "picture.jpg", help="the image to animate")
    parser.add_argument("--dags", type=Path, default=ROOT / "dags", help="the folder of runway_image_to_video.py")
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="the folder to work in; it is emptied first")
    return parser.parse_args()


def live_connection(*, yes: bool) -> str:
    """Return the connection to Segmind, once the person has agreed to pay.

    :raises CannotStartError: There is no key, or no agreement.
    """
    key = os.environ.get("SEGMIND_API_KEY", "")
    if not key:
        raise CannotStartError(
            "LIVE=1 needs your Segmind API key in SEGMIND_API_KEY (https://cloud.segmind.com/console/api-keys).\n"
            "Without it, plain `make demo` shows the same on the emulator."
        )
    print(f"This makes {JOBS} videos of 5 s on Segmind and spends about USD {JOBS * PRICE_USD:.2f} of your credits.")
    if not yes:
        if not sys.stdin.isatty():
            raise CannotStartError("Nobody is here to be asked: say YES=1 to go on.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CannotStartError("Nothing was started, nothing was spent.")
    return json.dumps({"conn_type": "runway", "host": "https://api.segmind.com", "password": key})


@contextlib.contextmanager
def gateway(live: str | None, home: Path, teller: Teller) -> Iterator[tuple[str, EmulatorProcess | None]]:
    """Yield an Airflow connection and, unless it is the ``live`` one, the emulator it leads to."""
    if live is not None:
        yield live, None
        return
    with EmulatorProcess(home / "logs" / "emulator.log", "--time-scale", str(TIME_SCALE)) as emulator:
        teller.say(f"Segmind emulator on {emulator.url}: jobs take about 9 s instead of 27 s, and cost nothing")
        yield emulator.connection(), emulator


def run(arguments: argparse.Namespace, teller: Teller) -> bool:
    """Run the demo; return whether there is a video at the end of it."""
    live = live_connection(yes=arguments.yes) if arguments.live else None
    home = fresh(arguments.home.resolve())
    videos = home / "videos"
    videos.mkdir()
    with gateway(live, home, teller) as (connection, emulator):
        teller.say("Starting Airflow ...")
        env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": connection}
        with LocalAirflow(home, arguments.dags, env=env, parallelism=4) as airflow:
            teller.say(f"Airflow {airflow.full_version} is up: {', '.join(sorted(airflow.pids))}")
            conf = {"prompt_image": str(arguments.picture.resolve()), "output_path": f"{videos}/"}
            story = Story(teller, airflow, airflow.trigger(DAG_ID, conf), emulator)
            teller.say(f"{DAG_ID} triggered with {arguments.picture.name}")
            try:
                story.poll_until_done(timeout_s=240 if live is None else 1200)
            except KeyboardInterrupt:
                if live is not None and story.requests:
                    teller.note(f"These jobs go on at Segmind and are billed: {', '.join(story.requests.values())}")
                raise
            if arguments.keep:
                teller.note(f"\nAirflow stays up at {airflow.url} until Ctrl-C")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
    return story.end()


def main() -> int:
    arguments = options()
    teller = Teller()
    # As an exception, so that everything started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Whoever starts this in the background may have it ignored; the demo can always be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return 0 if run(arguments, teller) else 1
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        teller.note("Interrupted; everything that was started has been ended.")
        return 130
    except Exception as error:
        teller.note(f"The demo failed: {error}")
        teller.note(f"Logs: {arguments.home / 'logs'}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
