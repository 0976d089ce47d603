"""Table of the faults: name, description, calls and parameters of each. ``--help`` and the tests read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .history_forms import HISTORY_FORMS

ALL_CALLS = ("submit", "status", "result", "sync", "credits", "upload", "history", "history_one", "output")
KEYED_CALLS = ALL_CALLS[:-1]
POST_CALLS = ("submit", "sync")
POLL_CALLS = ("status", "result")
HISTORY_CALLS = ("history", "history_one")
#: Longer lists of allowed values are shortened in descriptions.
MAX_SHOWN_VALUES = 10

#: When a fault acts: it replaces the call (nothing is accepted), it changes the response of a call that was
#: carried out, it delays the call, or it changes the job that a POST creates.
Stage = Literal["instead", "after", "wait", "job"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. ``params`` holds the default of each parameter; a tuple lists its allowed values."""

    name: str
    about: str
    calls: tuple[str, ...]
    stage: Stage
    params: dict[str, Any] = field(default_factory=dict)
    #: At these calls the fault changes the job instead.
    job_calls: tuple[str, ...] = ()

    def get_stage(self, call: str) -> Stage:
        """Return when the fault acts at one call."""
        return "job" if call in self.job_calls else self.stage

    def describe_calls(self) -> str:
        """Return the calls that the fault fits, in words."""
        named_sets = {ALL_CALLS: "any call", KEYED_CALLS: "any call but output"}
        return named_sets.get(self.calls, ", ".join(self.calls))

    def describe_params(self) -> list[str]:
        """Return each parameter with its default, or with its allowed values, the default first."""
        shown = {
            name: "|".join(value[:MAX_SHOWN_VALUES]) + "|…" * (len(value) > MAX_SHOWN_VALUES)
            if isinstance(value, tuple)
            else value
            for name, value in self.params.items()
        }
        return [f"{name}={value}" for name, value in shown.items()]


_BODY_PARAM = {"body": ("json", "html")}

FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "rate_limited",
            "429 with a reset in `window` seconds; `hold` refuses every request of the account until then",
            KEYED_CALLS,
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
            "401; `text` and `envelope` choose the documented text and JSON form",
            KEYED_CALLS,
            "instead",
            {"text": ("invalid", "missing"), "envelope": ("auth", "plain")},
        ),
        Fault("forbidden", "403, the model is not permitted for the account", KEYED_CALLS, "instead"),
        Fault("not_found", "404, as for an unknown path, model or file", ALL_CALLS, "instead"),
        Fault("out_of_credits", "406, insufficient credits", POST_CALLS, "instead"),
        Fault("team_limit", "406, the team's spend limit", POST_CALLS, "instead"),
        Fault("bad_parameter", "406, a parameter refused", POST_CALLS, "instead", {"name": "promptText"}),
        Fault("retired", "410, the model is retired", POST_CALLS, "instead"),
        Fault(
            "no_balance",
            "404 of the credits call: the key is valid, but has no balance record",
            ("credits",),
            "instead",
        ),
        Fault("record_expired", "404 of a poll, as if the record had expired", POLL_CALLS, "instead"),
        Fault(
            "history_down",
            "the history fails with a server error",
            HISTORY_CALLS,
            "instead",
            {"status": 503, **_BODY_PARAM},
        ),
        Fault(
            "server_error", "a server error; nothing is accepted", ALL_CALLS, "instead", {"status": 500, **_BODY_PARAM}
        ),
        Fault(
            "error_after_accept",
            "the job is accepted, but the response is a server error",
            POST_CALLS,
            "after",
            {"status": 502, "body": ("html", "json")},
        ),
        Fault(
            "proxy_status",
            "any HTTP status, as a proxy sends it; `accepted` says whether the call is carried out",
            ALL_CALLS,
            "after",
            {"status": 408, "body": ("html", "json", "empty"), "accepted": True},
        ),
        Fault("cut_before", "the connection is reset before anything is accepted", ALL_CALLS, "instead"),
        Fault(
            "cut_after",
            "the request is accepted, then the connection is reset without a response",
            (*POST_CALLS, "upload"),
            "after",
        ),
        Fault(
            "cut_body",
            "the call is carried out; headers and half of the body are sent, then the connection is reset or closed; "
            "`names` chooses the headers that identify a file's version",
            ALL_CALLS,
            "after",
            {"how": ("reset", "close"), "names": ("etag", "date", "fresh_date", "weak", "nothing")},
        ),
        Fault(
            "slow",
            "a pause of `seconds`; `accept` says whether a POST is accepted before or after it",
            ALL_CALLS,
            "wait",
            {"seconds": 5.0, "accept": ("before", "after")},
        ),
        Fault(
            "drip",
            "a byte of the response every `seconds`, or its headers and then nothing",
            ALL_CALLS,
            "after",
            {"seconds": 1.0, "send": ("bytes", "headers")},
        ),
        Fault(
            "html_200",
            "200 with HTML; `accepted` says whether the call is carried out",
            ALL_CALLS,
            "after",
            {"accepted": True},
        ),
        Fault(
            "empty_body",
            "200 with an empty body; `accepted` says whether the call is carried out",
            ALL_CALLS,
            "after",
            {"accepted": True},
        ),
        Fault(
            "nonsense_json",
            "200 with JSON of a wrong form, or truncated; `accepted` says whether the call is carried out",
            KEYED_CALLS,
            "after",
            {"body": ("list", "types", "null", "text", "broken"), "accepted": True},
        ),
        Fault(
            "missing_request_id",
            "the call is carried out, but the response has no request id",
            ("submit", *POLL_CALLS),
            "after",
        ),
        Fault(
            "foreign_status_url",
            "the URLs in the response point to another host",
            ("submit", *POLL_CALLS),
            "after",
            {"host": "https://elsewhere.invalid"},
        ),
        Fault(
            "redirect",
            "a redirect to another address; nothing is accepted",
            ALL_CALLS,
            "instead",
            {"to": "https://elsewhere.invalid/", "status": 307},
        ),
        Fault("unknown_status", "a status that no document names", POLL_CALLS, "after", {"state": "THROTTLED"}),
        Fault(
            "lost_output",
            "COMPLETED without an output: in every response if set at submit, else in this response only",
            ("submit", "result"),
            "after",
            job_calls=("submit",),
        ),
        Fault(
            "output_shape",
            "the output in another documented form: in every response if set at submit, else in this response only",
            ("submit", "result"),
            "after",
            {"shape": ("list", "images", "video", "plain"), "count": 1},
            job_calls=("submit",),
        ),
        Fault("job_fails", "the job runs and FAILS", POST_CALLS, "job", {"error": "Generation failed"}),
        Fault("content_block", "the job FAILS because moderation blocks its content", POST_CALLS, "job"),
        Fault(
            "job_sticks",
            "the job stays in `state` forever",
            POST_CALLS,
            "job",
            {"state": ("PROCESSING", "QUEUED")},
        ),
        Fault("job_latency", "the job takes `seconds`, not scaled", POST_CALLS, "job", {"seconds": 1.0}),
        Fault(
            "history_late",
            "at a POST: its row is complete after `seconds`; at the history: this response lacks rows or fields",
            (*POST_CALLS, *HISTORY_CALLS),
            "after",
            {"seconds": 30.0, "lacks": ("rows", "fields")},
            job_calls=POST_CALLS,
        ),
        Fault(
            "history_form",
            "the rows come in another named form of the history; see the list of forms",
            HISTORY_CALLS,
            "after",
            {"form": tuple(HISTORY_FORMS)},
        ),
        Fault("upload_urls", "the URLs come in the field `urls`, as in the documents", ("upload",), "after"),
        Fault("output_truncated", "200 with half of the file, and a Content-Length that agrees", ("output",), "after"),
        Fault("output_wrong_type", "200 with a page of HTML where a video should be", ("output",), "after"),
        Fault(
            "output_kind",
            "the file is a PNG image, or of an unknown type, instead of a video",
            ("output",),
            "after",
            {"kind": ("png", "unknown")},
        ),
        Fault(
            "output_size",
            "the video is padded to `bytes`; `told` says whether a Content-Length is sent",
            ("output",),
            "after",
            {"bytes": 1024**2, "told": True},
        ),
        Fault(
            "odd_range",
            "the response to a Range request is the whole file, 416, or a part that is shifted by one byte",
            ("output",),
            "after",
            {"answer": ("whole", "refused", "shifted")},
        ),
    )
}
