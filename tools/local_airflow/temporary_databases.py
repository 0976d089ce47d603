"""Databases of a PostgreSQL and of a Redis that run on this machine, made for one run and removed after it.

``RUNWAY_TEST_POSTGRES_URL`` and ``RUNWAY_TEST_REDIS_URL`` name other servers than the usual local ones.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

POSTGRES_URL = os.environ.get("RUNWAY_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432")
REDIS_URL = os.environ.get("RUNWAY_TEST_REDIS_URL", "redis://127.0.0.1:6379")


class MissingServerError(Exception):
    """A server does not run on this machine, or has no database to give."""


@contextmanager
def make_postgres_database(prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the SQLAlchemy URL of an empty database, and drop it afterwards.

    :raises MissingServerError: there is no server in which this user may make one.
    """
    name = f"{prefix}_{uuid.uuid4().hex[:8]}"
    try:
        run_on_postgres(f"CREATE DATABASE {name}")
    except psycopg2.Error as problem:
        raise MissingServerError(f"no PostgreSQL at {POSTGRES_URL} (RUNWAY_TEST_POSTGRES_URL): {problem}") from None
    try:
        yield name, f"{POSTGRES_URL.replace('postgresql://', 'postgresql+psycopg2://')}/{name}"
    finally:
        run_on_postgres(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", f"DROP DATABASE {name} WITH (FORCE)")


def run_on_postgres(*statements: str) -> None:
    """Run statements outside of any transaction."""
    with closing(psycopg2.connect(f"{POSTGRES_URL}/postgres", connect_timeout=5)) as server:
        server.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        for statement in statements:
            server.cursor().execute(statement)


@contextmanager
def reserve_redis_database() -> Iterator[str]:
    """Yield the URL of a database that has no keys, and remove all its keys afterwards.

    :raises MissingServerError: there is no server, or all its databases have keys.
    """
    import redis  # only the environment with Celery has it

    for number in range(1, 16):
        url = f"{REDIS_URL}/{number}"
        with closing(redis.Redis.from_url(url)) as client:
            try:
                has_keys = bool(client.dbsize())
            except redis.RedisError as problem:
                raise MissingServerError(f"no Redis at {REDIS_URL} (RUNWAY_TEST_REDIS_URL): {problem}") from None
            if has_keys:
                continue
            try:
                yield url
            finally:
                client.flushdb()
            return
    raise MissingServerError(f"all databases of the Redis at {REDIS_URL} have keys")


def build_celery_environment(database_url: str, broker_url: str) -> dict[str, str]:
    """Return the settings of a Celery executor that notices a killed worker soon."""
    return {
        "AIRFLOW__CELERY__BROKER_URL": broker_url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database_url}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
        # A message that a killed worker had taken goes to another worker after this time.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    }
