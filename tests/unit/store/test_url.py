"""Reading --redis: every form, any password, and no password in any message."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.store.url import Endpoint, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", Endpoint((("host", 6379),))),
        ("redis://", Endpoint((("localhost", 6379),))),
        ("redis://host:1234/5", Endpoint((("host", 1234),), db=5)),
        ("redis://[::1]:7000/1", Endpoint((("::1", 7000),), db=1)),
        ("redis://u:p@host", Endpoint((("host", 6379),), username="u", password="p")),  # noqa: S106
        ("redis://:p@host", Endpoint((("host", 6379),), password="p")),  # noqa: S106
        (
            "rediss://host?ssl_ca_certs=/a/b.pem",
            Endpoint((("host", 6379),), tls=True, tls_options={"ssl_ca_certs": "/a/b.pem"}),
        ),
        ("unix:///run/redis.sock", Endpoint(path=Path("/run/redis.sock"))),
        ("unix:///run/redis.sock?db=2&password=p%40ss", Endpoint(path=Path("/run/redis.sock"), db=2, password="p@ss")),  # noqa: S106
        ("unix://u:p@/run/redis.sock", Endpoint(path=Path("/run/redis.sock"), username="u", password="p")),  # noqa: S106
        (
            "redis+sentinel://u:p@s1,s2:26380,[::2]/mymaster?db=3&sentinel_password=q",
            Endpoint(
                (("s1", 26379), ("s2", 26380), ("::2", 26379)),
                db=3,
                username="u",
                password="p",  # noqa: S106
                service="mymaster",
                sentinel_password="q",  # noqa: S106
            ),
        ),
        ("rediss+sentinel://s1/m", Endpoint((("s1", 26379),), service="m", tls=True)),
    ],
)
def test_every_form_is_read(url: str, expected: Endpoint) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize("password", ["p@ss", "a/b", "100%", "q?x", "#1", "a:b", "12/34", "[x]", "é ü", "@@//??##"])
def test_a_password_as_it_stands_is_taken_as_it_is(password: str) -> None:
    assert parse(f"redis://:{password}@host:6379/1") == Endpoint((("host", 6379),), db=1, password=password)


@given(password=st.text(min_size=1), user=st.text(max_size=5))
def test_an_encoded_password_may_hold_anything(password: str, user: str) -> None:
    try:
        url = f"redis://{quote(user, safe='')}:{quote(password, safe='')}@host/2"
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    found = parse(url)
    assert (found.username, found.password, found.db) == (user or None, password, 2)
    assert found.hosts == (("host", 6379),)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:6379",
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host:70000",
        "redis://:hunter2@host/db",
        "redis://:hunter2@host?nonsense=1",
        "redis://:hunter2@a,b",
        "redis+sentinel://:hunter2@a,b",
        "redis+sentinel://:hunter2@a/b c",
        "unix://:hunter2@relative/path",
        "hunter2://host",
        "redis://host?hunter2",
    ],
)
def test_what_cannot_be_read_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert caught.value.code == "S116"
    assert caught.value.hint
    if not url.startswith("hunter2") and "?hunter2" not in url:
        assert "hunter2" not in str(caught.value)


def test_an_endpoint_shows_no_password() -> None:
    for url in ("redis://u:hunter2@h:1/2", "unix:///s?password=hunter2", "redis+sentinel://:hunter2@s/m?db=1"):
        found = parse(url)
        assert "hunter2" not in f"{found} {found!r}"
    assert str(parse("redis://u:p@h:1/2")) == "redis://h:1/2"
    assert str(parse("redis+sentinel://a,[::1]:3/m?db=1")) == "redis+sentinel://a:26379,[::1]:3/m?db=1"


@pytest.mark.parametrize("url", ["redis://h:1/2", "unix:///run/redis.sock?db=4", "rediss+sentinel://a:1,b:2/m?db=1"])
def test_what_an_endpoint_shows_leads_back_to_it(url: str) -> None:
    assert parse(str(parse(url))) == parse(url)
