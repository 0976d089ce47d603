"""Every bad input ends the task with a message that names its field, and no request is sent.

Two hundred of them are generated, the same in every run (``derandomize``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow_runtime import TaskInstance
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from submits import set_connection_extra
from tasks import make_operator

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES
from airflow_provider_runway.segmind.model_fields import safe_repr

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: How many inputs are tried at least.
EXAMPLES = 200
#: Every message says this in some form.
NOTHING_SENT = re.compile(r"nothing (is|was) (billed|sent)", re.IGNORECASE)

#: Whole numbers beyond 64 bits, and beyond the 4300 digits that Python is willing to write out.
HUGE_NUMBERS = st.sampled_from([20, 400, 5000]).flatmap(
    lambda digits: st.sampled_from([1, -1]).map(lambda sign: sign * 10**digits)
)
SURROGATES = st.sampled_from(["\ud800", "a\udfffb"])
CONTROL_CHARACTERS = st.text(st.sampled_from("\x00\x01\x07\x08\x1b\x7f"), min_size=1, max_size=5).map("a{}b".format)
BLANKS = st.text(st.sampled_from(" \t\n\r\u2003"), max_size=5)
#: Values that are no text, no number and not None.
OTHER_TYPES: SearchStrategy[Any] = st.one_of(
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    st.builds(object),
    st.sets(st.integers(), max_size=2),
    st.complex_numbers(),
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), Decimal(5), ..., type, frozenset()]),
)
#: What fields of whole numbers refuse. 5.0 is no duration, and True no seed.
NOT_WHOLE = st.floats() | st.booleans() | OTHER_TYPES | st.binary(max_size=5)
NOT_WHOLE_TEXT = st.text(max_size=8).filter(lambda text: not re.fullmatch(r"\s*[+-]?[0-9]+\s*", text)) | st.just(
    "9" * 5000
)
#: What JSON has no form for.
NOT_JSON = (
    st.sampled_from(
        [float("nan"), float("inf"), b"bytes", {1, 2}, datetime(2026, 1, 1, tzinfo=UTC), [b""], {"a": object()}]
    )
    | st.just(5000).map(lambda digits: 10**digits)
    | SURROGATES
)
NOT_A_TEXT = st.integers() | HUGE_NUMBERS | NOT_WHOLE
UNSAFE_SEGMENTS = (
    st.sampled_from(
        ["", "..", "../v1/x", "a/b", "a.b..c", "-a", "a b", "a\n", "é", "a%2Fb", "a?b", "a#b", "x" * 129, "\ud800"]
    )
    | st.text(max_size=10).map("a/{}".format)
    | st.text(max_size=10).map("{}\u0430".format)
    | NOT_A_TEXT
)

PROMPTS = BLANKS | SURROGATES | CONTROL_CHARACTERS | NOT_A_TEXT
DURATIONS = st.integers().filter(lambda n: n not in (5, 10)) | HUGE_NUMBERS | NOT_WHOLE | NOT_WHOLE_TEXT
SEEDS = st.integers(max_value=0) | st.integers(min_value=100_000) | HUGE_NUMBERS | NOT_WHOLE | NOT_WHOLE_TEXT
RATIOS = st.text(max_size=8).filter(lambda text: text not in ("16:9", "9:16")) | NOT_A_TEXT
URLS = st.one_of(
    st.sampled_from(
        ["https://", "https:///1.png", "https://[x/1.png", "https://a.example:port/", "https://a.example/1 2.png"]
    ),
    st.sampled_from(["http", "HTTP", "Http"]).map("{}://a.example/1.png".format),
    st.sampled_from(["ftp", "sftp", "nosuch", "javascript"]).map("{}://a.example/1.png".format),
    CONTROL_CHARACTERS.map("https://a.example/{}".format),
    SURROGATES.map("https://a.example/{}".format),
)
DATA_URLS = st.one_of(
    st.text(max_size=20).map("data:{}".format),
    st.text(max_size=20).map("data:image/png;base64,{}".format),
    st.binary(max_size=20).map(lambda junk: f"data:image/jpeg;base64,GIF{junk.hex()}"),
)
MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF0000WEBP"]
#: Bytes that are none of the three kinds: junk, and each magic cut short.
JUNK = st.one_of(
    st.binary(max_size=40).filter(lambda data: not data.startswith(tuple(MAGIC))),
    st.sampled_from(MAGIC).flatmap(lambda magic: st.integers(0, len(magic) - 1).map(lambda end: magic[:end])),
)


def make_bad_images(folder: Path) -> SearchStrategy[Any]:
    """Return values that are no image; those that are files lie in the folder."""

    def write(data: bytes) -> str:
        path = folder / f"{abs(hash(data))}.png"
        path.write_bytes(data)
        return str(path)

    huge_file = folder / "huge_file.png"
    with huge_file.open("wb") as sparse:
        sparse.write(MAGIC[0])
        sparse.truncate(MAX_IMAGE_BYTES + 1)
    return st.one_of(
        URLS,
        DATA_URLS,
        BLANKS,
        CONTROL_CHARACTERS,
        SURROGATES,
        JUNK,
        JUNK.map(bytearray),
        JUNK.map(write),
        JUNK.map(write).map(Path),
        JUNK.map(write).map("file://{}".format),
        JUNK.map(repr),
        st.text(max_size=20).map("/nowhere/{}".format),
        st.just("x" * 5000),
        st.sampled_from([str(folder), folder, f"file://{folder}", str(huge_file), huge_file, f"file://{huge_file}"]),
        st.integers() | HUGE_NUMBERS | st.floats() | st.booleans() | OTHER_TYPES,
    )


PARAMS: SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("model_params"), st.text(max_size=5) | st.integers() | st.lists(st.integers()) | st.booleans()),
    st.tuples(st.just("prompt_text"), PROMPTS.map(lambda bad: {"promptText": bad})),
    st.tuples(st.just("duration"), DURATIONS.map(lambda bad: {"duration": bad})),
    st.tuples(st.just("seed"), SEEDS.map(lambda bad: {"seed": bad})),
    st.tuples(st.just("prompt_image"), (URLS | PROMPTS).map(lambda bad: {"promptImage": bad})),
    st.tuples(st.just("cfg"), NOT_JSON.map(lambda bad: {"cfg": bad})),
    st.tuples(st.just("model_params"), st.integers().map(lambda name: {name: 1})),
)


@dataclass
class Case:
    """The arguments, of which one is bad, and the name that the message must contain."""

    name: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"Case({self.name}, { ({name: safe_repr(value) for name, value in self.arguments.items()}) })"


def make_bad_inputs(folder: Path) -> SearchStrategy[Case]:
    """Return cases with one bad input each."""

    def argument(name: str, values: SearchStrategy[Any], **others: Any) -> SearchStrategy[Case]:
        return values.map(lambda value: Case(name, {name: value, **others}))

    listed = st.one_of(
        argument("prompt_text", PROMPTS | st.none()),
        argument("prompt_image", make_bad_images(folder) | st.none()),
        argument("duration", DURATIONS),
        argument("ratio", RATIOS),
        argument("seed", SEEDS),
        argument("model", UNSAFE_SEGMENTS),
        argument("request_id", UNSAFE_SEGMENTS),
        argument("image_conn_id", st.sampled_from(["", " "]) | NOT_A_TEXT, prompt_image="s3://bucket/1.png"),
        argument("runway_conn_id", PROMPTS),
        PARAMS.map(lambda row: Case(row[0], {"model_params": row[1]})),
    )
    # A model that is not listed passes through unchecked: only what cannot be sent at all is wrong there.
    unlisted = st.one_of(
        argument("prompt_text", SURROGATES, model="veo-9"),
        argument("prompt_image", make_bad_images(folder), model="veo-9"),
        argument("duration", NOT_JSON, model="veo-9"),
        NOT_JSON.map(lambda bad: Case("cfg", {"model_params": {"cfg": bad}, "model": "veo-9"})),
    )
    return st.one_of(listed, listed, unlisted)


def test_no_bad_input_reaches_the_gateway(gateway: Emulator, tmp_path: Path) -> None:
    tried: list[str] = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(make_bad_inputs(tmp_path))
    def run_case(case: Case) -> None:
        ti = TaskInstance()
        with pytest.raises(AirflowFailException) as caught:
            make_operator(**case.arguments).execute(ti.context())
        message = str(caught.value)
        assert case.name in message
        assert NOTHING_SENT.search(message)
        assert message.isprintable()
        assert len(message) < 1000
        assert not ti.store.values or ti.store.entry["phase"] == "started", "the next try must not look for a job"
        assert ti.pushes == []
        assert gateway.http_requests() == []
        tried.append(message)

    run_case()
    assert len(tried) >= EXAMPLES
    assert gateway.ledger()["posts"] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"prompt_text": None}, "prompt_text is missing", id="no prompt"),
        pytest.param({"prompt_text": "None"}, "prompt_text is the text 'None'", id="a prompt of a template of nothing"),
        pytest.param({"prompt_text": " "}, "prompt_text is empty", id="a blank prompt"),
        pytest.param({"prompt_text": "none", "model": "veo-9"}, "prompt_text is the text 'none'", id="unlisted model"),
        pytest.param({"model_params": {"promptText": "None"}}, "prompt_text is the text 'None'", id="in model_params"),
        pytest.param({"prompt_image": None}, "prompt_image is missing", id="no image"),
        pytest.param(
            {"prompt_image": "None"}, "prompt_image is the text 'None'", id="an image of a template of nothing"
        ),
        pytest.param({"prompt_image": "http://a.example/1.png"}, "https URL", id="an image without TLS"),
        pytest.param({"duration": 6}, "duration is 6", id="a duration that no model takes"),
        pytest.param({"duration": True}, "whole number", id="a duration that is a boolean"),
        pytest.param({"ratio": "4:3"}, "ratio is '4:3'", id="a ratio of another model"),
        pytest.param({"seed": 100_000}, "seed is 100000", id="a seed above the range"),
        pytest.param({"model": "../v1/other"}, "model='../v1/other'", id="a model that leaves its path"),
        pytest.param({"model": "None"}, "model is the text 'None'", id="a model of a template of nothing"),
        pytest.param({"model": "runway-gen4-aleph"}, "has no field for prompt_image", id="an image for a video model"),
        pytest.param({"model_params": "a text"}, "must be a dict", id="parameters that are not a dict"),
        pytest.param({"request_id": "../../v1"}, "request_id='../../v1'", id="an id that leaves its path"),
        pytest.param({"request_id": "None"}, "request_id is the text 'None'", id="an id of a template of nothing"),
        pytest.param({"request_id": "{'request_id': 'a'}"}, "text of a dict", id="an id that is a rendered result"),
        pytest.param({"output_path": "None"}, "output_path is the text 'None'", id="a path of a template of nothing"),
        pytest.param({"output_path": "nosuch://bucket/"}, "nosuch", id="a storage without a provider"),
        pytest.param({"on_orphaned_intent": "retry"}, "on_orphaned_intent is 'retry'", id="an unknown policy"),
        pytest.param({"runway_conn_id": "elsewhere"}, "There is no connection 'elsewhere'", id="no such connection"),
    ],
)
def test_a_bad_input_ends_the_task_before_any_request(
    gateway: Emulator, ti: TaskInstance, arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        make_operator(**arguments).execute(ti.context())
    assert expected in str(caught.value)
    assert gateway.http_requests() == []
    assert not ti.store.values or ti.store.entry["phase"] == "started", "the next try must not look for a job"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"password": None}, "no API key", id="no key"),
        pytest.param({"password": "SG_not a key"}, "no key has", id="a key with a blank"),
        pytest.param({"host": "ftp://a.example"}, "not an http(s) address", id="a host that is not an address"),
        pytest.param({"extra": {"timeout": "soon"}}, '"timeout"', id="a timeout that is not a number"),
    ],
)
def test_a_bad_connection_ends_the_task_before_any_request(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], expected: str
) -> None:
    set_connection_extra(monkeypatch, **fields.pop("extra", {}), fields=fields)
    with pytest.raises(AirflowFailException) as caught:
        make_operator().execute(ti.context())
    assert expected in str(caught.value)
    assert gateway.http_requests() == []


def test_all_problems_are_named_at_once(ti: TaskInstance) -> None:
    with pytest.raises(AirflowFailException) as caught:
        make_operator(prompt_text=None, duration=7, seed=0).execute(ti.context())
    for name in ("prompt_text", "duration", "seed"):
        assert name in str(caught.value)
