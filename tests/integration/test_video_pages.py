"""The Videos pages in a real browser, inside the pages of a real Airflow 3.3, for each kind of user.

The first Airflow is below a path (``/team``) and has the simple auth manager. A second api-server on the same database
has Flask-AppBuilder's permissions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from bucket import Bucket

pytest.importorskip("playwright", reason="playwright is not installed")

from axe_playwright_python.sync_playwright import Axe
from browser import Visitor, starting_browser
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

import airflow_provider_runway
from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, wait_until

ROOT = Path(__file__).resolve().parents[2]
VENV_FAB = ROOT / ".venv-fab"
#: An id as the scheduler and the UI make them: with colons and a plus.
RUN_ID = "manual__2026-11-27T02:00:00+00:00"
USERS = {name: (name, f"the password of {name}") for name in ("admin", "viewer", "clips_only", "nobody")}
#: Tasks of the DAG "clips" whose video is shown, one for each tile.
PLAYABLE = 6
#: Rows of the batch in the DAG "shots", the last of which fails.
ROWS = 26
LARGE_BYTES = 70 * 1024 * 1024
CLIP = Path(airflow_provider_runway.__file__).parent / "emulator" / "clips" / "05s-16x9.mp4"

CREATE_FAB_USERS = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    manager = builder.sm
    manager.sync_roles()
    role = manager.add_role("Clips only")
    for resource in ("DAG:clips", "DAG Runs", "Task Instances", "XComs", "Task Logs", "Website"):
        manager.add_permission_to_role(role, manager.create_permission("can_read", resource))
    roles = {"admin": "Admin", "viewer": "Viewer", "clips_only": "Clips only", "nobody": "Public"}
    for name, password in json.loads(sys.argv[1]):
        manager.add_user(name, name, name, f"{name}@example.com", manager.find_role(roles[name]), password)
"""


@dataclass(frozen=True)
class Site:
    """An Airflow with a run of each DAG in ``dags/videos.py``."""

    airflow: LocalAirflow
    clips: Run
    shots: Run
    tampered: Run

    def run_path(self, run: Run) -> str:
        """Return the path of a run's page in Airflow."""
        return f"/dags/{run.dag_id}/runs/{quote(run.run_id, safe='')}"


def write_large_video(file: Path) -> None:
    """Write a clip whose frames come after 70 MB that a player skips."""
    clip = CLIP.read_bytes()
    frames_at = clip.index(b"mdat") - 4
    head = bytearray(clip[:frames_at])
    table = head.index(b"stco") + 8  # where each chunk of frames begins
    for entry in range(table + 4, table + 4 + 4 * int.from_bytes(head[table : table + 4], "big"), 4):
        head[entry : entry + 4] = (int.from_bytes(head[entry : entry + 4], "big") + LARGE_BYTES).to_bytes(4, "big")
    with file.open("wb") as out:
        out.write(head + LARGE_BYTES.to_bytes(4, "big") + b"free")
        out.seek(frames_at + LARGE_BYTES)
        out.write(clip[frames_at:])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for all tests here."""
    with starting_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, runway_default: str, emulator: Emulator, bucket: Bucket
) -> Iterator[Site]:
    """The Airflow below ``/team``, where all jobs but one that takes an hour have ended."""
    emulator.add_fault(call="submit", fault="job_fails", match="A storm", times=0)
    emulator.add_fault(call="submit", fault="job_latency", match="A glacier", times=0, seconds=3600)
    home = tmp_path_factory.mktemp("airflow-videos")
    dags, videos, passwords = home / "dags", home / "videos", home / "passwords.json"
    for folder in (dags, videos):
        folder.mkdir()
    (dags / "videos.py").symlink_to(Path(__file__).parent / "dags" / "videos.py")
    passwords.write_text(json.dumps(dict(USERS.values())))
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": runway_default,
        "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection,
        "AIRFLOW__RUNWAY__VIDEOS_ROOTS": f"{videos}, {bucket.url}/{{dag_id}}",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    with LocalAirflow(
        home, dags, env=env, parallelism=4, heartbeat_timeout_s=60, base_path="/team", login=USERS["admin"]
    ) as airflow:
        clips = airflow.trigger("clips", {"videos": str(videos), "bucket": f"{bucket.url}/clips"}, run_id=RUN_ID)
        shots = airflow.trigger("shots", {"videos": str(videos)})
        for task_id in ("sunflowers", "in_bucket", "url_only", "wait", "refused"):
            airflow.wait_for_task(clips, task_id, timeout_s=180)
        for index in (0, 1):
            airflow.wait_for_task(clips, "each", map_index=index, timeout_s=180)
        airflow.wait_for_task(clips, "slow", "deferred", timeout_s=180)
        assert airflow.wait_for_run(shots, timeout_s=240) == "success"
        write_large_video(videos / "large.mp4")
        tampered = airflow.trigger("tampered", {"inside": str(videos / "large.mp4")})
        assert airflow.wait_for_run(tampered) == "success"
        yield Site(airflow, clips, shots, tampered)


@pytest.fixture
def admin(browser: Browser, site: Site) -> Iterator[Visitor]:
    """An admin, whose browser may use the clipboard. No page of ours may make the browser complain."""
    visitor = Visitor(browser, site.airflow, USERS["admin"], permissions=["clipboard-read", "clipboard-write"])
    yield visitor
    visitor.context.close()
    assert visitor.errors == []


@pytest.fixture
def run_tab(admin: Visitor, site: Site) -> FrameLocator:
    """The Videos tab of the run, with its first frames loaded."""
    frame = admin.open_tab(f"{site.run_path(site.clips)}/plugin/runway-videos-run")
    expect(frame.locator(".tile")).to_have_count(PLAYABLE + 2)
    return frame


def find_tile(frame: FrameLocator | Page, prompt: str) -> Locator:
    """Return the tile with a prompt."""
    return frame.locator(".tile").filter(has=frame.get_by_role("heading", name=prompt))


def read_time(video: Locator) -> float:
    """Return a video's position in seconds."""
    return float(video.evaluate("video => video.currentTime"))


def wait_for_first_frame(video: Locator) -> None:
    """Wait until a video shows its first frame."""
    video.scroll_into_view_if_needed()
    wait_until(lambda: video.evaluate("video => video.readyState") >= 2, timeout_s=60, what="the first frame")


@pytest.mark.parametrize(
    ("path", "count"),
    [
        pytest.param("/dags/clips/plugin/runway-videos-dag", PLAYABLE + 2, id="of a DAG"),
        pytest.param("/dags/clips/tasks/each/plugin/runway-videos-task", 2, id="of a task"),
        pytest.param("{run}/tasks/refused/plugin/runway-videos-task-instance", 1, id="of a task instance"),
        pytest.param("{run}/tasks/each/mapped/1/plugin/runway-videos-task-instance", 1, id="of a mapped one"),
        pytest.param("{batch}/tasks/trailer/plugin/runway-videos-task-instance", 24, id="of a batch"),
        pytest.param("/plugin/runway-videos", PLAYABLE + 3, id="of all DAGs"),
    ],
)
def test_each_tab_shows_the_videos_of_its_page(admin: Visitor, site: Site, path: str, count: int) -> None:
    frame = admin.open_tab(path.format(run=site.run_path(site.clips), batch=site.run_path(site.shots)))
    tiles = frame.locator(".tile").filter(has_not=frame.get_by_text("<script>"))
    expect(tiles).to_have_count(count)


def test_the_tab_is_among_those_of_airflow(admin: Visitor, site: Site) -> None:
    page = admin.open(site.run_path(site.clips))
    page.get_by_role("link", name="Videos", exact=True).click()
    expect(page.frame_locator("iframe").locator(".tile")).to_have_count(PLAYABLE + 2)


def test_the_page_says_what_happened_to_each_job(run_tab: FrameLocator) -> None:
    expect(run_tab.locator("#totals")).to_have_text(f"{PLAYABLE} videos $3.00 1 waiting 1 failed", use_inner_text=True)
    failed = find_tile(run_tab, "A storm")
    expect(failed.locator(".state")).to_have_text("Failed")
    expect(failed.locator(".reason")).to_contain_text("Generation failed. It is not billed.")
    waiting = find_tile(run_tab, "A glacier")
    expect(waiting.locator(".state")).to_have_text("Waiting")
    expect(waiting.locator(".placeholder")).to_contain_text("deferred")
    tile = find_tile(run_tab, "A train in the snow")  # submitted by one task, awaited by another
    expect(tile.locator(".state")).to_have_text("Success")
    for job in (failed, waiting, tile):
        expect(job.locator("time").last).to_have_text(re.compile(r"(second|minute)s? ago$"))
    expect(tile).to_contain_text("runway-gen3-alphaturbo")
    expect(tile.locator("[title=Seed]")).to_have_text(re.compile(r"seed \d+"))
    expect(tile).to_contain_text("$0.50")
    wait_for_first_frame(tile.locator("video"))
    expect(tile.locator(".ratio")).to_have_text("320\u00d7180")
    expect(tile.locator(".duration")).to_have_text("5 s")


@pytest.mark.parametrize("prompt", ["The camera drifts", "Waves at a pier", "Rain on a tin roof"])
def test_a_video_plays_in_place_and_seeks(run_tab: FrameLocator, prompt: str) -> None:
    """From a local file, from a bucket, and from its public URL."""
    tile = find_tile(run_tab, prompt)
    video = tile.locator("video")
    wait_for_first_frame(video)
    tile.get_by_role("button", name="Play").click()
    wait_until(lambda: read_time(video) > 0.3, timeout_s=60, what="the video to play")
    video.evaluate("video => { video.pause(); video.currentTime = 4 }")
    wait_until(lambda: video.evaluate("v => !v.seeking && v.readyState >= 2"), timeout_s=60, what="the end of the seek")
    assert abs(read_time(video) - 4) < 0.1


def test_filter_and_search_narrow_the_page(run_tab: FrameLocator) -> None:
    run_tab.get_by_role("link", name="Failed", exact=True).click()
    expect(run_tab.locator(".tile")).to_have_count(1)
    run_tab.get_by_role("link", name="All", exact=True).click()
    expect(run_tab.locator(".tile")).to_have_count(PLAYABLE + 2)
    run_tab.get_by_role("searchbox").fill("lighthouse")
    run_tab.get_by_role("searchbox").press("Enter")
    expect(run_tab.locator(".tile")).to_have_count(1)
    expect(run_tab.get_by_role("heading", name="A lighthouse <b>at night</b>")).to_be_visible()


def test_the_page_follows_airflows_theme(admin: Visitor, run_tab: FrameLocator) -> None:
    colours = {}
    for theme in ("light", "dark"):
        admin.page.evaluate("theme => { document.documentElement.className = theme }", theme)
        expect(run_tab.locator("html")).to_have_attribute("data-theme", theme)
        colours[theme] = run_tab.locator("body").evaluate("body => getComputedStyle(body).color")
    assert colours["light"] != colours["dark"]


def test_the_newest_tasks_come_first(run_tab: FrameLocator, admin: Visitor, site: Site) -> None:
    path = f"/api/v2/dags/clips/dagRuns/{quote(site.clips.run_id, safe='')}/taskInstances"
    tasks = admin.context.request.get(f"{site.airflow.url}{path}").json()["task_instances"]
    started = {(task["task_id"], task["map_index"]): task["start_date"] for task in tasks}
    shown = [tile.get_attribute("data-id").split("/")[-3:-1] for tile in run_tab.locator(".tile").all()]
    times = [started[task_id, int(index)] for task_id, index in shown]
    assert times == sorted(times, reverse=True)


def test_a_viewer_sees_the_tab(browser: Browser, site: Site) -> None:
    visitor = Visitor(browser, site.airflow, USERS["viewer"])
    page = visitor.open(site.run_path(site.clips))
    page.get_by_role("link", name="Videos", exact=True).click()
    frame = page.frame_locator("iframe")
    expect(frame.locator(".tile")).to_have_count(PLAYABLE + 2)
    wait_for_first_frame(frame.locator("video").first)
    visitor.context.close()
    assert visitor.errors == []


def test_a_batch_is_one_tile_in_its_run_and_has_its_rows_on_its_own_page(admin: Visitor, site: Site) -> None:
    frame = admin.open_tab(f"{site.run_path(site.shots)}/plugin/runway-videos-run")
    batch = frame.locator(".tile")
    expect(batch).to_have_count(1)
    expect(batch).to_contain_text(f"A batch of {ROWS} jobs")
    expect(frame.locator("#totals")).to_have_text(f"{ROWS - 1} videos $12.50 1 failed", use_inner_text=True)
    batch.get_by_role("link", name=f"Show its {ROWS} rows").click()
    expect(frame.locator(".tile")).to_have_count(24)
    expect(frame.locator(".tile h2").first).to_have_text("Shot 1 of the trailer")
    wait_for_first_frame(find_tile(frame, "Shot 2 of the trailer").locator("video"))
    frame.get_by_role("link", name="Next").click()
    expect(frame.locator(".tile")).to_have_count(ROWS - 24)
    tile = find_tile(frame, "Shot 25 of the trailer")
    expect(tile).to_contain_text("$0.50")
    wait_for_first_frame(tile.locator("video"))
    tile.get_by_role("button", name="Play").click()
    wait_until(lambda: read_time(tile.locator("video")) > 0.3, timeout_s=60, what="the row's video to play")
    frame.get_by_role("link", name="Failed", exact=True).click()
    expect(frame.locator(".tile")).to_have_count(1)
    expect(frame.locator(".tile .reason")).to_contain_text("Generation failed. It is not billed.")


def test_a_video_of_70_megabytes_plays_and_seeks_without_being_read_whole(admin: Visitor, site: Site) -> None:
    received: list[int] = []  # sizes of what the browser took; a response that it leaves may be longer
    network = admin.context.new_cdp_session(admin.page)
    network.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
    network.send("Network.enable")
    page = admin.open(f"/runway-videos{site.run_path(site.tampered)}/tasks/markup/-1")
    video = page.locator("video")
    wait_for_first_frame(video)
    page.get_by_role("button", name="Play").click()
    wait_until(lambda: read_time(video) > 0.3, timeout_s=60, what="the video to play")
    video.evaluate("video => { video.pause(); video.currentTime = 4 }")
    wait_until(lambda: video.evaluate("v => !v.seeking && v.readyState >= 2"), timeout_s=60, what="the end of the seek")
    assert CLIP.stat().st_size < sum(received) < LARGE_BYTES / 5


def test_a_link_leaves_the_frame(admin: Visitor, run_tab: FrameLocator, site: Site) -> None:
    find_tile(run_tab, "A harbour").get_by_role("link", name="each").click()
    admin.page.wait_for_url(f"{site.airflow.url}{site.run_path(site.clips)}/tasks/each/mapped/1")
    expect(admin.page.get_by_role("link", name="Logs", exact=True)).to_be_visible()


def test_a_link_to_the_run_leaves_the_frame(admin: Visitor, site: Site) -> None:
    frame = admin.open_tab("/dags/clips/plugin/runway-videos-dag")
    find_tile(frame, "A harbour").get_by_role("link", name=RUN_ID).click()
    admin.page.wait_for_url(f"{site.airflow.url}{site.run_path(site.clips)}**")
    expect(admin.page.get_by_role("link", name="Task Instances", exact=True)).to_be_visible()


def test_path_and_request_id_can_be_copied(admin: Visitor, run_tab: FrameLocator, site: Site) -> None:
    result = site.airflow.get_xcom(site.clips, "sunflowers")
    tile = find_tile(run_tab, "The camera drifts")
    for name, value in (("Copy the path", result["output_path"]), ("Copy the request id", result["request_id"])):
        tile.get_by_role("button", name=name).click()
        expect(run_tab.locator("#said")).to_have_text(f"Copied: {value}")
        assert admin.page.evaluate("navigator.clipboard.readText()") == value


def test_two_takes_play_side_by_side_in_step(run_tab: FrameLocator) -> None:
    for prompt in ("A lighthouse", "A harbour"):
        find_tile(run_tab, prompt).get_by_role("button", name="Compare").click()
    run_tab.get_by_role("button", name="Play side by side").click()
    first, second = run_tab.locator("#compare video").all()
    wait_until(lambda: min(map(read_time, (first, second))) > 0.5, timeout_s=60, what="both videos to play")
    run_tab.locator("#compare-play").click()
    expect(run_tab.locator("#compare-play")).to_have_text("Play")
    assert abs(read_time(first) - read_time(second)) < 0.3
    run_tab.get_by_label("Position").fill("800")
    wait_until(lambda: abs(read_time(first) - 4) < 0.1, timeout_s=30, what="the first to seek")
    wait_until(lambda: abs(read_time(second) - 4) < 0.1, timeout_s=30, what="the second to seek")
    run_tab.get_by_role("button", name="Close").press("Escape")
    expect(run_tab.locator("#compare")).to_be_hidden()


def test_whoever_prefers_less_motion_starts_a_comparison_himself(browser: Browser, site: Site) -> None:
    visitor = Visitor(browser, site.airflow, USERS["admin"], reduced_motion="reduce")
    page = visitor.open(f"/runway-videos{site.run_path(site.clips)}")
    for prompt in ("A lighthouse", "A harbour"):
        find_tile(page, prompt).get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Play side by side").click()
    expect(page.locator("#compare-play")).to_have_text("Play")
    assert page.locator("#compare video").first.evaluate("video => video.paused")
    visitor.context.close()


def test_the_keyboard_alone_plays_a_video(admin: Visitor, site: Site) -> None:
    page = admin.open(f"/runway-videos{site.run_path(site.clips)}/tasks/sunflowers/-1")
    video = page.locator("video")
    wait_for_first_frame(video)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('play')"):
            break
    page.keyboard.press("Enter")
    wait_until(lambda: read_time(video) > 0.3, timeout_s=60, what="the video to play")
    assert page.evaluate("document.activeElement.tagName") == "VIDEO"


def test_a_waiting_tile_changes_by_itself_when_its_job_is_done(admin: Visitor, site: Site) -> None:
    path = f"/runway-videos{site.run_path(site.clips)}"
    admin.page.clock.install()
    page = admin.open(path)
    expect(find_tile(page, "A glacier")).to_have_attribute("data-state", "waiting")
    html = admin.context.request.get(f"{site.airflow.url}{path}").text()
    page.route(
        f"**{path}", lambda route: route.fulfill(body=html.replace('data-state="waiting"', 'data-state="success"'))
    )
    find_tile(page, "A lighthouse").get_by_role("button", name="Play").focus()
    page.clock.run_for(11_000)
    expect(find_tile(page, "A glacier")).to_have_attribute("data-state", "success")
    assert page.evaluate("document.activeElement.className") == "play"


def find_serious_problems(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds on a page: the rule and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_accessibility_check_finds_nothing_serious(browser: Browser, site: Site, theme: str) -> None:
    visitor = Visitor(browser, site.airflow, USERS["admin"], color_scheme=theme)
    page = visitor.open(f"/runway-videos{site.run_path(site.clips)}")
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    expect(page.locator(".reason[data-url]")).to_have_count(0)
    for prompt in ("A lighthouse", "A harbour"):
        find_tile(page, prompt).get_by_role("button", name="Compare").click()
    problems = find_serious_problems(page)
    page.get_by_role("button", name="Play side by side").click()
    problems += find_serious_problems(page)
    assert problems == []
    visitor.context.close()


def test_hostile_xcoms_do_nothing(admin: Visitor, site: Site) -> None:
    requests: list[str] = []
    admin.page.on("request", lambda request: requests.append(request.url))
    frame = admin.open_tab(f"{site.run_path(site.tampered)}/plugin/runway-videos-run")
    expect(frame.locator(".tile")).to_have_count(8)
    wait_for_first_frame(find_tile(frame, "<script>window.hacked = 1</script>").locator("video").first)
    for link in frame.locator(".tile .actions a, .tile .where a").all():
        assert link.get_attribute("href").startswith(("/team/", "https://example.com"))
    assert [target.evaluate("window.hacked") for target in admin.page.frames] == [None] * len(admin.page.frames)
    media = [url for url in requests if "/media/" in url]
    assert media
    assert all("/tasks/markup/" in url for url in media)
    for task_id in ("outside", "parent", "file_url", "markup"):
        path = f"/runway-videos/media{site.run_path(site.tampered)}/tasks/{task_id}/-1/0"
        response = admin.context.request.get(f"{site.airflow.url}{path}")
        assert response.status == (200 if task_id == "markup" else 404)


def test_without_a_session_there_is_the_login_and_then_the_page(browser: Browser, site: Site) -> None:
    visitor = Visitor(browser, site.airflow, None)
    path = f"/runway-videos{site.run_path(site.clips)}"
    response = visitor.page.goto(f"{site.airflow.url}{path}")
    assert response is not None
    assert response.status == 401
    expect(visitor.page.locator(".tile")).to_have_count(0)
    visitor.page.get_by_role("link", name="Log in").click()
    name, password = USERS["viewer"]
    visitor.page.locator("input[name=username]").fill(name)
    visitor.page.locator("input[name=password]").fill(password)
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.locator(".tile")).to_have_count(PLAYABLE + 2)
    visitor.context.close()


def test_the_button_of_a_task_leads_to_its_page(admin: Visitor, site: Site) -> None:
    link = site.airflow.get_links(site.clips, "each", 1)["Videos page"]
    assert link == f"{site.airflow.url}/runway-videos{site.run_path(site.clips)}/tasks/each/1"
    admin.page.goto(link)
    expect(admin.page.get_by_role("heading", name="A harbour in the fog")).to_be_visible()


@pytest.fixture(scope="module")
def fab_airflow(site: Site) -> Iterator[LocalAirflow]:
    """A second api-server on the same database, with Flask-AppBuilder's permissions."""
    if not (VENV_FAB / "bin" / "airflow").exists():
        pytest.skip("no .venv-fab, so nothing was tested with Flask-AppBuilder: `make integration` makes it")
    kept = ("AIRFLOW_CONN_", "AIRFLOW__RUNWAY__")
    env = {name: value for name, value in site.airflow.env.items() if name.startswith(kept)}
    env["AIRFLOW__CORE__AUTH_MANAGER"] = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    with LocalAirflow(
        site.airflow.home, site.airflow.home / "dags", venv=VENV_FAB, env=env, components=["api-server"],
        login=USERS["admin"], prepare=["python", "-c", CREATE_FAB_USERS, json.dumps(list(USERS.values()))],
    ) as airflow:  # fmt: skip
        yield airflow


@pytest.mark.parametrize(
    ("user", "path", "count"),
    [
        pytest.param("admin", "", PLAYABLE + 2, id="an admin"),
        pytest.param("viewer", "", PLAYABLE + 2, id="a viewer"),
        pytest.param("clips_only", "", PLAYABLE + 2, id="a role that may read this DAG"),
        pytest.param("clips_only", "/runway-videos/", PLAYABLE + 2, id="its page of all DAGs"),
        pytest.param("nobody", "", 0, id="a role without permissions"),
    ],
)
def test_with_flask_appbuilder_everybody_sees_the_dags_that_he_may_read(
    browser: Browser, site: Site, fab_airflow: LocalAirflow, user: str, path: str, count: int
) -> None:
    visitor = Visitor(browser, fab_airflow, USERS[user])
    response = visitor.page.goto(f"{fab_airflow.url}{path or f'/runway-videos{site.run_path(site.clips)}'}")
    assert response is not None
    assert response.status == (200 if count else 404)
    expect(visitor.page.locator(".tile")).to_have_count(count)
    if count:
        wait_for_first_frame(visitor.page.locator("video").first)
    visitor.context.close()


def test_with_flask_appbuilder_a_forbidden_dag_looks_like_one_that_does_not_exist(
    browser: Browser, site: Site, fab_airflow: LocalAirflow
) -> None:
    visitor = Visitor(browser, fab_airflow, USERS["clips_only"])
    pages = {}
    for path in (site.run_path(site.tampered), f"/dags/nowhere/runs/{site.tampered.run_id}"):
        for prefix, suffix in (("", ""), ("/media", "/tasks/markup/-1/0")):
            response = visitor.context.request.get(f"{fab_airflow.url}/runway-videos{prefix}{path}{suffix}")
            pages.setdefault(prefix, []).append((response.status, response.text()))
    assert all(first == second and first[0] == 404 for first, second in pages.values())
    visitor.context.close()


def test_with_flask_appbuilder_an_admin_has_the_tab(browser: Browser, site: Site, fab_airflow: LocalAirflow) -> None:
    visitor = Visitor(browser, fab_airflow, USERS["admin"])
    frame = visitor.open_tab(f"{site.run_path(site.clips)}/plugin/runway-videos-run")
    expect(frame.locator(".tile")).to_have_count(PLAYABLE + 2)
    visitor.context.close()
