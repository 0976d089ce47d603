"""A storage in memory, which stands in for an object store on both versions of Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import pytest
from fsspec.implementations.memory import MemoryFileSystem


@pytest.fixture
def memory_storage(empty_connection_table: None) -> Iterator[MemoryFileSystem]:
    """An empty storage, at ``memory://``."""
    store = import_module("airflow.sdk.io.store" if find_spec("airflow.sdk") else "airflow.io.store")
    storage = MemoryFileSystem()
    MemoryFileSystem.store.clear()
    store.attach("memory", fs=storage)
    yield storage
    del store._STORE_CACHE["memory"]
