"""Which logical job this is: the task instance, its inputs, and the seed that makes both recognisable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The models' range for a seed (their pages on Segmind).
SEEDS = 99_999


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """The task instance that a job belongs to. ``map_index`` is -1 for a task that is not mapped."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1

    def seed(self, generation: int) -> int:
        """Return the seed for a job whose author gave none, from 1 to 99999.

        The same for every try of a task instance, so that a repeated submit has the same body; another
        one for each mapped sibling, so that no two of them ever send the same body; another one for
        each generation, so that a job asked for anew is not taken for the old one.
        """
        text = "\x1f".join((self.dag_id, self.task_id, self.run_id, str(generation)))
        base = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return (base + self.map_index) % SEEDS + 1


def fingerprint(conn_id: str, model: str, body: Mapping[str, Any], picture: str | None = None) -> str:
    """Return a short digest of a job's inputs: the same for the same inputs, and nothing can be read from it.

    :param body: the fields as they are sent, without a seed that we derived.
    :param picture: the digest of an uploaded picture's bytes; its URL differs with every upload.
    """
    text = json.dumps([conn_id, model, body, picture], sort_keys=True, ensure_ascii=False)
    return digest_of(text)


def digest_of(value: Any) -> str:
    """Return a short digest of a text, from which it cannot be read."""
    return hashlib.sha256(str(value).encode()).hexdigest()[:16]


def same_body(sent: Mapping[str, Any], recorded: Mapping[str, Any], ignoring: frozenset[str] = frozenset()) -> bool:
    """Is a body in the history the one that we sent?

    Fields that we did not send are not compared, for the gateway may record its defaults; numbers
    may have become text on the way.
    """
    return all(name in ignoring or _plain(recorded.get(name)) == _plain(value) for name, value in sent.items())


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return f"{value:g}" if value % 1 else str(int(value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
