"""What a picture must be to become a video, judged by its bytes and not by its name."""

from __future__ import annotations

from airflow_provider_runway.exceptions import BadInput

#: "Images must be JPEG, PNG, or WebP and are limited to 16MB": the model's page on Segmind.
MOST_BYTES = 16 * 1024 * 1024
KINDS = "JPEG, PNG or WebP"


def image_type(data: bytes) -> str | None:
    """Return the MIME type that the first bytes tell, or None for anything else than the three."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def check_image(data: bytes, name: str) -> str:
    """Return the picture's MIME type.

    :raises BadInput: it is empty, larger than 16 MB, or not one of the three kinds.
    """
    if not data:
        raise BadInput(f"The picture {name} is empty.")
    if len(data) > MOST_BYTES:
        raise BadInput(
            f"The picture {name} has more than 16 MB ({MOST_BYTES:,} bytes), which is the most the models take."
        )
    if (mime := image_type(data)) is None:
        raise BadInput(f"{name} is not a {KINDS} picture: its first bytes are {data[:8]!r}.")
    return mime
