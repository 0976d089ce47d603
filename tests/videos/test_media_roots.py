"""Which stored files the pages may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_runway.videos.media_roots import MediaRoots, StoredFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``videos/`` with a video in it, beside a folder and a file that are not for the pages."""
    for name in ("videos/clip.mp4", "videos-private/clip.mp4", "secret.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "videos" / "link.mp4").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "videos" / "folder").symlink_to(tmp_path / "videos-private")
    return tmp_path


@pytest.mark.parametrize("name", ["videos/clip.mp4", "videos/../videos/clip.mp4", "videos/./clip.mp4"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_below_a_root_is_found(folder: Path, name: str, scheme: str) -> None:
    found = MediaRoots([f"{folder}/videos"]).find_file(f"{scheme}{folder}/{name}", "dag")
    assert found == StoredFile(f"{folder}/videos/clip.mp4")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("{folder}/secret.txt", id="outside"),
        pytest.param("{folder}/videos/../secret.txt", id="dots"),
        pytest.param("{folder}/videos/link.mp4", id="a link to the outside"),
        pytest.param("{folder}/videos/folder/clip.mp4", id="through a linked folder"),
        pytest.param("{folder}/videos-private/clip.mp4", id="a sibling with the same beginning"),
        pytest.param("{folder}/videos", id="the root itself"),
        pytest.param("file://{folder}/secret.txt", id="as a file URL"),
        pytest.param("file://localhost{folder}/videos/clip.mp4", id="a file URL with a host"),
        pytest.param("videos/clip.mp4", id="relative"),
        pytest.param("s3://bucket/clip.mp4", id="another storage"),
        pytest.param("{folder}/videos/clip.mp4\0.txt", id="a NUL"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_file_outside_of_the_roots_is_not_found(folder: Path, path: str) -> None:
    assert MediaRoots([f"{folder}/videos"]).find_file(path.format(folder=folder), "dag") is None


def test_a_file_of_a_bucket_is_read_with_the_connection_of_its_root(subtests: pytest.Subtests) -> None:
    for path in ("s3://bucket/videos/a/clip.mp4", "s3://aws@bucket/videos/a/clip.mp4", "S3://bucket/videos/a/clip.mp4"):
        with subtests.test(path=path):
            found = MediaRoots(["s3://aws@bucket/videos/"]).find_file(path, "dag")
            assert found == StoredFile("s3://bucket/videos/a/clip.mp4", "aws")


def test_a_file_elsewhere_in_a_storage_is_not_found(subtests: pytest.Subtests) -> None:
    for path in (
        "s3://bucket/other/clip.mp4",
        "s3://bucket/videos-private/clip.mp4",
        "s3://bucket/videos/../other/clip.mp4",
        "s3://bucket/videos//clip.mp4",
        "s3://bucket2/videos/clip.mp4",
        "gs://bucket/videos/clip.mp4",
        "s3://admin@bucket/videos/clip.mp4",
        "s3://bucket@other/videos/clip.mp4",
        "/bucket/videos/clip.mp4",
    ):
        with subtests.test(path=path):
            assert MediaRoots(["s3://aws@bucket/videos"]).find_file(path, "dag") is None


def test_without_a_connection_in_the_root_no_xcom_can_name_one() -> None:
    roots = MediaRoots(["s3://bucket"])
    assert roots.find_file("s3://bucket/clip.mp4", "dag") == StoredFile("s3://bucket/clip.mp4")
    assert roots.find_file("s3://admin@bucket/clip.mp4", "dag") is None


def test_a_root_per_dag_hides_the_videos_of_other_dags(tmp_path: Path) -> None:
    roots = MediaRoots.from_config(f"{tmp_path}/{{dag_id}},\n s3://aws@bucket/{{dag_id}}/out")
    assert roots.find_file(f"{tmp_path}/one/clip.mp4", "one") is not None
    assert roots.find_file("s3://bucket/one/out/clip.mp4", "one") is not None
    for dag_id in ("two", "..", ".", ""):
        assert roots.find_file(f"{tmp_path}/one/clip.mp4", dag_id) is None
        assert roots.find_file("s3://bucket/one/out/clip.mp4", dag_id) is None


def test_a_root_that_would_allow_everything_or_nothing_is_left_out(subtests: pytest.Subtests) -> None:
    for root in ("/", "//", "/tmp/..", "videos", "s3://", "s3:///videos", "file://videos"):
        with subtests.test(root=root):
            assert MediaRoots.from_config(root).roots == ()
            assert MediaRoots.from_config(None).roots == ()
