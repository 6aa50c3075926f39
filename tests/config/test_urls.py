"""URLs and addresses: what is valid, how far away it is, and what stays on this machine."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.urls import (
    corrected_base_url,
    ignored_port,
    is_local_url,
    is_loopback,
    ollama_host_url,
    parse_ip,
    url_problem,
    url_scope,
)
from orch.errors import ConfigError

SCOPES = {
    "loopback": [
        "http://127.0.0.1:1",
        "http://127.8.9.1",
        "http://localhost:1",
        "https://[::1]:1",
        "http://0.0.0.0:1",
        "http://[::]:1",
        "localhost:6333",
    ],
    "private": [
        "http://10.1.2.3",
        "http://172.16.0.1",
        "http://172.31.255.255",
        "http://192.168.1.5:11434",
        "http://169.254.1.1",
        "http://[fd00::1]",
    ],
    "beyond": [
        "http://8.8.8.8",
        "http://172.32.0.1",
        "http://100.64.0.1",
        "http://[2001:db8::1]",
        "https://ollama.com",
        "http://nas:11434",
        "http://x.local",
    ],
}
MAPPED = {
    "http://[::ffff:127.0.0.1]:1": "loopback",
    "http://[::ffff:0.0.0.0]": "loopback",
    "http://[::ffff:10.0.0.1]": "private",
    "http://[::ffff:8.8.8.8]": "beyond",
}
ODD = {
    "http://127.1": "beyond",
    "http://2130706433": "beyond",
    "http://127.0.0.1.nip.io": "beyond",
    "http://127.0.0.1@evil.example": "beyond",
    "http://[": "beyond",
}
ZONES = {
    "http://[fe80::1%25eth0]:1": "private",
    "http://localhost.evil.example": "beyond",
    "": "beyond",
}


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        *((url, scope) for scope, urls in SCOPES.items() for url in urls),
        *(MAPPED | ODD | ZONES).items(),
    ],
)
def test_the_scope_of_a_url(url: str, scope: str) -> None:
    assert (url_scope(url), is_local_url(url)) == (scope, scope == "loopback")


LISTENING = {
    "127.0.0.1": True,
    "127.9.9.9": True,
    "localhost": True,
    "LOCALHOST": True,
    "::1": True,
    "[::1]": True,
    "::1%lo": True,
    "::ffff:127.0.0.1": True,
    "::ffff:7f00:1": True,
    "0.0.0.0": False,
    "::": False,
    "::ffff:0.0.0.0": False,
    "::ffff:10.0.0.1": False,
    "192.168.1.5": False,
    "nas.local": False,
    "localhost.evil.example": False,
    "127.1": False,
    "127.0.0.1%2eevil.example": False,
    "": False,
}


@pytest.mark.parametrize(("host", "expected"), LISTENING.items())
def test_only_this_machine_reaches_a_loopback_host(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_mapped_address_is_its_ipv4_address_on_every_version_of_python() -> None:
    assert parse_ip("::ffff:10.0.0.1") == ipaddress.IPv4Address("10.0.0.1")


GOOD = [
    "http://127.0.0.1:11434",
    "http://127.0.0.1:11434/",
    "https://api.example.com/v1",
    "http://[::1]:8080/v1",
    "http://[fe80::1%eth0]:8080/v1",
    "https://user:pass%40word@gateway.example/openai/deployments/my-model_1.0",
    "http://bücher.example/v1",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_valid_base_url_is_accepted(url: str) -> None:
    assert url_problem(url) is None


BAD = [
    "http://127.0.0.1:1/any/path?x=",
    "http://127.0.0.1:1/any/path#",
    "http://127.0.0.1:1?",
    "http://127.0.0.1:1\\@evil.example",
    "http:\\\\127.0.0.1:1",
    "http://127.0.0.1:1/a b",
    " http://127.0.0.1:1",
    "http://127.0.0.1:1/a\tb",
    "http://127.0.0.1:1/a\r\nHost: x",
    "http://127.0.0.1:1/a\x00b",
    "http://127.0.0.1:1/a\u202eb",
    "http://127.0.0.1:1/a;b",
    "http://127.0.0.1:1/v1/../admin",
    "http://127.0.0.1:1/./v1",
    "http://127.0.0.1:1/a%3fb",
    "http://127.0.0.1:1/%2e%2e/b",
    "http://127.0.0.1:1/a@b",
    "http://127.0.0.1%2eevil.example/v1",
    "http://127.0.0.1%00.evil.example",
    "http://",
    "http://:80",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "127.0.0.1:11434",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:x",
]


@pytest.mark.parametrize("url", BAD)
def test_a_misleading_base_url_is_refused(url: str) -> None:
    assert url_problem(url)


def test_a_host_name_that_begins_with_a_loopback_address_is_not_loopback() -> None:
    assert url_scope("http://127.0.0.1%2eevil.example") == "beyond"
    assert url_scope("http://[fe80::1%eth0]") == "private"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        (":8000", "http://127.0.0.1:8000"),
        ("box", "http://box:11434"),
        ("box:", "http://box:11434"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("HTTPS://Box:8443/", "https://Box:8443"),
        ("https://box/ollama", "https://box:443/ollama"),
        ("http://box:8000/behind/proxy/", "http://box:8000/behind/proxy"),
        ("http://", "http://127.0.0.1:80"),
        ("ollama.com", "https://ollama.com:443"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::1", "http://[::1]:11434"),
        ("http://[::]:8000", "http://[::1]:8000"),
        ("::", "http://[::1]:11434"),
        ("2001:db8::5", "http://[2001:db8::5]:11434"),
        ("0:0:0:0:0:0:0:1", "http://[::1]:11434"),
        ("[fe80::1%eth0]:8000", "http://[fe80::1%eth0]:8000"),
        ("box:99999", "http://box:11434"),
        ("box:99999999999999999999", "http://box:11434"),
        ("https://box:http", "https://box:443"),
        ("box:-1", "http://box:11434"),
        ("box:٣", "http://box:11434"),
    ],
)
def test_ollama_host_is_parsed_as_by_ollama(host: str, url: str) -> None:
    assert ollama_host_url(host) == url
    assert not url_problem(url)


@pytest.mark.parametrize(
    ("host", "port"),
    [("box:99999", "99999"), ("'https://box:x/y'", "x"), ("box:80", ""), ("::1", ""), ("", "")],
)
def test_a_port_of_ollama_host_that_is_not_used_is_told(host: str, port: str) -> None:
    assert ignored_port(host) == port


@pytest.mark.parametrize("around", [" {} ", '"{}"', "'{}'", ' "{}" ', "\t{}\r\n", '" {} "'])
def test_blanks_and_quotes_around_ollama_host_do_not_count(around: str) -> None:
    assert ollama_host_url(around.format("box:8000")) == "http://box:8000"


@pytest.mark.parametrize("host", ["ftp://box", "not a host", "box/?x=1", "box/a/../b", "b\\c", "°"])
def test_what_is_no_address_is_an_error(host: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid address"):
        ollama_host_url(host)


@given(st.text(max_size=30) | st.text(":/[]@0123456789.abc'\" %", max_size=20))
def test_any_ollama_host_is_a_url_or_an_error(host: str) -> None:
    try:
        url = ollama_host_url(host)
    except ConfigError:
        return
    assert not url_problem(url)


@pytest.mark.parametrize(
    ("kind", "url", "corrected"),
    [
        ("ollama", "http://h:1/v1", "http://h:1"),
        ("ollama", "http://h:1/v1//", "http://h:1"),
        ("ollama", "http://h:1/API/Chat/", "http://h:1"),
        ("ollama", "http://h:1/api/generate", "http://h:1"),
        ("ollama", "https://h/ollama/api", "https://h/ollama"),
        ("ollama", "https://h/ollama", "https://h/ollama"),
        ("ollama", "https://h/my-v1", "https://h/my-v1"),
        ("ollama", "http://v1", "http://v1"),
        ("ollama", "http://[::1]:1/", "http://[::1]:1"),
        ("lmstudio", "http://h:1234/v1", "http://h:1234/v1"),
        ("lmstudio", "http://h:1234/v1/models", "http://h:1234/v1"),
        ("lmstudio", "http://h:1234/api/v1/models", "http://h:1234"),
        ("lmstudio", "http://h:1234/api/v0", "http://h:1234"),
        ("openai", "http://h/v1/chat/completions", "http://h/v1"),
        ("openai", "http://h/api/v1/models/", "http://h/api/v1"),
        ("openai", "http://h/v1", "http://h/v1"),
        ("openai", "http://h/chat/completions", "http://h"),
        ("openai", "http://h/api", "http://h/api"),
    ],
)
def test_a_path_that_orch_appends_is_taken_off_an_address(
    kind: str, url: str, corrected: str
) -> None:
    assert corrected_base_url(url, kind) == corrected
    assert corrected_base_url(corrected, kind) == corrected
