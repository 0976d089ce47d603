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


@pytest.mark.parametrize(
    ("fields", "gateway"),
    [
        pytest.param({}, GATEWAY_URL, id="nothing"),
        pytest.param({"host": "  "}, GATEWAY_URL, id="blanks"),
        pytest.param({"host": "gw.example"}, "https://gw.example", id="a bare host"),
        pytest.param({"host": "gw.example", "schema": "http"}, "http://gw.example", id="host and schema"),
        pytest.param({"host": "gw.example", "port": 8081}, "https://gw.example:8081", id="host and port"),
        pytest.param(
            {"host": "gw.example", "port": 8081, "schema": "http"}, "http://gw.example:8081", id="all the parts"
        ),
        pytest.param({"host": "gw.example:9", "port": 8081}, "https://gw.example:9", id="a port in the host wins"),
        pytest.param({"host": "https://gw.example/"}, "https://gw.example", id="a full address"),
        pytest.param({"host": "http://gw.example", "port": 8081}, "http://gw.example:8081", id="an address and a port"),
        pytest.param({"host": "http://gw.example", "schema": "https"}, "http://gw.example", id="its scheme wins"),
        pytest.param({"host": "https://gw.example/segmind/"}, "https://gw.example/segmind", id="a path"),
        pytest.param({"host": "gw.example/segmind", "port": 8081}, "https://gw.example:8081/segmind", id="path, port"),
        pytest.param({"host": " https://gw.example "}, "https://gw.example", id="blanks around"),
    ],
)
def test_the_gateway_url_is_built_from_the_connections_fields(
    make_connection: Any, fields: dict[str, Any], gateway: str
) -> None:
    assert read_connection("c", make_connection(**fields), {}).base_urls.gateway == gateway


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"host": "ftp://gw.example"}, id="another scheme"),
        pytest.param({"host": "gw.example", "schema": "runway"}, id="another schema"),
        pytest.param({"host": "https://user:pw@gw.example"}, id="a user part"),
        pytest.param({"host": "https://gw.example:port"}, id="an unreadable port"),
        pytest.param({"host": "https://"}, id="no host"),
        pytest.param({"host": "https://[::1", "port": 1}, id="broken"),
    ],
)
def test_a_malformed_gateway_url_is_refused(make_connection: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(BadConnectionError, match=r"^Connection 'c': .*\. Nothing was sent\.$"):
        read_connection("c", make_connection(**fields), {})


@pytest.mark.parametrize(
    ("password", "variable", "key"),
    [
        pytest.param(KEY, None, KEY, id="password"),
        pytest.param(f" {KEY}\n", None, KEY, id="a password that was pasted"),
        pytest.param(KEY, "SG_other", KEY, id="the password wins"),
        pytest.param(None, KEY, KEY, id="the variable of the vendor's SDK"),
        pytest.param("", KEY, KEY, id="an empty password"),
    ],
)
def test_the_key_is_read_from_the_password_or_the_environment(
    make_connection: Any, password: str | None, variable: str | None, key: str
) -> None:
    environment = {} if variable is None else {API_KEY_VARIABLE: variable}
    assert read_connection("c", make_connection(password=password), environment).api_key == key


@pytest.mark.parametrize("password", [None, "", "  "])
def test_a_missing_key_is_refused_with_both_ways_to_give_one(make_connection: Any, password: str | None) -> None:
    with pytest.raises(BadConnectionError, match=f"Connection 'c': it has no API key.*{API_KEY_VARIABLE}") as caught:
        read_connection("c", make_connection(password=password), {})
    assert caught.value.facts == {"conn_id": "c"}


@pytest.mark.parametrize("key", ["SG_a b", "SG_a\nx: y", "SG_é", "SG_\x00"])
def test_a_malformed_key_is_refused_and_not_shown(make_connection: Any, key: str) -> None:
    with pytest.raises(BadConnectionError, match="characters that no key has") as caught:
        read_connection("c", make_connection(password=key), {})
    assert "SG_" not in str(caught.value)


#: extra, the settings' field, its value
READABLE = [
    *(
        pytest.param({"requests_per_minute": value}, "requests_per_minute", 60.0, id=f"requests_per_minute {value!r}")
        for value in (60, " 60 ")
    ),
    *(
        pytest.param({"requests_per_minute": value}, "requests_per_minute", None, id=f"requests_per_minute {value!r}")
        for value in (None, "")
    ),
    *(
        pytest.param({"timeout": value}, "read_timeout_s", 30.0, id=f"timeout {value!r}")
        for value in (30, "30", "5, 30", [5, "30"])
    ),
    *(pytest.param({"timeout": value}, "connect_timeout_s", 5.0, id=f"pair {value!r}") for value in ("5, 30",)),
    *(
        pytest.param({"timeout": value}, "read_timeout_s", DEFAULT_READ_TIMEOUT_S, id=f"no timeout {value!r}")
        for value in (None, "")
    ),
    pytest.param(
        {"timeout": 30}, "connect_timeout_s", DEFAULT_CONNECT_TIMEOUT_S, id="one number leaves the other alone"
    ),
    *(
        pytest.param({"verify": value}, "verify", True, id=f"verify {value!r}")
        for value in (None, "  ", True, "True", "yes", "1")
    ),
    *(
        pytest.param({"verify": value}, "verify", False, id=f"verify {value!r}")
        for value in (False, "FALSE", "no", "0")
    ),
    pytest.param({"verify": " /etc/ca.pem "}, "verify", "/etc/ca.pem", id="verify by a file"),
    pytest.param({}, "verify", True, id="nothing verifies"),
    *(
        pytest.param({"daily_cost_limit": value}, "daily_cost_limit_usd", number, id=f"daily_cost_limit {value!r}")
        for value, number in ((7.5, 7.5), (" 7.50 ", 7.5), (0, 0.0), (None, None), ("", None))
    ),
]


@pytest.mark.parametrize(("extra", "field", "value"), READABLE)
def test_an_extra_is_read_from_text_and_from_json(
    make_connection: Any, extra: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(read_connection("c", make_connection(extra_dejson=extra), {}), field) == value


@pytest.mark.parametrize(
    ("name", "field", "default"), [("storage_url", "storage", STORAGE_URL), ("history_url", "history", HISTORY_URL)]
)
def test_the_other_hosts_have_defaults(make_connection: Any, name: str, field: str, default: str) -> None:
    for value in (None, "", "  "):
        assert (
            getattr(read_connection("c", make_connection(extra_dejson={name: value}), {}).base_urls, field) == default
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


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNREADABLE.items() for value in values])
def test_an_unreadable_extra_is_refused_in_words(make_connection: Any, name: str, value: Any) -> None:
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
