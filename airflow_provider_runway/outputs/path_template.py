"""Parses ``output_path`` with its placeholders, and formats the path of each output. It does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.outputs.media_check import FILE_EXTENSIONS
from airflow_provider_runway.segmind.model_fields import TEXT, ModelField
from airflow_provider_runway.segmind.models import MODELS

#: placeholder -> what replaces it. A value that is not known (the seed of a job known by its id only) is "unknown".
PLACEHOLDERS = {
    "index": "0 for the job's first output, 1 for its second, …; {index:03} pads it with zeros",
    "request_id": "the job's id",
    "model": "the model's slug",
    "seed": "the job's seed",
}
#: What the ``output_path`` of a batch may hold beside them.
BATCH_PLACEHOLDERS = {**PLACEHOLDERS, "custom_id": "the row's custom_id"}
_INDEX_WIDTH = re.compile(r"(0?[1-9])?d?")
_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
#: The extension of a file in a folder, until its type is known.
DEFAULT_EXTENSION = ".mp4"


@dataclass(frozen=True, slots=True)
class OutputPathTemplate:
    """A checked ``output_path``.

    :param parts: (literal text, placeholder or None, format width), in order.
    :param is_folder: it ends in "/", so the file's name and extension are chosen here.
    """

    parts: tuple[tuple[str, str | None, str], ...]
    is_folder: bool

    @classmethod
    def parse(cls, output_path: Any, *, is_batch: bool = False) -> OutputPathTemplate:
        """Return the template in an ``output_path``.

        :param is_batch: it is a batch's: ``{custom_id}`` is a placeholder, too, and names the files of a folder.
        :raises BadInputError: the path is empty, is not text, or has braces that are no known placeholder.
        """
        try:
            ModelField("output_path", TEXT).validate(output_path)
        except BadInputError as problem:
            reason = str(problem).partition(";")[0]
            raise BadInputError(f"{reason}; give a file, or a folder that ends in '/'. Nothing was sent.") from None
        is_folder = output_path.endswith("/")
        placeholders = BATCH_PLACEHOLDERS if is_batch else PLACEHOLDERS
        try:
            parts = tuple(_parse_part(placeholders, *part) for part in Formatter().parse(output_path))
        except ValueError as problem:
            names = ", ".join(f"{{{name}}}" for name in placeholders)
            raise BadInputError(
                f"output_path {output_path!r}: {problem}. Allowed placeholders: {names}. Double a literal brace; where "
                "Jinja renders, write it as {{ '{{' }}. Nothing was sent."
            ) from None
        file_name = ("", "custom_id" if is_batch else "request_id", "")
        return cls((*parts, file_name) if is_folder else parts, is_folder)

    def format_path(self, values: Mapping[str, Any], extension: str | None = None) -> str:
        """Return the full path of one output.

        A value never adds a separator or a "..", so it stays part of one file or folder name. Two outputs of a job
        never share a path: without ``{index}`` the second gets "-1" before its extension, the third "-2" ("~1" and "~2"
        after a custom_id, which may end in "-1" itself).

        :param values: the value of each placeholder. :param extension: of a file in a folder, from its type.
        """
        path = "".join(
            literal + ("" if name is None else _format_value(values[name], width))
            for literal, name, width in self.parts
        )
        if self.is_folder:
            path += extension or DEFAULT_EXTENSION
        index = int(values["index"])
        names = {name for _, name, _ in self.parts}
        if index == 0 or "index" in names:
            return path
        mark = "~" if "custom_id" in names else "-"
        folder, slash, file_name = path.rpartition("/")
        file = PurePosixPath(file_name)
        return f"{folder}{slash}{file.stem}{mark}{index}{file.suffix}"


def check_extension(output_path: str, slug: str) -> None:
    """Check that a file name does not say "video" where the model makes images, or the other way round.

    :raises BadInputError: it does.
    """
    extension, model = PurePosixPath(output_path).suffix.lower(), MODELS.get(slug)
    kind = next((mime.partition("/")[0] for mime, each in FILE_EXTENSIONS.items() if each == extension), None)
    if model is not None and not output_path.endswith("/") and kind not in (None, model.makes):
        raise BadInputError(
            f"output_path {output_path!r} ends in {extension}, and {slug} makes {model.makes}s. Name a folder that "
            "ends in '/', and each file gets the extension of its type. Nothing was sent."
        )


def _parse_part(
    placeholders: Mapping[str, str], literal: str, name: str | None, width: str | None, conversion: str | None
) -> tuple[str, str | None, str]:
    if name is None:
        return literal, None, ""
    if name not in placeholders:
        raise ValueError(f"{{{name}}} is no placeholder")
    if conversion or (width and (name != "index" or not _INDEX_WIDTH.fullmatch(width))):
        raise ValueError(f"{{{name}}} takes no format, except a width from 1 to 9 for index, like {{index:03}}")
    return literal, name, width or ""


def _format_value(value: Any, width: str) -> str:
    if isinstance(value, int):
        return format(value, width)
    text = _UNSAFE_CHARACTERS.sub("-", str(value)) if value is not None else "unknown"
    # Leading dots would lead to another folder, or hide the file.
    return text.lstrip(".") or "unknown"
