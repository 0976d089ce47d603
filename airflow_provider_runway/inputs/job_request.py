"""The job that one task instance asks for: its identity, its inputs and its body."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

#: The largest seed that the models take (their pages on Segmind); the smallest is 1.
MAX_SEED = 99_999
#: Rows of a batch whose derived seeds differ by construction, in each of their first nine generations.
MAX_ROWS_WITHOUT_COLLISION = 10_000


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """The task instance that a job belongs to.

    :param map_index: -1 for a task that is not mapped.
    :param deployment_id: tells apart two Airflows that share one API key, and may have the same DAGs.
    :param region_id: the iteration of a loop, where Airflow has loops.
    :param batch_id: which batch of the task instance it is, where one task has many jobs.
    :param row_id: the row of the batch. :param row_index: its position, from 0.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1
    deployment_id: str = ""
    region_id: str | None = None
    batch_id: str | None = None
    row_id: str | None = None
    row_index: int = 0

    @property
    def key(self) -> str:
        """A text that no other task instance has."""
        parts = (self._key_of_siblings, str(self.map_index))
        return "\x1f".join(parts if self.batch_id is None else (*parts, self.batch_id, self.row_id or ""))

    @property
    def _key_of_siblings(self) -> str:
        parts = (self.deployment_id, self.dag_id, self.task_id, self.run_id, self.region_id or "")
        return "\x1f".join(parts)

    def seed(self, generation: int) -> int:
        """Return the seed, from 1 to 99999, of a job whose author gave none.

        All tries of a task instance get the same seed, so that a repeated submit has the same body. Mapped
        siblings get different ones, so that no two of them ever send the same body. So does each
        generation, so that a new job is not mistaken for the old one. The rows of a batch get different ones
        as well, in each generation, as long as there are at most :data:`MAX_ROWS_WITHOUT_COLLISION`.
        """
        if self.batch_id is not None:
            text = "\x1f".join((self._key_of_siblings, str(self.map_index), self.batch_id))
            return (_hash_to_int(text) + self.row_index + generation * MAX_ROWS_WITHOUT_COLLISION) % MAX_SEED + 1
        text = "\x1f".join((self._key_of_siblings, str(generation)))
        return (_hash_to_int(text) + self.map_index) % MAX_SEED + 1


def _hash_to_int(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class BodyBuilder(Protocol):
    """Builds the body of a submit."""

    def __call__(self, seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        """Return the fields of the body."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One logical job, checked and ready to be submitted.

    :param fingerprint: a digest of the inputs; a retry compares it with that of the earlier try.
    :param build_body_with_seed: returns the body with a seed (None: with the author's own, or with none). With
        ``sending=True`` it uploads a local image first and puts its URL into the body.
    :param derives_seed: True where the author gave no seed and the model takes one.
    :param seed: the author's own seed.
    :param image_field: the field that holds the URL of an uploaded image, which may differ from try to try;
        None where nothing is uploaded.
    """

    identity: JobIdentity
    model: str
    fingerprint: str
    build_body_with_seed: BodyBuilder = field(repr=False)
    derives_seed: bool
    seed: int | None
    image_field: str | None


def fingerprint(conn_id: str, model: str, body: Mapping[str, Any], image_sha256: str | None = None) -> str:
    """Return a short digest of a job's inputs, from which none of them can be read.

    :param body: the fields as they are sent, without a derived seed.
    :param image_sha256: the digest of an uploaded image's bytes; its URL differs with every upload.
    """
    text = json.dumps([conn_id, model, body, image_sha256], sort_keys=True, ensure_ascii=False)
    return make_digest(text)


def make_digest(value: Any) -> str:
    """Return a short digest of a text, from which the text cannot be read."""
    return hashlib.sha256(str(value).encode()).hexdigest()[:16]
