"""Origins that are allowed: in full or by pattern, and what no pattern lets in."""

from __future__ import annotations

import pytest

from orch.errors import UsageError
from orch.server.http.allowed_origins import AllowedOrigins, allowing_option, validate_origin
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.support.guarded_app import KEY, run_guarded

PATTERNS = (
    *("http://localhost:*", "vscode-webview://*", "app://obsidian.md", "file://"),
    *("https://chat.example", "http://[::1]:*"),
)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "http://[::1]:5173",
        "vscode-webview://1a2b3c4d5e6f",
        "app://obsidian.md",
        "file://",
        "https://chat.example",
    ],
)
def test_an_origin_is_allowed_by_its_pattern_and_echoed(origin: str) -> None:
    with run_guarded(Rules(allowed_origins=frozenset(PATTERNS))) as there:
        answer = there.get("Host: localhost", f"Origin: {origin}", "Sec-Fetch-Site: cross-site")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://localhost.evil.com",
        "http://localhost.evil.com:3000",
        "http://localhost:3000.evil.com",
        "http://localhost:",
        "http://localhost:123456",
        "http://localhost:80@evil.com",
        "http://user@localhost:3000",
        "http://localhost:3000/",
        "http://localhost:3000?x",
        "http://evil.com#http://localhost:3000",
        "http://evil.com:3000",
        "https://localhost:3000",
        "http://127.0.0.1:3000",
        "http://localhost:*",
        "http://xlocalhost:3000",
        "http://localhost\x00.evil.com:1",
        "http://localhost, http://evil.com",
        "vscode-webview://",
        "vscode-webview://*",
        "vscode-webview://a/b",
        "xvscode-webview://a",
        "app://obsidian.md.evil",
        "app://other",
        "file://evil.com",
        "https://chat.example:444",
        "https://chat.example.evil",
        "",
    ],
)
def test_no_pattern_lets_in_another_origin(origin: str) -> None:
    assert not AllowedOrigins(map(validate_origin, PATTERNS)).matches(origin.encode())


def test_without_patterns_no_origin_matches() -> None:
    assert not AllowedOrigins(()).matches(b"http://localhost:3000")


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "https://*", "http://*", "HTTP://*", "data://*", "*://localhost", "http://*:*"),
        *("http://*.example", "http://localhost:*:*", "http://localhost:80:*", "://*", "*://*"),
        *("chat.example", "https://chat.example/", "https://a@b", "https://a b", "file:///x", ""),
    ],
)
def test_a_pattern_for_any_page_of_the_web_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match=r"is not an origin|any page of the web"):
        validate_origin(origin)


def test_an_origin_is_compared_in_lower_case() -> None:
    assert validate_origin("https://Chat.example:8443") == "https://chat.example:8443"
    assert validate_origin("VSCode-Webview://*") == "vscode-webview://*"


def test_the_files_of_programs_are_allowed_as_ollama_writes_it_too() -> None:
    assert AllowedOrigins([validate_origin("file://*")]).matches(b"file://")


def test_null_which_any_page_can_send_needs_keys() -> None:
    with pytest.raises(UsageError, match="any page of the web"):
        Rules(allowed_origins=frozenset(("null",)))
    keys = ApiKeys([("laptop", KEY)])
    with run_guarded(Rules(allowed_origins=frozenset(("null",)), keys=keys)) as there:
        assert there.get("Host: localhost", "Origin: null").status == 401
        allowed = there.get("Host: localhost", "Origin: null", f"Authorization: Bearer {KEY}")
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "null")


@pytest.mark.parametrize(
    ("origin", "option"),
    [
        ("http://localhost:3000", "--allow-origin 'http://localhost:*'"),
        ("vscode-webview://0a1b2c", "--allow-origin 'vscode-webview://*'"),
        ("app://obsidian.md", "--allow-origin 'app://obsidian.md'"),
        ("file://", "--allow-origin 'file://'"),
        ("null", "--allow-origin 'null' --api-key FILE"),
        ("https://evil.example", "--allow-origin 'https://evil.example'"),
    ],
)
def test_a_refusal_names_the_option_that_allows_the_origin(origin: str, option: str) -> None:
    with run_guarded() as there:
        answer = there.get("Host: localhost", f"Origin: {origin}", path="/v1/models")
    assert answer.status == 403
    assert answer.json["error"]["message"].endswith(f": orch serve {option}")
    pattern = option.split("'")[1]
    assert AllowedOrigins([validate_origin(pattern)]).matches(origin.encode())


@pytest.mark.parametrize("origin", ["http://a'b", "http://a b", "x", "http://\xe9"])
def test_no_option_is_made_of_what_a_shell_could_misread(origin: str) -> None:
    assert allowing_option(origin.encode("latin-1")) == ""


@pytest.mark.parametrize(
    ("host", "option"),
    [
        ("host.docker.internal:11435", ": orch serve --allow-host host.docker.internal"),
        ("nas.local", ": orch serve --allow-host nas.local"),
        ("a b", "--allow-host adds one"),
    ],
)
def test_a_refusal_names_the_option_that_allows_the_host(host: str, option: str) -> None:
    with run_guarded() as there:
        answer = there.get(f"Host: {host}", path="/v1/models")
    assert (answer.status, answer.json["error"]["message"].endswith(option)) == (403, True)


def test_the_host_of_a_container_can_be_allowed() -> None:
    with run_guarded(Rules.for_host("127.0.0.1", hosts=["host.docker.internal"])) as there:
        assert there.get("Host: host.docker.internal:11435").status == 200
        assert there.get("Host: host.docker.internal.evil.com").status == 403
