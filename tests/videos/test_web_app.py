"""The pages over HTTP: what each user gets, filters and pages, media, and values that someone has tampered with."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="Airflow 2 has no pages")

import httpx
from airflow_stand_in import AirflowStandIn

import airflow_provider_runway

CLIP = Path(airflow_provider_runway.__file__).parent / "emulator" / "clips" / "05s-16x9.mp4"
RUN = "/dags/clips/runs/run"


@pytest.fixture
def airflow() -> AirflowStandIn:
    """An Airflow without task instances."""
    return AirflowStandIn()


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the pages may show, with a clip in it."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(CLIP.read_bytes())
    monkeypatch.setenv("AIRFLOW__RUNWAY__VIDEOS_ROOTS", str(folder))
    return folder


class Browser:
    """A user's browser at the pages."""

    def __init__(self, airflow: AirflowStandIn, user: str = "admin", root_path: str = "") -> None:
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=airflow.app, root_path=root_path),
            base_url=f"http://airflow.example{root_path}",
            cookies={"_token": user},
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Get a page."""
        return await self.client.get(
            f"/runway-videos{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


def result(**fields: Any) -> dict[str, Any]:
    """Return the result of a job."""
    return {
        "request_id": "id",
        "prompt_text": "A harbour",
        "cost": 0.5,
        "output_url": "https://cdn.example/a.mp4",
    } | fields


def read_titles(page: httpx.Response) -> list[str]:
    """Return the titles of a page's tiles."""
    return re.findall(r"<h2 class=[^>]*>(.*?)</h2>", page.text)


async def test_without_a_session_a_page_answers_401_with_the_login(airflow: AirflowStandIn) -> None:
    airflow.add("one", result())
    for path in ("/", RUN, f"/media{RUN}/tasks/one/-1/0", f"/totals{RUN}", f"/reason{RUN}/tasks/one/-1/1"):
        page = await Browser(airflow, "nobody").get(path)
        assert page.status_code == 401
        assert "/api/v2/auth/login?next=%2Frunway-videos" in page.text
        assert "harbour" not in page.text


async def test_a_dag_that_may_not_be_read_answers_as_one_that_does_not_exist(airflow: AirflowStandIn) -> None:
    airflow.add("one", result(), dag_id="private")
    viewer = Browser(airflow, "viewer")
    for path in ("/dags/{}", "/dags/{}/runs/run", "/dags/{}/tasks/one", "/media/dags/{}/runs/run/tasks/one/-1/0"):
        forbidden, missing = [await viewer.get(path.format(dag_id)) for dag_id in ("private", "nowhere")]
        assert forbidden.status_code == missing.status_code == 404
        assert forbidden.text == missing.text
    assert read_titles(await viewer.get("/")) == []
    assert read_titles(await Browser(airflow).get("/dags/private")) == ["A harbour"]


@pytest.mark.parametrize(
    "path", ["/dags/~", "/dags/clips/runs/~", "/dags/clips/runs/run/tasks/~/-1", "/dags/clips/runs/run/tasks/one/x"]
)
async def test_no_id_means_all(airflow: AirflowStandIn, path: str) -> None:
    assert (await Browser(airflow).get(path)).status_code == 404
    assert airflow.calls == []


async def test_every_tile_and_the_head_line_are_on_the_page(airflow: AirflowStandIn, videos: Path) -> None:
    airflow.add("done", result(output_path=f"{videos}/clip.mp4", model="gen4", seed=7, last_frame_url=None))
    airflow.add("broken", state="failed", rendered_fields={"prompt_text": "A storm"})
    airflow.add("slow", state="deferred", rendered_fields={"prompt_text": "A glacier", "ratio": "9:16"})
    airflow.add("mine", result(prompt_text="By a class of the DAG's own"), operator="MyOperator")
    airflow.add("else", result(), operator="Other")
    page = await Browser(airflow).get(RUN)
    assert read_titles(page) == ["By a class of the DAG&#39;s own", "A glacier", "A storm", "A harbour"]
    head = re.sub(r"<[^>]+>|\s+", " ", page.text[page.text.index('id="totals"') : page.text.index("<nav")])
    assert "2 videos $1.00 1 waiting 1 failed" in " ".join(head.split())
    for text in ("gen4", "seed 7", "$0.50", "9:16", f"{videos}/clip.mp4", f"/runway-videos/media{RUN}/tasks/done/-1/0"):
        assert text in page.text
    assert f'data-url="/runway-videos/reason{RUN}/tasks/broken/-1/1"' in page.text


async def test_a_job_without_a_result_shows_its_prompt_where_lists_leave_it_out(airflow: AirflowStandIn) -> None:
    airflow.lists_rendered_fields = False
    airflow.add("broken", state="failed", rendered_fields={"prompt_text": "A storm"})
    airflow.add("slow", state="deferred", map_index=2, rendered_fields={"prompt_text": "A glacier"})
    airflow.add("queued", state="queued")
    assert read_titles(await Browser(airflow).get(RUN)) == ["queued", "A glacier", "A storm"]


async def test_the_way_back_from_the_login_is_quoted(airflow: AirflowStandIn) -> None:
    page = await Browser(airflow, "nobody").get("/dags/clips/runs/manual__2026-11-27T02%3A00%2B00%3A00")
    assert "next=%2Frunway-videos%2Fdags%2Fclips%2Fruns%2Fmanual__2026-11-27T02%253A00%252B00%253A00" in page.text


async def test_a_page_loads_nothing_but_its_own_files_and_its_videos(airflow: AirflowStandIn) -> None:
    airflow.add("one", result(output_url="https://cdn.example:8443/a.mp4"))
    page = await Browser(airflow).get(RUN)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["media-src"] == "'self' https://cdn.example:8443"
    assert (policy["frame-ancestors"], policy["base-uri"]) == ("'self'", "'none'")
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:", page.text)
    for asset in re.findall(r'(?:src|href)="(/runway-videos/static/[^"]+)"', page.text):
        assert (await Browser(airflow).get(asset.removeprefix("/runway-videos"))).status_code == 200


HOSTILE = [
    result(**dict.fromkeys(("prompt_text", "model", "request_id", "output_path"), "<script>alert(1)</script>\"'")),
    result(output_url="javascript:alert(1)", output_path="javascript:alert(1)"),
    result(output_url="https://h.example/;script-src *", output_path="/etc/passwd"),
    result(output_url="https://h.example\r\nX-Bad: 1", submitted_at="9" * 30, completed_at=1e300, cost="nan"),
    result(output_paths=["{videos}/../../../etc/passwd"], output_urls=[{}]),
    result(prompt_text="{{ 7 * 7 }}{% raw %}", seed="<b>", metrics=7),
    {"result_uri": "/etc/passwd", "counts": {"<script>": 1}},
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_hostile_xcom_is_shown_as_text_and_followed_nowhere(
    airflow: AirflowStandIn, videos: Path, value: dict[str, Any]
) -> None:
    value = json.loads(json.dumps(value).replace("{videos}", str(videos)))
    airflow.add("one", value, rendered_map_index="<script>alert(1)</script>")
    for path in (RUN, f"{RUN}/tasks/one/-1", "/"):
        page = await Browser(airflow).get(path)
        assert page.status_code == 200
        assert not re.search(r"<script(?! src=)|<b>|(?:src|href)=\"(?!/|https://(?:h|cdn)\.example/)", page.text)
        assert "49" not in read_titles(page)
        assert "script-src *" not in page.headers["content-security-policy"]
        assert "x-bad" not in page.headers
    for row in ("", "?row=0", "?row=-1", "?row=x"):
        media = await Browser(airflow).get(f"/media{RUN}/tasks/one/-1/0{row}")
        assert media.status_code == 404
        assert "root:" not in media.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(CLIP.read_bytes(), 200, id="a video"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(20), 200, id="an image"),
        pytest.param(b"root:x:0:0", 404, id="a text"),
        pytest.param(b"<html><script>alert(1)</script>", 404, id="a page"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 404, id="an SVG"),
        pytest.param(b"", 404, id="nothing"),
    ],
)
async def test_a_stored_file_is_sent_only_if_its_bytes_are_a_video_or_an_image(
    airflow: AirflowStandIn, videos: Path, content: bytes, status: int
) -> None:
    (videos / "file.mp4").write_bytes(content)
    airflow.add("one", result(output_path=f"{videos}/file.mp4"))
    media = await Browser(airflow).get(f"/media{RUN}/tasks/one/-1/0")
    assert media.status_code == status
    if status == 200:
        assert media.content == content
        assert media.headers["content-type"] in ("video/mp4", "image/png")
        assert media.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in media.headers["content-security-policy"]


async def test_no_device_pipe_or_folder_is_opened(airflow: AirflowStandIn, videos: Path) -> None:
    os.mkfifo(videos / "pipe.mp4")
    (videos / "folder.mp4").mkdir()
    airflow.add("one", result(output_paths=[f"{videos}/pipe.mp4", f"{videos}/folder.mp4", f"{videos}/missing.mp4"]))
    for index in range(3):
        assert (await Browser(airflow).get(f"/media{RUN}/tasks/one/-1/{index}")).status_code == 404


async def test_a_range_of_a_video_is_sent_and_no_more(airflow: AirflowStandIn, videos: Path) -> None:
    airflow.add("one", result(output_path=f"{videos}/clip.mp4"))
    browser, path, content = Browser(airflow), f"/media{RUN}/tasks/one/-1/0", CLIP.read_bytes()
    part = await browser.get(path, range="bytes=100-199")
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert part.headers["content-encoding"] == "identity"
    beyond = await browser.get(path, range=f"bytes={len(content)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert (await browser.get(path, if_none_match=part.headers["etag"])).status_code == 304
    (videos / "clip.mp4").write_bytes(content * 2)
    assert (await browser.get(path, range="bytes=0-9", if_range=part.headers["etag"])).status_code == 200
    head = await browser.client.head(f"/runway-videos{path}")
    assert (head.headers["content-length"], head.content) == (str(len(content) * 2), b"")
    named = await browser.get(f"{path}?download=1")
    assert named.headers["content-disposition"] == 'attachment; filename="clip.mp4"'


async def test_a_large_video_starts_without_being_read_whole(
    airflow: AirflowStandIn, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 70 * 1024 * 1024
    with (videos / "large.mp4").open("wb") as file:
        file.write(CLIP.read_bytes())
        file.truncate(size)
    airflow.add("one", result(output_path=f"{videos}/large.mp4"))
    part = await Browser(airflow).get(f"/media{RUN}/tasks/one/-1/0", range="bytes=0-")
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 0-{2 * 1024 * 1024 - 1}/{size}"
    assert len(part.content) == 2 * 1024 * 1024


async def test_an_old_video_that_is_stored_elsewhere_has_only_its_name(airflow: AirflowStandIn, videos: Path) -> None:
    airflow.add("one", result(output_path="/elsewhere/a.mp4", completed_at="2026-01-01T00:00:00Z"))
    page = await Browser(airflow).get(RUN)
    assert "cdn.example" not in page.text
    assert "/elsewhere/a.mp4" in page.text
    assert "outside of [runway] videos_roots. Its public URL has expired." in page.text


@pytest.fixture
def many(airflow: AirflowStandIn) -> AirflowStandIn:
    """Sixty jobs, of which every tenth failed."""
    for index in range(60):
        state = "failed" if index % 10 == 0 else "success"
        value = None if state == "failed" else result(prompt_text=f"Prompt {index:02}", request_id=f"id-{index}")
        airflow.add("each", value, map_index=index, state=state)
    return airflow


async def test_a_run_with_many_jobs_is_paged_newest_first(many: AirflowStandIn) -> None:
    browser = Browser(many)
    pages = [read_titles(await browser.get(f"{RUN}?offset={offset}")) for offset in (0, 24, 48)]
    assert [len(titles) for titles in pages] == [24, 24, 12]
    assert (pages[0][0], pages[0][-1], pages[1][0]) == ("Prompt 59", "Prompt 36", "Prompt 35")
    first = await browser.get(RUN)
    assert "1 to 24 of 60" in first.text
    assert f'data-url="/runway-videos/totals{RUN}"' in first.text
    totals = await browser.get(f"/totals{RUN}")
    assert re.sub(r"<[^>]+>|\s+", " ", totals.text).split() == ["54", "videos", "$27.00", "6", "failed"]


def count_xcoms_read(airflow: AirflowStandIn) -> int:
    """Return how many XComs were asked for since the last call of this."""
    count = sum("/xcomEntries/return_value" in path for path in airflow.calls)
    airflow.calls.clear()
    return count


async def test_results_are_read_once_and_then_one_of_each_dag(many: AirflowStandIn) -> None:
    many.add("one", result(), dag_id="private")
    totals = (await Browser(many).get("/totals/")).text
    assert count_xcoms_read(many) == 55
    assert (await Browser(many).get("/totals/")).text == totals
    assert count_xcoms_read(many) == 2
    assert "54" in (await Browser(many, "viewer").get("/totals/")).text
    assert count_xcoms_read(many) == 1


async def test_kept_results_are_only_for_those_who_may_read_xcoms(many: AirflowStandIn) -> None:
    assert "Prompt" in (await Browser(many).get(RUN)).text
    assert "Prompt" not in (await Browser(many, "without_xcoms").get(RUN)).text


async def test_a_new_try_has_a_result_of_its_own(airflow: AirflowStandIn) -> None:
    for dag_id, task_id in (("clips", "other"), ("clips", "one")):
        airflow.add(task_id, result(prompt_text="First"), dag_id=dag_id)
    assert read_titles(await Browser(airflow).get(RUN)) == ["First", "First"]
    airflow.xcoms["clips", "run", "other", -1, "return_value"] = result(prompt_text="Second")
    airflow.tasks[1] |= {"try_number": 2, "end_date": "2099-01-02T00:00:00Z"}
    assert read_titles(await Browser(airflow).get(RUN)) == ["First", "Second"]


async def test_filters_by_state_and_text_keep_what_matches(many: AirflowStandIn) -> None:
    browser = Browser(many)
    assert len(read_titles(await browser.get(f"{RUN}?state=failed"))) == 6
    assert read_titles(await browser.get(f"{RUN}?q=PROMPT+07")) == ["Prompt 07"]
    assert read_titles(await browser.get(f"{RUN}?q=id-41&state=success")) == ["Prompt 41"]
    assert "No match" in (await browser.get(f"{RUN}?q=nothing")).text
    odd = await browser.get(f"{RUN}?state=%3Cb%3E&offset=-5&q=%3Cb%3E")
    assert odd.status_code == 200
    assert "<b>" not in odd.text


async def test_a_task_instance_page_shows_this_instance_only(many: AirflowStandIn) -> None:
    browser = Browser(many)
    assert read_titles(await browser.get(f"{RUN}/tasks/each/7")) == ["Prompt 07"]
    assert len(read_titles(await browser.get(f"{RUN}/tasks/each/%7BMAP_INDEX%7D"))) == 24
    assert len(read_titles(await browser.get("/dags/clips/tasks/each"))) == 24


@pytest.fixture
def batch(airflow: AirflowStandIn, videos: Path) -> AirflowStandIn:
    """A batch of thirty rows, one of which failed and one of which cannot be read."""
    rows = [
        {"custom_id": f"shot-{i}", "status": "success", "prompt_text": f"Row {i}", "output_path": f"{videos}/clip.mp4"}
        for i in range(30)
    ]
    rows[3] = {"status": "blocked", "prompt_text": "Row 3", "error": "It was refused."}
    lines = [json.dumps(row) for row in rows]
    lines[4] = "{broken"
    (videos / "results.jsonl").write_text("\n".join(lines))
    manifest = {
        "result_uri": f"{videos}/results.jsonl",
        "request_count": 30,
        "counts": {"success": 28, "blocked": 2},
        "cost": 14,
    }
    airflow.add("batch", manifest, operator="RunwayGenerateBatchOperator")
    return airflow


async def test_a_batch_shows_its_counts_in_the_run_and_its_rows_on_its_own_page(batch: AirflowStandIn) -> None:
    browser = Browser(batch)
    run = await browser.get(RUN)
    assert "A batch of 30 jobs" in run.text
    assert re.search(r"<strong>28</strong> videos.*\$14\.00.*<strong>2</strong> failed", run.text, re.DOTALL)
    rows = await browser.get(f"{RUN}/tasks/batch/-1")
    assert read_titles(rows)[:4] == ["Row 0", "Row 1", "Row 2", "Row 3"]
    assert len(read_titles(rows)) == 24
    assert "It was refused." in rows.text
    assert len(read_titles(await browser.get(f"{RUN}/tasks/batch/-1?offset=24"))) == 6
    assert read_titles(await browser.get(f"{RUN}/tasks/batch/-1?q=shot-29")) == ["Row 29"]
    assert read_titles(await browser.get(f"{RUN}/tasks/batch/-1?state=failed"))[0] == "Row 3"
    media = await browser.get(f"/media{RUN}/tasks/batch/-1/0?row=29")
    assert media.content == CLIP.read_bytes()
    assert (await browser.get(f"/media{RUN}/tasks/batch/-1/0?row=30")).status_code == 404


async def test_results_outside_of_the_roots_are_not_read(
    batch: AirflowStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__RUNWAY__VIDEOS_ROOTS")
    page = await Browser(batch).get(f"{RUN}/tasks/batch/-1")
    assert read_titles(page) == []
    assert "results.jsonl cannot be shown: it is not below [runway] videos_roots." in page.text


async def test_the_reason_of_a_failure_comes_from_the_log(airflow: AirflowStandIn) -> None:
    airflow.add("one", state="failed")
    airflow.log = [{"event": "Task failed", "level": "error", "error_detail": [{"exc_value": "<b>refused</b>"}]}]
    answer = await Browser(airflow).get(f"/reason{RUN}/tasks/one/-1/1")
    assert answer.json() == {"reason": "<b>refused</b>"}
    assert answer.headers["content-type"] == "application/json"


async def test_an_error_of_airflow_is_said_and_its_text_is_not_shown(airflow: AirflowStandIn) -> None:
    airflow.is_broken = True
    page = await Browser(airflow).get(RUN)
    assert page.status_code == 502
    assert "Airflow did not answer" in page.text
    assert "broken" not in page.text


async def test_a_base_url_with_a_path_is_in_every_address(airflow: AirflowStandIn, videos: Path) -> None:
    airflow.add("one", result(output_path=f"{videos}/clip.mp4"))
    page = await Browser(airflow, root_path="/team").get(RUN)
    addresses = re.findall(r'(?:src|href|action)="(/[^"]*)"', page.text)
    assert addresses
    assert all(address.startswith("/team/") for address in addresses)
    assert 'href="/team/dags/clips/runs/run/tasks/one"' in page.text
