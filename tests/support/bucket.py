"""An S3 bucket on this machine for tests: moto serves it, and Airflow reaches it by a connection."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import requests

from local_airflow import ChildProcess, wait_until
from local_airflow.airflow_settings import find_free_port

NAME, KEY, SECRET, REGION = "videos", "test", "test", "us-east-1"


class Bucket:
    """``s3://videos``, which Airflow reaches by the connection ``aws_default``.

    :param endpoint: URL of the server.
    """

    url = f"s3://aws_default@{NAME}"

    def __init__(self, endpoint: str) -> None:
        self._s3 = boto3.client(
            "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION
        )
        self._s3.create_bucket(Bucket=NAME)
        extra = {"endpoint_url": endpoint, "region_name": REGION}
        #: For ``AIRFLOW_CONN_AWS_DEFAULT``.
        self.connection = json.dumps({"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra})

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the objects in a folder."""
        found = self._s3.list_objects_v2(Bucket=NAME, Prefix=f"{folder}/").get("Contents", [])
        return sorted(entry["Key"].removeprefix(f"{folder}/") for entry in found)

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return bytes(self._s3.get_object(Bucket=NAME, Key=key)["Body"].read())

    def write(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._s3.put_object(Bucket=NAME, Key=key, Body=data)

    def remove(self, key: str) -> None:
        """Delete an object."""
        self._s3.delete_object(Bucket=NAME, Key=key)


@contextmanager
def serving_bucket(home: Path) -> Iterator[Bucket]:
    """Start a server for an empty bucket, and stop it.

    :param home: a folder for its log.
    """
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = ChildProcess("moto", command, os.environ, home, home / "moto.log")

    def is_ready() -> bool:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(is_ready, timeout_s=60, what="the start of the bucket's server", explain=server.read_log_tail)
        yield Bucket(url)
    finally:
        server.stop()
