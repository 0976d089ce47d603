"""Checks every row of a batch before any money moves, by the rules of a single job, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_runway.batch.batch_rows import BatchRow, RowSource
from airflow_provider_runway.batch.output_paths import format_first_path, get_output_path
from airflow_provider_runway.exceptions import BadInputError, omit_nothing_was_sent
from airflow_provider_runway.inputs.batch_image_check import PromptImageChecker
from airflow_provider_runway.inputs.build_request import JOB_ARGUMENTS, build_checked_body
from airflow_provider_runway.inputs.local_image_placeholders import LocalImage
from airflow_provider_runway.outputs.path_template import check_extension
from airflow_provider_runway.outputs.store import check_output_path

#: So many rows with problems are named in the error; the others are counted.
MAX_NAMED_ROWS = 50
#: So many rows, and so many characters of images in them, are in memory while their images are looked at.
_CHUNK_ROWS = 256
_CHUNK_LENGTH = 8 * 1024 * 1024

#: Told of each row without a problem: the row, and the body that it would be submitted with (without its image).
OnRow = Callable[[BatchRow, Mapping[str, Any]], None]


def check_rows(rows: RowSource, result_path: str, on_row: OnRow | None = None) -> int:
    """Check all rows, and return how many there are. Nothing is sent, and images are not read as a whole.

    :param result_path: the batch's folder, for videos without an ``output_path``.
    :param on_row: called with each row that has no problem, such as to estimate what it costs.
    :raises BadInputError: everything that is wrong with any row: the first 50 rows named, the others counted.
    :raises UnreachableError: the storage of an image did not respond; a retry may help.
    """
    checker = _RowChecker(result_path)
    count = bad_count = 0
    named: list[str] = []
    for row, body, problems in checker.check_each(rows):
        count += 1
        if problems:
            bad_count += 1
            if len(named) < MAX_NAMED_ROWS:
                named.append(problems)
        elif on_row is not None and row is not None:
            on_row(row, body)
    if bad_count:
        more = f"\nThe other {bad_count - len(named)} are not listed." if bad_count > len(named) else ""
        raise BadInputError(
            f"{bad_count} of {count} rows cannot be submitted, so none was: nothing is billed.\n"
            + "\n".join(named)
            + more
        )
    return count


@dataclass(frozen=True, slots=True)
class _CheckedRow:
    """A row with its body and its problems so far. ``row`` is None where not even its form is right."""

    row: BatchRow | None
    body: Mapping[str, Any]
    problems: list[str]
    images: Sequence[LocalImage] = ()


class _RowChecker:
    def __init__(self, result_path: str) -> None:
        self.result_path = result_path
        self.images = PromptImageChecker()
        self.storage_problems: dict[str, str | None] = {}
        self.last_local_path = ""
        self.indexes_by_path: dict[int, int] = {}

    def check_each(self, rows: RowSource) -> Iterator[tuple[BatchRow | None, Mapping[str, Any], str]]:
        """Yield each row with its body and a line of all its problems, which is empty where it has none."""
        for parsed in _split_into_chunks(rows.parse_each()):
            chunk = [self._check(one) for one in parsed]
            with_image = [
                (one, image, one.row.arguments["image_conn_id"]) for one in chunk if one.row for image in one.images
            ]
            found = self.images.find_problems([(image, conn_id) for _, image, conn_id in with_image])
            for (one, _, _), problem in zip(with_image, found, strict=True):
                if problem is not None:
                    one.problems.append(problem)
            for one in chunk:
                yield one.row, one.body, _join(one)

    def _check(self, parsed: BatchRow | BadInputError) -> _CheckedRow:
        if isinstance(parsed, BadInputError):
            return _CheckedRow(None, {}, [str(parsed)])
        arguments = parsed.arguments
        problems: list[str] = []
        body: Mapping[str, Any] = {}
        images: Sequence[LocalImage] = ()
        try:
            job = {name: arguments[name] for name in JOB_ARGUMENTS}
            body, images = build_checked_body(arguments["model"], job, arguments["model_params"])
        except BadInputError as problem:
            problems += problem.facts.get("problems") or [str(problem)]
        try:
            self._check_output_path(parsed)
        except BadInputError as problem:
            problems.append(str(problem))
        return _CheckedRow(parsed, body, problems, images)

    def _check_output_path(self, row: BatchRow) -> None:
        """Check that the row's video can be stored, and that it would not replace that of another row."""
        output_path = get_output_path(row, self.result_path)
        path = format_first_path(output_path, row)
        self._check_storage(output_path)
        check_extension(output_path, row.arguments["model"])
        first = self.indexes_by_path.setdefault(hash(path), row.index)
        if first != row.index:
            raise BadInputError(
                f"Its video would replace that of row {first}: both have the output_path {output_path!r}. Put "
                "{custom_id} into it."
            )

    def _check_storage(self, output_path: str) -> None:
        # One check of a bucket and its connection does for all rows. Local paths can be as many as rows: one is kept.
        is_url = "://" in output_path
        root = "/".join(output_path.split("/", 3)[:3]) if is_url else output_path
        if root not in self.storage_problems:
            if not is_url:
                self.storage_problems.pop(self.last_local_path, None)
                self.last_local_path = output_path
            try:
                check_output_path(output_path, None, is_batch=True)
                self.storage_problems[root] = None
            except BadInputError as problem:
                self.storage_problems[root] = str(problem)
        if (known := self.storage_problems[root]) is not None:
            raise BadInputError(known)


def _split_into_chunks(parsed: Iterable[BatchRow | BadInputError]) -> Iterator[list[BatchRow | BadInputError]]:
    chunk: list[BatchRow | BadInputError] = []
    length = 0
    for one in parsed:
        chunk.append(one)
        image = None if isinstance(one, BadInputError) else one.arguments["prompt_image"]
        length += len(image) if isinstance(image, (str, bytes)) else 0
        if len(chunk) == _CHUNK_ROWS or length > _CHUNK_LENGTH:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


def _join(one: _CheckedRow) -> str:
    """Return all problems of a row in one line that names it."""
    text = " ".join(omit_nothing_was_sent(problem) for problem in one.problems)
    return text if one.row is None or not text else f"{one.row.label}: {text}"
