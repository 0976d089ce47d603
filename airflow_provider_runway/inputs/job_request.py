"""One logical job, as the author wants it: what the decision and the submit need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_runway.inputs.identity import JobIdentity


class BodyBuilder(Protocol):
    """Builds a job's body."""

    def __call__(self, seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        """Return the fields as they are sent."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One logical job as the author wants it.

    :param body_with: returns the body with a seed (None: the author's own, or the model takes none); with
        ``sending``, a local picture has been uploaded and its URL is in it.
    :param derives_seed: the author gave no seed, and the model takes one.
    :param picture_field: the field that holds an uploaded picture's URL, which may differ from try to try.
    :param since: epoch seconds before which no earlier try can have submitted.
    """

    identity: JobIdentity
    model: str
    fingerprint: str
    build_body_with_seed: BodyBuilder = field(repr=False)
    derives_seed: bool
    seed: int | None
    picture_field: str | None
    since: float
    try_number: int
    max_tries: int
