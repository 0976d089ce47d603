"""What an output is called: ``output_path`` and its placeholders, as values. Nothing is looked up or opened here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.model_fields import TEXT, ModelField

#: placeholder -> what stands there. Where a job does not say (the seed of one that was only named), "unknown".
PLACEHOLDERS = {
    "index": "0 for the job's first output, 1 for its second, …; {index:03} pads it with zeros",
    "request_id": "the job's id",
    "model": "the model's slug",
    "seed": "the job's seed",
}
_WIDTH = re.compile(r"(0?[1-9])?d?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
#: What a file in a folder ends with until it is known what it is.
USUAL_ENDING = ".mp4"


@dataclass(frozen=True, slots=True)
class OutputPathTemplate:
    """A checked ``output_path``.

    :param parts: (literal text, placeholder or None, its width), in order.
    :param in_folder: it ends in "/", so that the file's name and its ending are ours to choose.
    """

    parts: tuple[tuple[str, str | None, str], ...]
    in_folder: bool

    @classmethod
    def parse(cls, output_path: Any) -> OutputPathTemplate:
        """Return the target that a path describes.

        :raises BadInputError: the path is empty, is no text, or has braces that are no known placeholder.
        """
        try:
            ModelField("output_path", TEXT).validate(output_path)
        except BadInputError as problem:
            why = str(problem).partition(";")[0]
            raise BadInputError(f"{why}; give a file, or a folder that ends in '/'. Nothing was sent.") from None
        in_folder = output_path.endswith("/")
        try:
            parts = tuple(_part(*found) for found in Formatter().parse(output_path))
        except ValueError as problem:
            names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise BadInputError(
                f"output_path {output_path!r}: {problem}. It may have {names}; a brace itself is doubled, which "
                "where Jinja renders takes {{ '{{' }}. Nothing was sent."
            ) from None
        return cls((*parts, ("", "request_id", "")) if in_folder else parts, in_folder)

    def path(self, values: Mapping[str, Any], ending: str | None = None) -> str:
        """Return the full path of one output.

        What is put in can only ever be one part of one name: it has no separator, and is no "..". Two
        outputs of a job never share a path: where ``{index}`` is not used, the second gets "-1" before its
        ending, the third "-2".

        :param values: of each placeholder. :param ending: of a file in a folder, by what the file is.
        """
        text = "".join(
            before + ("" if name is None else _filled(values[name], width)) for before, name, width in self.parts
        )
        if self.in_folder:
            text += ending or USUAL_ENDING
        index = int(values["index"])
        if index == 0 or any(name == "index" for _, name, _ in self.parts):
            return text
        head, slash, name = text.rpartition("/")
        file = PurePosixPath(name)
        return f"{head}{slash}{file.stem}-{index}{file.suffix}"


def _part(before: str, name: str | None, width: str | None, conversion: str | None) -> tuple[str, str | None, str]:
    if name is None:
        return before, None, ""
    if name not in PLACEHOLDERS:
        raise ValueError(f"{{{name}}} is no placeholder")
    if conversion or (width and (name != "index" or not _WIDTH.fullmatch(width))):
        raise ValueError(f"{{{name}}} takes no format but a width from 1 to 9 for index, like {{index:03}}")
    return before, name, width or ""


def _filled(value: Any, width: str) -> str:
    if isinstance(value, int):
        return format(value, width)
    text = _UNSAFE.sub("-", str(value)) if value is not None else "unknown"
    # Dots alone are a step through the folders; at the front they would hide the file.
    return text.lstrip(".") or "unknown"
