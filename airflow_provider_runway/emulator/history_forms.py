"""History forms: in which ways the rows of the request history may differ, and named examples.

The vendor's SDK is the only source for the rows. Each field of :class:`HistoryForm` is a question that it leaves
open; the defaults are what its source suggests.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

#: Fields that a row lacks until it is complete.
LATE_FIELDS = ("model_status", "credits_deduction", "request_body", "generation_url", "latency_ms", "error")


def _make_choice_field(about: str, *values: str) -> Any:
    """Return a field with a description and its allowed values, the default first."""
    return field(default=values[0], metadata={"about": about, "choices": values})


def _make_number_field(about: str, default: int = 0) -> Any:
    return field(default=default, metadata={"about": about})


def _make_text_field(about: str, default: str, metavar: str) -> Any:
    return field(default=default, metadata={"about": about, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """Form of the request history. :data:`FORM_FIELDS` describes the fields and lists their values.

    :raises ValueError: for a value that is not allowed.
    """

    body: str = _make_choice_field(
        "format of request_body", "python", "json", "json_twice", "object", "empty_object", "null", "missing"
    )
    body_length: int = _make_number_field("characters after which the text of request_body is cut off; 0 for never")
    nesting: str = _make_choice_field(
        "keys above the inputs in request_body", "none", "input", "inputs", "parameters", "input.parameters"
    )
    keys: str = _make_choice_field("spelling of the inputs' names", "as_sent", "snake_case", "lower_case")
    text: str = _make_choice_field("how texts are normalized", "as_sent", "trimmed", "collapsed", "nfc", "html_escaped")
    prompt_length: int = _make_number_field("characters after which a prompt is cut off; 0 for never")
    seed: str = _make_choice_field("how the seed is shown", "as_sent", "text", "float", "missing")
    images: str = _make_choice_field("how URLs of input images are shown", "as_sent", "rehosted", "without_query")
    defaults: str = _make_choice_field(
        "what happens to inputs with the model's default", "as_sent", "dropped", "filled"
    )
    model: str = _make_choice_field("how model_name names the model", "slug", "display_name", "missing")
    times: str = _make_choice_field(
        "format of times",
        "utc_z",
        "offset",
        "utc_naive",
        "local_naive",
        "minutes",
        "http_date",
        "us_text",
        "epoch_seconds",
        "epoch_text",
        "epoch_milliseconds",
        "date_only",
        "missing",
    )
    zone_minutes: int = _make_number_field("minutes by which the server's zone is ahead of UTC")
    time_fields: str = _make_choice_field(
        "names of the time fields", "documented", "model_created", "created_at", "createdAt", "timestamp"
    )
    time_of: str = _make_choice_field("event that the creation time belongs to", "submission", "start", "completion")
    request_id: str = _make_choice_field(
        "when a row gets its request_id", "always", "when_running", "when_finished", "missing"
    )
    status: str = _make_choice_field("words in model_status", "documented", "lower_case", "other_words", "missing")
    columns: str = _make_text_field("comma-separated names of the only fields in a row; empty for all", "", "NAMES")
    appears: str = _make_choice_field("when a row appears", "at_submission", "at_completion", "never")
    lag: str = _make_text_field(
        "seconds until a row is complete, or MIN-MAX to draw one per job; rows are missing, then empty", "0", "SECONDS"
    )
    lookup: str = _make_choice_field("whether one row can be fetched by its request id", "works", "not_found")
    filters: str = _make_choice_field(
        "what happens to filters and sorting",
        "work",
        "ignored",
        "refused_400",
        "refused_422",
        "to_date_exclusive",
        "future_date_refused",
    )
    refused_parameters: str = _make_text_field(
        "comma-separated query parameters that are refused, with filters refused; empty for all of them", "", "NAMES"
    )
    page_size: int = _make_number_field("most rows in a page, whatever the query asks for; 0 for no limit")
    order: str = _make_choice_field("order of rows without a sort", "newest_first", "oldest_first")
    first_page: int = _make_number_field("number of the first page", 1)
    envelope: str = _make_choice_field("JSON around the rows of a page", "full", "data_only")
    no_rows: str = _make_choice_field("response to a query without rows", "empty_list", "error_404", "no_content_204")

    def __post_init__(self) -> None:
        for each in fields(self):
            value, choices = getattr(self, each.name), each.metadata.get("choices")
            if choices and value not in choices:
                raise ValueError(f"history_{each.name} must be one of {', '.join(choices)}, not {value!r}")
        for name in ("body_length", "prompt_length", "page_size", "first_page"):
            if getattr(self, name) < 0:
                raise ValueError(f"history_{name} must not be negative")
        _ = self.lag_range_s

    @property
    def lag_range_s(self) -> tuple[float, float]:
        """The lag as (shortest, longest) seconds."""
        try:
            shortest, _, longest = str(self.lag).partition("-")
            lag_range = (float(shortest), float(longest or shortest))
        except ValueError:
            raise ValueError(f'history_lag must be seconds or "min-max", not {self.lag!r}') from None
        if not 0 <= lag_range[0] <= lag_range[1]:
            raise ValueError(f"history_lag must rise from min to max, not {self.lag!r}")
        return lag_range


#: field name -> its description, default and allowed values ("choices")
FORM_FIELDS: dict[str, dict[str, Any]] = {
    each.name: {"default": each.default, **each.metadata} for each in fields(HistoryForm)
}


@dataclass(frozen=True, slots=True)
class NamedHistoryForm:
    """A history form with a name and a description in one line."""

    name: str
    about: str
    form: HistoryForm


def _make_form(name: str, about: str, **values: Any) -> NamedHistoryForm:
    return NamedHistoryForm(name, about, HistoryForm(**values))


#: Every named form, by its name. The first one is the default.
HISTORY_FORMS: dict[str, NamedHistoryForm] = {
    named.name: named
    for named in (
        _make_form("plain", "as the vendor's SDK suggests: the inputs as sent, as the text of a Python dict"),
        _make_form("json_text", "request_body is JSON text", body="json"),
        _make_form("object", "request_body is a JSON object", body="object"),
        _make_form("json_twice", "request_body is JSON text of a JSON text", body="json_twice"),
        _make_form("body_truncated", "the text of request_body is cut off after 100 characters", body_length=100),
        _make_form("body_empty", "request_body is an empty object", body="empty_object"),
        _make_form("body_null", "request_body is null", body="null"),
        _make_form("body_missing", "rows have no request_body", body="missing"),
        _make_form("nested_input", "the inputs are nested under input", body="object", nesting="input"),
        _make_form("nested_inputs", "the inputs are nested under inputs", nesting="inputs"),
        _make_form("nested_parameters", "the inputs are nested under parameters", body="json", nesting="parameters"),
        _make_form("nested_twice", "the inputs are nested two levels deep", body="object", nesting="input.parameters"),
        _make_form("snake_case", "the inputs' names are in snake_case", keys="snake_case"),
        _make_form("lower_case", "the inputs' names are in lower case", keys="lower_case"),
        _make_form("trimmed", "texts are trimmed at both ends", text="trimmed"),
        _make_form("collapsed", "texts are trimmed, and each run of white space is one space", text="collapsed"),
        _make_form("nfc", "texts are in Unicode's composed form (NFC)", text="nfc"),
        _make_form("html_escaped", "texts are escaped for HTML", text="html_escaped"),
        _make_form("prompt_truncated", "prompts are cut off after 40 characters", prompt_length=40),
        _make_form("seed_text", "the seed is a text", body="json", seed="text"),
        _make_form("seed_float", "the seed is a float", body="json", seed="float"),
        _make_form("seed_missing", "the seed is not in the row", seed="missing"),
        _make_form("images_rehosted", "image URLs point to a copy on the server", images="rehosted"),
        _make_form("images_without_query", "image URLs have lost their query", images="without_query"),
        _make_form("defaults_dropped", "inputs that equal the default are not in the row", defaults="dropped"),
        _make_form("defaults_filled", "inputs that were not sent are in the row with the default", defaults="filled"),
        _make_form("display_name", "the model is shown, and filtered, by its display name", model="display_name"),
        _make_form("model_missing", "rows do not name the model", model="missing"),
        _make_form("time_offset", "times have the offset +05:30", times="offset", zone_minutes=330),
        _make_form("time_utc_naive", "times are in UTC without a zone", times="utc_naive"),
        _make_form("time_local_east", "times are local (13 hours ahead of UTC) without a zone",
               times="local_naive", zone_minutes=780),
        _make_form("time_local_west", "times are local (8 hours behind UTC) without a zone",
               times="local_naive", zone_minutes=-480),
        _make_form("time_minutes", "times are in UTC, to the minute", times="minutes"),
        _make_form("time_http_date", "times are HTTP dates, such as Tue, 24 Nov 2026 20:30:00 GMT", times="http_date"),
        _make_form("time_us", "times are local US text, such as 11/24/2026, 8:30:00 PM", times="us_text"),
        _make_form("epoch_seconds", "times are epoch seconds", times="epoch_seconds"),
        _make_form("epoch_text", "times are epoch seconds as text", times="epoch_text"),
        _make_form("epoch_milliseconds", "times are epoch milliseconds", times="epoch_milliseconds"),
        _make_form("date_only", "times are dates", times="date_only"),
        _make_form("time_missing", "rows have no time", times="missing"),
        _make_form("time_other_name", "the time is under createdAt alone", time_fields="createdAt"),
        _make_form("time_of_completion", "the time of a row is that of its completion", time_of="completion"),
        _make_form("id_when_running", "a row gets its request_id when its job starts", request_id="when_running"),
        _make_form("id_when_finished", "a row gets its request_id when its job finishes", request_id="when_finished"),
        _make_form("id_missing", "rows have no request_id", request_id="missing"),
        _make_form("status_missing", "rows have no model_status", status="missing"),
        _make_form("status_lower_case", "model_status is in lower case", status="lower_case"),
        _make_form("status_other_words", "model_status is STARTED, SUCCEEDED or ERROR", status="other_words"),
        _make_form("appears_at_completion", "a row appears when its job is finished", appears="at_completion"),
        _make_form("appears_late", "a row appears after 150 s and is complete after 300 s", lag="300"),
        _make_form("empty", "no row ever appears", appears="never", lookup="not_found"),
        _make_form("no_rows_404", "a query without rows gets a 404", no_rows="error_404"),
        _make_form("no_rows_204", "a query without rows gets a 204 without a body", no_rows="no_content_204"),
        _make_form("lookup_fails", "a row cannot be fetched by its request id", lookup="not_found"),
        _make_form("filters_ignored", "filters and sorting are ignored", filters="ignored"),
        _make_form("filters_refused_400", "a query with filters or sorting is refused with 400", filters="refused_400"),
        _make_form("filters_refused_422", "a query with filters or sorting is refused with 422", filters="refused_422"),
        _make_form("to_date_exclusive", "the day of to_date is not included", filters="to_date_exclusive"),
        _make_form("future_date_refused", "a to_date in the future is refused with 400", filters="future_date_refused"),
        _make_form("pages_from_zero", "the first page is number 0", first_page=0),
        _make_form("small_pages", "a page has at most 5 rows", page_size=5),
        _make_form("oldest_first", "filters and sorting are ignored: a page has 5 rows, and the oldest row comes first",
               filters="ignored", order="oldest_first", page_size=5),
        _make_form("data_only", "a page has its rows and no totals", envelope="data_only"),
        _make_form("worker_record", "a combination: what a worker received, stored when it is finished",
               body="json", nesting="input", seed="text", images="rehosted", defaults="filled",
               times="epoch_milliseconds", request_id="when_finished", appears="at_completion", envelope="data_only"),
        _make_form("normalized", "a combination: inputs cleaned up and renamed by the server",
               body="object", keys="snake_case", text="collapsed", seed="float", images="without_query",
               defaults="dropped", times="utc_naive", status="lower_case"),
        _make_form("dashboard", "a combination: rows for people, with display names, local times and short prompts",
               body="object", keys="lower_case", prompt_length=40, seed="missing", images="rehosted",
               model="display_name", times="local_naive", zone_minutes=330, filters="ignored", page_size=20),
        _make_form("sparse", "a combination: only request id, status and cost",
               columns="request_id,model_status,credits_deduction", filters="refused_422", envelope="data_only"),
    )
}  # fmt: skip


def find_history_form(name: str | HistoryForm) -> HistoryForm:
    """Return a named form; a form is returned as it is.

    :raises ValueError: for an unknown name; the message lists the known ones.
    """
    if isinstance(name, HistoryForm):
        return name
    if name not in HISTORY_FORMS:
        raise ValueError(f"there is no history form {name!r}; known forms: {', '.join(HISTORY_FORMS)}")
    return HISTORY_FORMS[name].form


def change_history_form(form: HistoryForm, **values: Any) -> HistoryForm:
    """Return a form with other values, each converted to its field's type.

    :raises ValueError: for an unknown field or a value that is not allowed.
    """
    if unknown := set(values) - set(FORM_FIELDS):
        raise ValueError(f"there is no option history_{', history_'.join(sorted(unknown))}")
    return replace(form, **{name: type(FORM_FIELDS[name]["default"])(value) for name, value in values.items()})
