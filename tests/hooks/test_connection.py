"""How an Airflow connection is read, and the message for every mistake in it, before any request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.hooks.connection import API_KEY_VARIABLE, read_connection
from airflow_provider_runway.hooks.connection_form import FIELDS
from airflow_provider_runway.segmind.http import GATEWAY_URL, HISTORY_URL, STORAGE_URL
from airflow_provider_runway.transports.client_settings import (
    DEFAULT_CONNECT_TIMEOUT_S,
    DEFAULT_READ_TIMEOUT_S,
    ClientSettings,
)

KEY = "SG_0123456789abcdef"


def test_the_gateway_url_is_built_from_the_connections_fields(subtests: pytest.Subtests, make_connection: Any) -> None:
    for case, fields, gateway in (
        ("nothing", {}, GATEWAY_URL),
        ("blanks", {"host": "  "}, GATEWAY_URL),
        ("a bare host", {"host": "gw.example"}, "https://gw.example"),
        ("host and schema", {"host": "gw.example", "schema": "http"}, "http://gw.example"),
        ("host and port", {"host": "gw.example", "port": 8081}, "https://gw.example:8081"),
        ("all the parts", {"host": "gw.example", "port": 8081, "schema": "http"}, "http://gw.example:8081"),
        ("a port in the host wins", {"host": "gw.example:9", "port": 8081}, "https://gw.example:9"),
        ("a full address", {"host": "https://gw.example/"}, "https://gw.example"),
        ("an address and a port", {"host": "http://gw.example", "port": 8081}, "http://gw.example:8081"),
        ("its scheme wins", {"host": "http://gw.example", "schema": "https"}, "http://gw.example"),
        ("a path", {"host": "https://gw.example/segmind/"}, "https://gw.example/segmind"),
        ("path, port", {"host": "gw.example/segmind", "port": 8081}, "https://gw.example:8081/segmind"),
        ("blanks around", {"host": " https://gw.example "}, "https://gw.example"),
    ):
        with subtests.test(case):
            assert read_connection("c", make_connection(**fields), {}).base_urls.gateway == gateway


def test_a_malformed_gateway_url_is_refused(subtests: pytest.Subtests, make_connection: Any) -> None:
    for case, fields in (
        ("another scheme", {"host": "ftp://gw.example"}),
        ("another schema", {"host": "gw.example", "schema": "runway"}),
        ("a user part", {"host": "https://user:pw@gw.example"}),
        ("an unreadable port", {"host": "https://gw.example:port"}),
        ("no host", {"host": "https://"}),
        ("broken", {"host": "https://[::1", "port": 1}),
    ):
        with (
            subtests.test(case),
            pytest.raises(BadConnectionError, match=r"^Connection 'c': .*\. Nothing was sent\.$"),
        ):
            read_connection("c", make_connection(**fields), {})


def test_the_key_is_read_from_the_password_or_the_environment(subtests: pytest.Subtests, make_connection: Any) -> None:
    for case, password, variable, key in (
        ("password", KEY, None, KEY),
        ("a password that was pasted", f" {KEY}\n", None, KEY),
        ("the password wins", KEY, "SG_other", KEY),
        ("the variable of the vendor's SDK", None, KEY, KEY),
        ("an empty password", "", KEY, KEY),
    ):
        with subtests.test(case):
            environment = {} if variable is None else {API_KEY_VARIABLE: variable}
            assert read_connection("c", make_connection(password=password), environment).api_key == key


def test_a_missing_key_is_refused_with_both_ways_to_give_one(subtests: pytest.Subtests, make_connection: Any) -> None:
    for password in (None, "", "  "):
        with subtests.test(password=password):
            with pytest.raises(
                BadConnectionError, match=f"Connection 'c': it has no API key.*{API_KEY_VARIABLE}"
            ) as caught:
                read_connection("c", make_connection(password=password), {})
            assert caught.value.facts == {"conn_id": "c"}


def test_a_malformed_key_is_refused_and_not_shown(subtests: pytest.Subtests, make_connection: Any) -> None:
    for key in ("SG_a b", "SG_a\nx: y", "SG_é", "SG_\x00"):
        with subtests.test(key=key):
            with pytest.raises(BadConnectionError, match="characters that no key has") as caught:
                read_connection("c", make_connection(password=key), {})
            assert "SG_" not in str(caught.value)


#: extra, the settings' field, its value
READABLE = [
    *(
        (f"requests_per_minute {value!r}", {"requests_per_minute": value}, "requests_per_minute", 60.0)
        for value in (60, " 60 ")
    ),
    *(
        (f"requests_per_minute {value!r}", {"requests_per_minute": value}, "requests_per_minute", None)
        for value in (None, "")
    ),
    *((f"timeout {value!r}", {"timeout": value}, "read_timeout_s", 30.0) for value in (30, "30", "5, 30", [5, "30"])),
    *((f"pair {value!r}", {"timeout": value}, "connect_timeout_s", 5.0) for value in ("5, 30",)),
    *((f"no timeout {value!r}", {"timeout": value}, "read_timeout_s", DEFAULT_READ_TIMEOUT_S) for value in (None, "")),
    ("one number leaves the other alone", {"timeout": 30}, "connect_timeout_s", DEFAULT_CONNECT_TIMEOUT_S),
    *((f"verify {value!r}", {"verify": value}, "verify", True) for value in (None, "  ", True, "True", "yes", "1")),
    *((f"verify {value!r}", {"verify": value}, "verify", False) for value in (False, "FALSE", "no", "0")),
    ("verify by a file", {"verify": " /etc/ca.pem "}, "verify", "/etc/ca.pem"),
    ("nothing verifies", {}, "verify", True),
    *(
        (f"daily_cost_limit {value!r}", {"daily_cost_limit": value}, "daily_cost_limit_usd", number)
        for value, number in ((7.5, 7.5), (" 7.50 ", 7.5), (0, 0.0), (None, None), ("", None))
    ),
]


def test_an_extra_is_read_from_text_and_from_json(subtests: pytest.Subtests, make_connection: Any) -> None:
    for case, extra, field, value in READABLE:
        with subtests.test(case):
            assert getattr(read_connection("c", make_connection(extra_dejson=extra), {}), field) == value


def test_the_other_hosts_have_defaults(subtests: pytest.Subtests, make_connection: Any) -> None:
    for name, field, default in (("storage_url", "storage", STORAGE_URL), ("history_url", "history", HISTORY_URL)):
        with subtests.test(name=name, field=field, default=default):
            for value in (None, "", "  "):
                assert (
                    getattr(read_connection("c", make_connection(extra_dejson={name: value}), {}).base_urls, field)
                    == default
                )
            other = read_connection("c", make_connection(extra_dejson={name: "http://h:1/x/"}), {})
            assert getattr(other.base_urls, field) == "http://h:1/x"


#: Values that cannot be read.
UNREADABLE: dict[str, list[Any]] = {
    "requests_per_minute": [0, "many", True, [60], "nan"],
    "timeout": [0, "long", True, {}, [], [1, 2, 3], "5,", ["a", 1]],
    "verify": [0, 1.5, []],
    "storage_url": [7, "ftp://h", "h", "https://u:p@h"],
    "history_url": [7, "https://u:p@h"],
    "daily_cost_limit": [-1, "-0.01", "much", True, [5], "nan", "5 USD"],
}


def test_an_unreadable_extra_is_refused_in_words(subtests: pytest.Subtests, make_connection: Any) -> None:
    for name, value in [(name, value) for name, values in UNREADABLE.items() for value in values]:
        with subtests.test(name=name, value=value):
            with pytest.raises(BadConnectionError, match=r"^Connection 'c': .*\. Nothing was sent\.$") as caught:
                read_connection("c", make_connection(extra_dejson={name: value}), {})
            assert "p@" not in str(caught.value)
            assert KEY not in str(caught.value)


def test_every_extra_of_the_form_is_tested_here() -> None:
    assert set(UNREADABLE) == set(FIELDS)


@given(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.one_of(st.text(), st.integers(), st.none(), st.booleans())),
    st.one_of(st.none(), st.text()),
    st.one_of(st.none(), st.integers(min_value=0, max_value=70_000)),
)
def test_any_connection_gives_settings_or_a_bad_connection_error(
    extra: dict[str, Any], host: str | None, port: int | None
) -> None:
    class Odd:
        schema = None
        password = KEY
        extra_dejson = extra

    Odd.host, Odd.port = host, port  # type: ignore[attr-defined]
    try:
        assert isinstance(read_connection("c", Odd(), {}), ClientSettings)  # type: ignore[arg-type]
    except BadConnectionError as problem:
        assert "Connection 'c': " in str(problem)


def test_the_key_is_not_in_the_settings_repr(make_connection: Any) -> None:
    assert KEY not in repr(read_connection("c", make_connection(), {}))
