"""Two hundred generated bad inputs: each ends the task in a sentence that names its field, before anything is sent.

Nothing is stood in for: the operator runs against the emulator, whose ledger and whose list of requests
are the judges. The examples are the same in every run (``derandomize``).
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
from tasks import generate

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES
from airflow_provider_runway.segmind.model_fields import safe_repr

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: How many inputs are tried at least.
EXAMPLES = 200
#: What each message says in one of these ways.
NOTHING_SENT = re.compile(r"nothing (is|was) (billed|sent)", re.IGNORECASE)

#: Whole numbers beyond 64 bits, and beyond the 4300 digits that Python is willing to write out.
GIANTS = st.sampled_from([20, 400, 5000]).flatmap(
    lambda digits: st.sampled_from([1, -1]).map(lambda sign: sign * 10**digits)
)
HALVES = st.sampled_from(["\ud800", "a\udfffb"])
CONTROLS = st.text(st.sampled_from("\x00\x01\x07\x08\x1b\x7f"), min_size=1, max_size=5).map("a{}b".format)
BLANKS = st.text(st.sampled_from(" \t\n\r\u2003"), max_size=5)
#: What is no text, no number and not None.
STRANGE: SearchStrategy[Any] = st.one_of(
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    st.builds(object),
    st.sets(st.integers(), max_size=2),
    st.complex_numbers(),
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), Decimal(5), ..., type, frozenset()]),
)
#: What no field that takes whole numbers takes. 5.0 is no duration, and True no seed.
NOT_WHOLE = st.floats() | st.booleans() | STRANGE | st.binary(max_size=5)
NOT_WHOLE_TEXT = st.text(max_size=8).filter(lambda text: not re.fullmatch(r"\s*[+-]?[0-9]+\s*", text)) | st.just(
    "9" * 5000
)
#: What JSON has no form for.
NOT_JSON = (
    st.sampled_from(
        [float("nan"), float("inf"), b"bytes", {1, 2}, datetime(2026, 1, 1, tzinfo=UTC), [b""], {"a": object()}]
    )
    | st.just(5000).map(lambda digits: 10**digits)
    | HALVES
)
NOT_A_TEXT = st.integers() | GIANTS | NOT_WHOLE
UNSAFE = (
    st.sampled_from(
        ["", "..", "../v1/x", "a/b", "a.b..c", "-a", "a b", "a\n", "é", "a%2Fb", "a?b", "a#b", "x" * 129, "\ud800"]
    )
    | st.text(max_size=10).map("a/{}".format)
    | st.text(max_size=10).map("{}\u0430".format)
    | NOT_A_TEXT
)

PROMPTS = BLANKS | HALVES | CONTROLS | NOT_A_TEXT
DURATIONS = st.integers().filter(lambda n: n not in (5, 10)) | GIANTS | NOT_WHOLE | NOT_WHOLE_TEXT
SEEDS = st.integers(max_value=0) | st.integers(min_value=100_000) | GIANTS | NOT_WHOLE | NOT_WHOLE_TEXT
RATIOS = st.text(max_size=8).filter(lambda text: text not in ("16:9", "9:16")) | NOT_A_TEXT
URLS = st.one_of(
    st.sampled_from(
        ["https://", "https:///1.png", "https://[x/1.png", "https://a.example:port/", "https://a.example/1 2.png"]
    ),
    st.sampled_from(["http", "HTTP", "Http"]).map("{}://a.example/1.png".format),
    st.sampled_from(["ftp", "sftp", "nosuch", "javascript"]).map("{}://a.example/1.png".format),
    CONTROLS.map("https://a.example/{}".format),
    HALVES.map("https://a.example/{}".format),
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


def pictures(folder: Path) -> SearchStrategy[Any]:
    """Return pictures that are none; those that are files lie in a folder."""

    def written(data: bytes) -> str:
        path = folder / f"{abs(hash(data))}.png"
        path.write_bytes(data)
        return str(path)

    giant = folder / "giant.png"
    with giant.open("wb") as sparse:
        sparse.write(MAGIC[0])
        sparse.truncate(MAX_IMAGE_BYTES + 1)
    return st.one_of(
        URLS,
        DATA_URLS,
        BLANKS,
        CONTROLS,
        HALVES,
        JUNK,
        JUNK.map(bytearray),
        JUNK.map(written),
        JUNK.map(written).map(Path),
        JUNK.map(written).map("file://{}".format),
        JUNK.map(repr),
        st.text(max_size=20).map("/nowhere/{}".format),
        st.just("x" * 5000),
        st.sampled_from([str(folder), folder, f"file://{folder}", str(giant), giant, f"file://{giant}"]),
        st.integers() | GIANTS | st.floats() | st.booleans() | STRANGE,
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
    """What the message must name, and the arguments of which one is wrong."""

    name: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"Case({self.name}, { ({name: safe_repr(value) for name, value in self.arguments.items()}) })"


def bad_inputs(folder: Path) -> SearchStrategy[Case]:
    """Return cases of which each has one bad input."""

    def argument(name: str, values: SearchStrategy[Any], **others: Any) -> SearchStrategy[Case]:
        return values.map(lambda value: Case(name, {name: value, **others}))

    listed = st.one_of(
        argument("prompt_text", PROMPTS | st.none()),
        argument("prompt_image", pictures(folder) | st.none()),
        argument("duration", DURATIONS),
        argument("ratio", RATIOS),
        argument("seed", SEEDS),
        argument("model", UNSAFE),
        argument("request_id", UNSAFE),
        argument("image_conn_id", st.sampled_from(["", " "]) | NOT_A_TEXT, prompt_image="s3://bucket/1.png"),
        argument("runway_conn_id", PROMPTS),
        PARAMS.map(lambda row: Case(row[0], {"model_params": row[1]})),
    )
    # A model that is not listed passes through unchecked: only what cannot be sent at all is wrong there.
    unlisted = st.one_of(
        argument("prompt_text", HALVES, model="veo-9"),
        argument("prompt_image", pictures(folder), model="veo-9"),
        argument("duration", NOT_JSON, model="veo-9"),
        NOT_JSON.map(lambda bad: Case("cfg", {"model_params": {"cfg": bad}, "model": "veo-9"})),
    )
    return st.one_of(listed, listed, unlisted)


def test_no_bad_input_reaches_the_gateway(gateway: Emulator, tmp_path: Path) -> None:
    tried: list[str] = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(bad_inputs(tmp_path))
    def every(case: Case) -> None:
        ti = TaskInstance()
        with pytest.raises(AirflowFailException) as caught:
            generate(**case.arguments).execute(ti.context())
        said = str(caught.value)
        assert case.name in said
        assert NOTHING_SENT.search(said)
        assert said.isprintable()
        assert len(said) < 1000
        assert ti.store.values == {}, "the next try must not look for a job"
        assert ti.pushes == []
        assert gateway.requests() == []
        tried.append(said)

    every()
    assert len(tried) >= EXAMPLES
    assert gateway.ledger()["posts"] == 0


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([float("nan"), float("inf"), -float("inf"), "900", None, True])
    | GIANTS.filter(lambda giant: giant > 1e10)
    | STRANGE
)
def test_a_timeout_that_is_no_span_of_time_is_refused_when_the_task_is_built(timeout: Any) -> None:
    with pytest.raises(ValueError, match=r"timeout is .*; give a number of seconds"):
        generate(timeout=timeout)
