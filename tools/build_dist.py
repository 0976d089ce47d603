"""Builds the wheel and the source archive from the committed files, so that one commit always gives the same bytes.

    SOURCE_DATE_EPOCH=… python tools/build_dist.py --uv .uv/bin/uv dist

Without ``SOURCE_DATE_EPOCH`` the time of the commit counts. What is not committed is not in the build.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def get_source_date() -> int:
    """Return the epoch second that all files of a build get."""
    if (value := os.environ.get("SOURCE_DATE_EPOCH")) is not None:
        return int(value)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def build_dist(uv: str, target: Path, commit: str = "HEAD") -> list[Path]:
    """Build a commit into an empty folder and return the files: the source archive and the wheel."""
    source_date = get_source_date()
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = ["git", "archive", "--format=tar", commit]
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(temporary, filter="data")
        subprocess.run(
            [uv, "build", "-q", "--no-create-gitignore", "--out-dir", str(target.resolve()), temporary],
            env=os.environ | {"SOURCE_DATE_EPOCH": str(source_date)},
            check=True,
        )
    for file in target.glob("*.tar.gz"):
        file.write_bytes(normalise_archive(file.read_bytes(), source_date))
    return sorted(target.iterdir())


def normalise_archive(data: bytes, source_date: int) -> bytes:
    """Return a ``.tar.gz`` with the same files in the order of their names, all of one time and of no owner.

    The wheel is built that way; setuptools writes the times and owners of the machine into a source archive.
    """
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as source,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda each: each.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = source_date, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return gzip.compress(packed.getvalue(), compresslevel=9, mtime=source_date)


def main() -> None:
    """Build into the folder that the command line names, and print the names of the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--uv", required=True)
    given = parser.parse_args()
    print(*(file.name for file in build_dist(str(Path(given.uv).absolute()), given.target)), sep="\n")


if __name__ == "__main__":
    main()
