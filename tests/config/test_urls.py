"""URLs and addresses: what is valid, how far away it is, and what stays on this machine."""

from __future__ import annotations

import ipaddress

import pytest

from orch.config.urls import (
    corrected_base_url,
    is_local_url,
    is_loopback,
    ollama_host_url,
    parse_ip,
    url_problem,
    url_scope,
)

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
        (":8000", "http://127.0.0.1:8000"),
        ("https://box", "https://box:443"),
    ],
)
def test_ollama_host_is_parsed_as_by_ollama(host: str, url: str) -> None:
    assert ollama_host_url(host) == url


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
