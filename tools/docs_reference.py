"""The reference parts of the docs that follow from the code: errors, options, arguments of operators and sensors.

``tools/docs_tables.py`` writes them into the pages.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from airflow_provider_runway.airflow_errors import may_retry_task
from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    BadRequestError,
    BalanceTooLowError,
    ContentBlockedError,
    CostLimitError,
    DailyCostLimitError,
    DownloadFailedError,
    ForbiddenError,
    HistoryNotSettledError,
    JobFailedError,
    ModelRetiredError,
    NotFoundError,
    NoUsableResponseError,
    OutOfCreditsError,
    OutputMissingError,
    OutputRejectedError,
    RecordExpiredError,
    RefusedError,
    RunwayError,
    SpendLimitError,
    SpendNotKnownError,
    StoppedBeforeSendingError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
    WaitTimeoutError,
    list_error_classes,
)
from airflow_provider_runway.get_provider_info import get_provider_info
from airflow_provider_runway.segmind.error_mapping import KINDS_OF_406, PROXY_STATUSES, REFUSED_STATUSES

_NOTHING = "nothing"
_THE_JOB = "the job, if it completes"
#: error -> (what is billed, what to do). A class of the code that is missing here fails the generation.
ERROR_HELP: dict[type[RunwayError], tuple[str, str]] = {
    RunwayError: ("as its message says", "Read the message: it names the job, if there is one, and how to resume it."),
    StoppedBeforeSendingError: (_NOTHING, "Correct what the message names, then clear the task."),
    BadConnectionError: (
        "nothing new; a job that exists goes on",
        (
            "Correct the connection that the message names, or add it. Where a task was already waiting for a job, "
            "clear it afterwards: it resumes that job."
        ),
    ),
    BadInputError: (
        _NOTHING,
        "Correct every argument that the message names; it says which values are allowed. Then clear the task.",
    ),
    CostLimitError: (
        _NOTHING,
        "Raise `cost_limit`, or take it out, then clear the task. [The limits](money.md#limits) say what counts.",
    ),
    DailyCostLimitError: (
        _NOTHING,
        "Clear the task on the next UTC day, or raise the limit in the connection. See [the limits](money.md#limits).",
    ),
    BalanceTooLowError: (_NOTHING, "Add credits in Segmind's console, then clear the task."),
    RefusedError: (_NOTHING, "Correct what the message names, then clear the task."),
    BadRequestError: (
        _NOTHING,
        "Correct the fields that the message names. For 405, check the connection's host: it may not be the API's.",
    ),
    UnauthorizedError: (
        _NOTHING,
        "Put a valid key into the connection's password, or into `SEGMIND_API_KEY` where the connection has none.",
    ),
    ForbiddenError: (_NOTHING, "Ask Segmind to permit this model for the account, or choose another model."),
    NotFoundError: (
        _NOTHING,
        (
            "Check the model's slug. Where it is about a job, check its id, and that the connection's key belongs to "
            "the account that submitted it."
        ),
    ),
    OutOfCreditsError: (_NOTHING, "Add credits to the account, then clear the task."),
    SpendLimitError: (_NOTHING, "Raise the team's spend limit in Segmind's console, then clear the task."),
    ModelRetiredError: (_NOTHING, "Choose another model. A retired one does not come back."),
    NoUsableResponseError: (
        _NOTHING,
        "Nothing, if retries are left: the next try asks again, and finds a job that exists.",
    ),
    ThrottledError: (
        _NOTHING,
        (
            "Nothing, if retries are left. Where it happens often, raise the task's `timeout`, use a pool, or set "
            "`requests_per_minute` in the connection."
        ),
    ),
    HistoryNotSettledError: (
        _THE_JOB,
        "Nothing: the task asks the history again. This error reaches your own code only where it calls the hooks.",
    ),
    SpendNotKnownError: (
        _NOTHING,
        (
            "Nothing, if retries are left: the next try asks the history again. To submit without this check, take "
            "`daily_cost_limit` out of the connection."
        ),
    ),
    UnreachableError: (
        _NOTHING,
        "Check the network between worker and API, and the connection's host. The next try sends the request again.",
    ),
    SubmitOutcomeUnknownError: (
        "one job, if it exists and completes",
        (
            "Look at the request history in Segmind's console at the time that the message names. If the job is there, "
            'set its `request_id` and clear the task. If it is not, set `on_orphaned_intent="resubmit"` and clear it.'
        ),
    ),
    JobFailedError: (_NOTHING, "Nothing, if retries are left: a retry submits a new job. The reason is the API's own."),
    ContentBlockedError: (_NOTHING, "Change the prompt or the image. The same inputs are refused again."),
    RecordExpiredError: (
        "the job, if it completed",
        (
            "Check the request id, and that the key belongs to the account that submitted the job. Then look at the "
            "request history in Segmind's console."
        ),
    ),
    OutputMissingError: ("the job", "Ask Segmind's support about the request id that the message names."),
    WaitTimeoutError: (
        _THE_JOB,
        "Clear the task, or let it retry: it resumes the job. For longer waits raise `timeout`.",
    ),
    DownloadFailedError: (
        "the job, once",
        (
            "Let the task retry, or clear it: it downloads again, and does not submit. The output stays at its URL for "
            "7 days."
        ),
    ),
    OutputRejectedError: (
        "the job, once",
        "Raise `max_output_bytes`, or check the URL that the message names. Then clear the task: it downloads only.",
    ),
}

_DOUBLE_BACKTICKS = re.compile(r"``(.+?)``")
_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_PARAM = re.compile(r":(param|raises) (\w+):\s*(.*?)(?=\s*:(?:param|raises|return) |\Z)", re.DOTALL)


def to_markdown(text: str) -> str:
    """Return a docstring's text as one line of Markdown."""
    return _DOUBLE_BACKTICKS.sub(r"`\1`", _ROLE.sub(r"`\1`", " ".join(text.split())))


def make_error_sections() -> str:
    """Return a section for each error class: what it means, what is billed, what to do."""
    sections = []
    for error in list_error_classes():
        meaning = to_markdown(_PARAM.sub("", inspect.getdoc(error) or ""))
        billed, advice = ERROR_HELP[error]
        children = ", ".join(map(_link_to, error.__subclasses__()))
        retry = "yes" if may_retry_task(error("")) else "no, its other retries are skipped"
        rows = [("Code", f"`{error.code}`"), ("Retried by Airflow", retry), ("Billed", billed), ("What to do", advice)]
        lines = "".join(f"- **{name}**: {text}\n" for name, text in rows)
        kinds = f"\nKinds of it: {children}.\n" if children else ""
        sections.append(f"### {error.__name__}\n\n{meaning}\n\n{lines}{kinds}")
    return "\n" + "\n".join(sections) + "\n"


def list_status_rows() -> Iterable[list[str]]:
    """Return a row for each HTTP status that a submit may get: the status, and the errors that it may mean."""
    for status, (error, _) in sorted(REFUSED_STATUSES.items()):
        errors = {error: None} | dict.fromkeys(kind for _, kind, _ in KINDS_OF_406 if status == 406)
        yield [str(status), ", ".join(map(_link_to, errors))]
    yield ["429", _link_to(ThrottledError)]
    proxies = ", ".join(map(str, sorted(PROXY_STATUSES)))
    yield [f"{proxies}, 5xx, HTML with any status", _link_to(NoUsableResponseError)]


def _link_to(error: type[RunwayError]) -> str:
    return f"[{error.__name__}](#{error.__name__.lower()})"


def make_option_sections() -> str:
    """Return a section for each option of ``airflow.cfg``."""
    sections = []
    for section, described in get_provider_info()["config"].items():
        for name, option in described["options"].items():
            text = " ".join(option["description"].split())
            text = re.sub(r'(\{"slug".*?\}\}?\})', r"`\1`", text)
            default = "not set" if option["default"] is None else f"`{option['default']}`"
            sections.append(
                f"### {name}\n\n{text}\n\n"
                f"- **In airflow.cfg**: section `[{section}]`, option `{name}`\n"
                f"- **As a variable**: `AIRFLOW__{section.upper()}__{name.upper()}`\n"
                f"- **Example**: `{option['example']}`\n"
                f"- **Default**: {default}\n"
                f"- **Since**: {option['version_added']}\n"
            )
    return "\n" + "\n".join(sections) + "\n"


def list_argument_rows(operator: type, row_operator: type | None = None) -> Iterable[list[str]]:
    """Return a row for each argument that an operator documents: name, default, templated, meaning.

    :param row_operator: the operator of one row of a batch. Its arguments need no description of their own here.
    :raises ValueError: an argument of its constructor has no ``:param``.
    """
    documented = {name: text for kind, name, text in _PARAM.findall(inspect.getdoc(operator) or "") if kind == "param"}
    constructor = inspect.signature(operator.__init__).parameters  # type: ignore[misc]
    own = [name for name in constructor if name not in ("self", "args", "kwargs")]
    inherited = {"poke_interval"}  # documented by Airflow
    if row_operator is not None:
        for name in set(inspect.signature(row_operator.__init__).parameters) - set(documented):  # type: ignore[misc]
            documented[name] = f"as on `{row_operator.__name__}`, for rows without one"
    if missing := set(own) - set(documented) - inherited:
        raise ValueError(f"{operator.__name__} does not document {sorted(missing)}")
    for name in own:
        if name not in documented:
            continue
        default = constructor[name].default
        shown = "required" if default is inspect.Parameter.empty else f"`{default!r}`"
        templated = "yes" if name in operator.template_fields else ""  # type: ignore[attr-defined]
        yield [f"`{name}`", shown, templated, to_markdown(documented[name]).replace(" (templated)", "")]
