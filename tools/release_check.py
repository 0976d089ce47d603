"""All that is checked before a release: ``make release-check``. It publishes nothing.

The files are built twice and compared, and the wheel is installed into clean environments with both ends of the
supported Airflow. ``dist/`` then also has ``sbom-airflow-*.json`` (CycloneDX) and ``licences-airflow-*.md`` of all that
was installed there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_provider_runway import __version__
from build_dist import ROOT, build_dist
from check_wheel import check, check_files, check_install, run_command

#: Airflow -> the Pythons that may run it, the preferred one first.
ENDS = {"3.3": (sys.executable,), "2.11": (sys.executable, "python3.12", "python3.11")}
#: Licences that a dependency may have, beside combinations of them. Another one is looked at before a release.
#: "Artistic" is the one to choose for text-unidecode, which Airflow brings and which offers the GPL, too.
KNOWN_LICENCES = re.compile(
    r"apache|artistic|mit\b|bsd|isc|psf|python software|mpl|mozilla|lgpl|unlicense|zlib|0bsd|cc0|hpnd|zpl"
    r"|public domain",
    re.IGNORECASE,
)


def find_changelog_version(changelog: str) -> str:
    """Return the version of the changelog's first section."""
    found = re.search(r"^## (\d+\.\d+\.\d+\S*)", changelog, re.MULTILINE)
    return found[1] if found else ""


def check_same_bytes(uv: str, dist: Path) -> list[Path]:
    """Build twice, in different folders, and return the files of the first build."""
    files = build_dist(uv, dist)
    with tempfile.TemporaryDirectory() as temporary:
        again = build_dist(uv, Path(temporary) / "dist")
        sums = [
            {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in built} for built in (files, again)
        ]
    for name, digest in sums[0].items():
        check(sums[1].get(name) == digest, f"a second build of {name} has the same bytes, sha256 {digest[:16]}…")
    return files


def run_demo_dag(python: Path, home: Path) -> None:
    """Run the demo's DAG in a clean environment, with the emulator of the wheel."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    script = f"""
import json, os, subprocess, sys
from airflow_provider_runway.emulator import Emulator
with Emulator(time_scale=0.01) as gateway:
    extra = {{"storage_url": gateway.storage_url, "history_url": gateway.history_url}}
    connection = {{"conn_type": "runway", "host": gateway.url, "password": gateway.test_key, "extra": extra}}
    os.environ["AIRFLOW_CONN_RUNWAY_DEFAULT"] = json.dumps(connection)
    conf = json.dumps({{"output_path": {str(home / "videos")!r} + "/"}})
    command = ["airflow", "dags", "test", "runway_image_to_video", "2026-01-02", "--conf", conf]
    ended = subprocess.run(command, capture_output=True, text=True)
    ledger = gateway.ledger()
log = ended.stdout[-3000:] + ended.stderr[-3000:]
print(json.dumps({{"code": ended.returncode, "jobs": [job["billed"] for job in ledger["jobs"]], "log": log}}))
"""
    run_command([str(python.parent / "airflow"), "db", "migrate"], env, str(home.parent))
    report = json.loads(run_command([str(python), "-c", script], env, str(home.parent)).splitlines()[-1])
    check(
        report["code"] == 0 and report["jobs"] == [True, True],
        f"the demo's DAG makes its two videos with the wheel's emulator{'' if report['code'] == 0 else report['log']}",
    )
    check(len(list((home / "videos").glob("*.mp4"))) == 1, "and stores the one that is asked for")


def list_dependencies(tools: Path, python: Path, airflow: str, dist: Path) -> None:
    """Write the software bill of materials and the list of licences of an environment, and check the licences."""
    sbom = dist / f"sbom-airflow-{airflow}.json"
    cyclonedx = [str(tools / "cyclonedx-py"), "environment", str(python), "--output-reproducible", "-o", str(sbom)]
    run_command(cyclonedx, dict(os.environ), str(ROOT))
    components = json.loads(sbom.read_text())["components"]
    check(len(components) > 50, f"{sbom.name} lists {len(components)} components")
    command = [str(tools / "pip-licenses"), f"--python={python}", "--from=mixed", "--format=json"]
    licences = json.loads(run_command(command, dict(os.environ), str(ROOT)))
    (dist / f"licences-airflow-{airflow}.md").write_text(render_licences(licences))
    unusual = [f"{each['Name']} ({each['License']})" for each in licences if not KNOWN_LICENCES.search(each["License"])]
    print(f"  note    licences to look at: {', '.join(unusual) or 'none'}", flush=True)


def render_licences(licences: Sequence[Mapping[str, str]]) -> str:
    """Return a table of packages and their licences. Some packages have the whole text in the place of the name."""
    rows = sorted((" ".join(each["License"].split())[:100], each["Name"], each["Version"]) for each in licences)
    lines = [f"| {name} | {version} | {licence} |\n" for licence, name, version in rows]
    return "| package | version | licence |\n| --- | --- | --- |\n" + "".join(lines)


def audit(tools: Path, dist: Path, airflow: str) -> None:
    """Look known vulnerabilities up, where the index of advisories can be reached; else say that it was not done.

    What is found is for a person to judge: most of it is Airflow's, and Airflow's own releases mend it.
    """
    report = dist / f"audit-airflow-{airflow}.json"
    constraints = ROOT / "constraints" / f"airflow-{airflow}.txt"
    command = [str(tools / "pip-audit"), "-r", str(constraints), "--no-deps", "--disable-pip", "-f", "json"]
    done = subprocess.run([*command, "-o", str(report)], capture_output=True, text=True, check=False, timeout=600)
    dependencies = json.loads(report.read_text())["dependencies"] if report.exists() else []
    audited = [each for each in dependencies if "vulns" in each]  # pip-audit calls what it skipped free of them
    if not audited:
        skipped = [each["skip_reason"] for each in dependencies]
        reason = (skipped or done.stderr.strip().splitlines()[-1:] or ["no reason given"])[0]
        print(f"  NOT DONE  no audit for known vulnerabilities: {reason[:200]}", flush=True)
        return
    check(len(audited) > len(dependencies) // 2, f"{len(audited)} of {len(dependencies)} packages are audited")
    found = [each for each in audited if each["vulns"]]
    names = ", ".join(f"{each['name']} {each['version']}" for each in found) or "none"
    print(f"  note    packages with known vulnerabilities: {names}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all checks; the first one that fails ends them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--uv", required=True)
    parser.add_argument("--tools", type=Path, required=True, help="the bin folder with twine, cyclonedx-py and others")
    parser.add_argument("--no-audit", action="store_true", help="do not ask for known vulnerabilities")
    given = parser.parse_args(arguments)
    uv, tools, dist = str(Path(given.uv).absolute()), given.tools.absolute(), ROOT / "dist"
    version = find_changelog_version((ROOT / "CHANGELOG.md").read_text())
    check(version == __version__, f"the changelog begins with the package's version, {__version__}")
    files = check_same_bytes(uv, dist)
    run_command([str(tools / "twine"), "check", "--strict", *map(str, files)], dict(os.environ), str(ROOT))
    check(True, "twine accepts both files")
    (wheel,) = (file for file in files if file.suffix == ".whl")
    check(wheel.name.split("-")[1] == __version__, f"the wheel is of version {__version__}")
    check_files(wheel)
    for airflow, pythons in ENDS.items():
        python = find_python(pythons, airflow)
        if python is None:
            print(f"  NOT DONE  no Python for Airflow {airflow} on this machine", flush=True)
            continue
        print(f"Airflow {airflow}", flush=True)
        constraints = ROOT / "constraints" / f"airflow-{airflow}.txt"
        with check_install(wheel, Path(uv), constraints, python) as environment:
            run_demo_dag(environment / "bin" / "python", environment.parent / "demo")
            list_dependencies(tools, environment / "bin" / "python", airflow, dist)
        if not given.no_audit:
            audit(tools, dist, airflow)


def find_python(candidates: Sequence[str], airflow: str) -> str | None:
    """Return the first of the Pythons that is there and that this Airflow runs on."""
    highest = (3, 12) if airflow == "2.11" else (3, 14)
    script = f"import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= {highest})"
    for candidate in candidates:
        try:
            if subprocess.run([candidate, "-c", script], capture_output=True, check=False).returncode == 0:
                return candidate
        except FileNotFoundError:
            continue
    return None


if __name__ == "__main__":
    main()
