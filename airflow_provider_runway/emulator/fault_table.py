"""The table of all faults: what each is called, does, fits and takes. ``--help`` and the tests walk it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

CALLS = ("submit", "status", "result", "sync", "credits", "upload", "history", "history_one", "output")
KEYED = CALLS[:-1]
POSTS = ("submit", "sync")
POLLS = ("status", "result")
HISTORY = ("history", "history_one")

#: When a fault acts: in place of the call (nothing is accepted), on the answer of a call that was carried
#: out, as a wait around it, or as a trait of the job that a POST makes.
Stage = Literal["instead", "after", "wait", "trait"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. ``params`` has the default of each parameter; a tuple lists the allowed values."""

    name: str
    about: str
    calls: tuple[str, ...]
    stage: Stage
    params: dict[str, Any] = field(default_factory=dict)
    #: At these calls it becomes a trait of the job instead.
    trait_at: tuple[str, ...] = ()

    def stage_at(self, call: str) -> Stage:
        """Return when it acts at one call."""
        return "trait" if call in self.trait_at else self.stage


_BODY = {"body": ("json", "html")}

TABLE = {
    fault.name: fault
    for fault in (
        Fault(
            "rate_limited",
            "429 with a reset in `window` seconds; `hold` refuses the whole account until then",
            KEYED,
            "instead",
            {
                "window": 1.0,
                "reset_format": ("", "iso", "iso-naive", "iso-space", "epoch"),
                "retry_after": False,
                "hold": False,
            },
        ),
        Fault(
            "refuse_auth",
            "401, with the text and the envelope of either surface",
            KEYED,
            "instead",
            {"text": ("invalid", "missing"), "envelope": ("auth", "plain")},
        ),
        Fault("forbidden", "403, the model is not permitted for the account", KEYED, "instead"),
        Fault("not_found", "404, as for a path, model or file that never was", CALLS, "instead"),
        Fault("out_of_credits", "406, insufficient credits", POSTS, "instead"),
        Fault("team_limit", "406, the team's spend limit", POSTS, "instead"),
        Fault("bad_parameter", "406, a parameter refused", POSTS, "instead", {"name": "promptText"}),
        Fault("retired", "410, the model is retired", POSTS, "instead"),
        Fault("no_balance", "404 of the credits call: a valid key without a balance record", ("credits",), "instead"),
        Fault("record_expired", "404 of a poll, as after the record's hour", POLLS, "instead"),
        Fault("history_down", "the history cannot be had", HISTORY, "instead", {"status": 503, **_BODY}),
        Fault("server_error", "5xx, and nothing was accepted", CALLS, "instead", {"status": 500, **_BODY}),
        Fault(
            "error_after_accept",
            "the job is accepted, the answer is a 5xx",
            POSTS,
            "after",
            {"status": 502, "body": ("html", "json")},
        ),
        Fault("cut_before", "connection reset before anything is accepted", CALLS, "instead"),
        Fault("cut_after", "accepted, then reset without an answer", (*POSTS, "upload"), "after"),
        Fault(
            "cut_body",
            "carried out; the headers and half of the body come, then a reset or an orderly end; "
            "`names` is what names the version of a file",
            CALLS,
            "after",
            {"how": ("reset", "close"), "names": ("etag", "date", "fresh_date", "weak", "nothing")},
        ),
        Fault(
            "slow",
            "`seconds` of silence; `accept` says whether a POST counts before or after them",
            CALLS,
            "wait",
            {"seconds": 5.0, "accept": ("before", "after")},
        ),
        Fault("html_200", "200 with HTML; `accepted` says if it was carried out", CALLS, "after", {"accepted": True}),
        Fault("empty_body", "200 with no body; `accepted` as above", CALLS, "after", {"accepted": True}),
        Fault(
            "nonsense_json",
            "200 with JSON of another shape, or broken off; `accepted` as above",
            KEYED,
            "after",
            {"body": ("list", "types", "null", "text", "broken"), "accepted": True},
        ),
        Fault("missing_request_id", "carried out, but the answer names no request", ("submit", *POLLS), "after"),
        Fault(
            "foreign_status_url",
            "the URLs in the answer point to another host",
            ("submit", *POLLS),
            "after",
            {"host": "https://elsewhere.invalid"},
        ),
        Fault(
            "redirect",
            "a redirect to another address; nothing is accepted",
            CALLS,
            "instead",
            {"to": "https://elsewhere.invalid/", "status": 307},
        ),
        Fault("unknown_status", "a state that no document names", POLLS, "after", {"state": "THROTTLED"}),
        Fault(
            "lost_output",
            "COMPLETED without an output: for good when set at submit, else in this answer",
            ("submit", "result"),
            "after",
            trait_at=("submit",),
        ),
        Fault(
            "output_shape",
            "the output in another documented shape: for good when set at submit, else in this answer",
            ("submit", "result"),
            "after",
            {"shape": ("list", "images", "video", "plain"), "count": 1},
            trait_at=("submit",),
        ),
        Fault("job_fails", "the job runs and FAILS", POSTS, "trait", {"error": "Generation failed"}),
        Fault("content_block", "the job FAILS over its content", POSTS, "trait"),
        Fault(
            "job_sticks",
            "the job never leaves `state`",
            POSTS,
            "trait",
            {"state": ("PROCESSING", "QUEUED")},
        ),
        Fault("job_latency", "the job takes `seconds`, not scaled", POSTS, "trait", {"seconds": 1.0}),
        Fault(
            "history_late",
            "at a POST: its row is whole after `seconds`; at the history: this answer lacks rows or fields",
            (*POSTS, *HISTORY),
            "after",
            {"seconds": 30.0, "lacks": ("rows", "fields")},
            trait_at=POSTS,
        ),
        Fault("upload_urls", "the URLs come under the documents' name, `urls`", ("upload",), "after"),
        Fault("output_truncated", "200 with half of the file, and a Content-Length that agrees", ("output",), "after"),
        Fault("output_wrong_type", "200 with a page of HTML where a video should be", ("output",), "after"),
        Fault(
            "output_kind",
            "the file is of another kind than a video, or of none that anyone knows",
            ("output",),
            "after",
            {"kind": ("png", "unknown")},
        ),
        Fault(
            "output_size",
            "the video is padded to `bytes`; `told` says whether there is a Content-Length",
            ("output",),
            "after",
            {"bytes": 1024**2, "told": True},
        ),
        Fault(
            "odd_range",
            "a Range is answered with the whole file, with 416, or with another part than the one asked for",
            ("output",),
            "after",
            {"answer": ("whole", "refused", "shifted")},
        ),
    )
}
