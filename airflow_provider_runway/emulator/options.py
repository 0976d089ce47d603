"""Options of an emulator: the same fields for the command line and for ``Emulator(...)``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .fault_rules import parse_rule
from .history_form_inference import Replay, read_replay
from .history_forms import FORM_FIELDS, HistoryForm, change_history_form, find_history_form

RESET_FORMATS = ("iso", "iso-naive", "iso-space", "epoch")
UPLOAD_FIELDS = ("file_urls", "urls")

#: An API key is ``SG_`` and 16 hex digits.
KEY_PATTERN = re.compile(r"SG_[0-9A-Fa-f]{16}")
TEST_KEY = "SG_0123456789abcdef"


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """The options of an emulator. The defaults make an account without a rate limit.

    :param time_scale: factor on the latencies of jobs; 0.01 turns half a minute into a third of a second.
        Nothing else is scaled: rate limit, record lifetime and history lag are in real seconds.
    :param requests_per_minute: rate limit of an account, GETs included; 0 for no limit.
    :param rate_window: seconds in the "minute" of that limit.
    :param reset_format: format of ``x-rate-limit-reset-at-utc``, one of ``RESET_FORMATS``.
    :param retry_after: also send ``Retry-After`` with a 429, which the documents do not mention.
    :param record_ttl: seconds from submission until the poll endpoints forget a job.
    :param history: form of the request history, see :mod:`.history_forms`.
    :param clock_offset: seconds by which the emulator's clock is ahead of the real time; negative for behind.
    :param upload_field: field of the upload's response with the URLs, one of ``UPLOAD_FIELDS``.
    :param last_frame: also return ``last_frame_url`` in the ``video`` of a result.
    :param last_frame_base_url: begin of that URL in place of the emulator's own, which is plain http: an image of a job
        must be https, so a clip can only go on from such a frame. Nothing need be there.
    :param keys: accepted API keys. Each is an account of its own; ``"KEY1,KEY2"`` is one account with two keys,
        for trying a key rotation. Empty: every key of the right form is accepted.
    :param models: slugs that exist. Empty: every well-formed slug does.
    :param credits: balance of each account at the start, in USD.
    :param seed: seed of the random latencies, lags and faults with a probability.
    :param faults: fault rules that apply from the start, see :mod:`.fault_rules`.
    :param state: file that keeps the jobs, so that a restarted emulator knows them; None to forget them.
    """

    time_scale: float = 1.0
    requests_per_minute: int = 0
    rate_window: float = 60.0
    reset_format: str = "iso"
    retry_after: bool = False
    record_ttl: float = 3600.0
    history: HistoryForm = field(default_factory=HistoryForm)
    clock_offset: float = 0.0
    state: str | None = None
    upload_field: str = "file_urls"
    last_frame: bool = False
    last_frame_base_url: str = ""
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    credits: float = 1000.0
    seed: int = 0
    faults: tuple[str | dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("reset_format", self.reset_format, RESET_FORMATS),
            ("upload_field", self.upload_field, UPLOAD_FIELDS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        if self.time_scale < 0 or self.rate_window <= 0 or self.requests_per_minute < 0 or self.record_ttl < 0:
            raise ValueError(
                "time_scale, requests_per_minute and record_ttl must not be negative; rate_window must be above 0"
            )
        for name in ("keys", "models", "faults"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a list, not the single text {getattr(self, name)!r}")

    @property
    def test_key(self) -> str:
        """An API key that this emulator accepts."""
        return self.keys[0].split(",")[0].strip() if self.keys else TEST_KEY

    def find_account(self, key: str) -> str | None:
        """Return the account of a key (named by its first key), or None if the key is refused."""
        if not self.keys:
            return key if KEY_PATTERN.fullmatch(key) else None
        for entry in self.keys:
            account_keys = [each.strip() for each in entry.split(",")]
            if key in account_keys:
                return account_keys[0]
        return None


def build_options(
    history_form: str | HistoryForm = "plain", replay: str | Path | None = None, **arguments: Any
) -> EmulatorOptions:
    """Return options from the arguments of ``Emulator(...)`` or of the command line.

    :param history_form: a name of :data:`.HISTORY_FORMS`, or a form.
    :param replay: file with the transcript of a real account, whose history's form and clock are used instead.
    :param arguments: the fields of :class:`EmulatorOptions`, and ``history_<field>`` for each field of
        :class:`.HistoryForm` that shall differ from the named form.
    :raises ValueError: for an invalid option or fault rule.
    :raises OSError: if the transcript cannot be read.
    """
    recorded = Replay(find_history_form(history_form), 0.0) if replay is None else read_replay(replay)
    if arguments.get("clock_offset") is None:
        arguments["clock_offset"] = recorded.clock_offset_s
    changes = {name: arguments.pop(f"history_{name}", None) for name in FORM_FIELDS}
    form = change_history_form(recorded.form, **{name: value for name, value in changes.items() if value is not None})
    for name in ("keys", "models", "faults"):
        if isinstance(arguments.get(name), list):
            arguments[name] = tuple(arguments[name])
    if unknown := set(arguments) - {each.name for each in fields(EmulatorOptions)}:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    options = EmulatorOptions(history=form, **arguments)
    for rule in options.faults:
        parse_rule(rule)
    return options


def mask_key(key: str) -> str:
    """Return the form of a key that may be shown: only its last four characters, to tell accounts apart."""
    return f"SG_…{key[-4:]}"
