"""Redirects of model servers: followed within one server, with method and body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.http.redirects import redirect_target

URL = "http://127.0.0.1:8080/v1/chat/completions"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/chat", "http://127.0.0.1:8080/v2/chat"),
        ("http://127.0.0.1:8080/v1/chat/completions/", f"{URL}/"),
        ("completions/", "http://127.0.0.1:8080/v1/chat/completions/"),
    ],
)
def test_a_path_of_the_same_server_is_followed(location: str, target: str) -> None:
    assert redirect_target(307, URL, location) == target


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:8081/v1",
        "https://127.0.0.1:8080/v1",
        "http://localhost:8080/v1",
        "//example.org/v1",
        "ftp://127.0.0.1:8080/",
        "http://127.0.0.1:99999/",
        "",
    ],
)
def test_another_server_is_named_and_not_followed(location: str) -> None:
    with pytest.raises(ProviderError, match="redirects to") as caught:
        redirect_target(308, URL, location)
    assert caught.value.cause == "redirect"


def test_a_default_port_may_be_written() -> None:
    assert redirect_target(307, "http://host/a", "http://host:80/b") == "http://host:80/b"


def test_port_0_is_not_the_default_port() -> None:
    with pytest.raises(ProviderError, match="redirects to"):
        redirect_target(307, "http://host/a", "http://host:0/b")


@pytest.mark.parametrize("location", ["/b?c=d", "http://host/b?c=d", "http://x:y@host/b?c=d"])
def test_the_user_info_is_that_of_the_request(location: str) -> None:
    target = redirect_target(308, "http://me:p%40ss@host/a", location)
    assert target == "http://me:p%40ss@host/b?c=d"
    assert redirect_target(308, "http://host/a", location) == "http://host/b?c=d"


def test_a_password_in_the_target_is_not_shown() -> None:
    with pytest.raises(ProviderError) as caught:
        redirect_target(302, URL, "http://me:secret@example.org/")
    assert "secret" not in caught.value.message


@given(st.sampled_from([301, 302, 303, 307, 308]), st.text(max_size=40))
def test_any_location_is_a_target_of_the_server_or_an_error(status: int, location: str) -> None:
    try:
        target = redirect_target(status, URL, location)
    except ProviderError:
        return
    assert target.startswith("http://127.0.0.1:8080/")
