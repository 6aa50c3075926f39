"""Headers of providers: what is refused, what replaces what, and where their values never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.headers import header_problem, request_headers
from orch.config.load import load_config
from orch.config.secrets import MASK, mask_secrets
from orch.errors import ConfigError
from tests.support.orch_command import orch

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("name", ["X-Token", "authorization", "x_y", "CF-Access-Client-Id"])
def test_a_header_of_ones_own_is_accepted(name: str) -> None:
    assert header_problem(name, "Bearer a, b\t(c)") is None


@pytest.mark.parametrize("name", ["", "X Token", "X-Tokén", "X:", "X\n"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    assert "is not the name of an HTTP header" in (header_problem(name, "a") or "")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "Accept-Encoding"])
def test_a_header_that_describes_the_request_is_refused(name: str) -> None:
    assert "orch sets" in (header_problem(name, "1") or "")


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX: y", f"{SECRET}é", f" {SECRET}", SECRET * 800])
def test_an_impossible_value_is_refused_and_not_quoted(value: str) -> None:
    assert SECRET not in (problem := header_problem("X", value) or "")
    assert "the value" in problem


def test_own_headers_replace_the_usual_ones_in_any_case() -> None:
    sent = request_headers(None, {"USER-AGENT": "me", "X-A": "1"})
    assert {name.lower(): value for name, value in sent.items()} == {
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "me",
        "x-a": "1",
    }


def test_a_variable_with_a_line_end_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="headers, X-A: the value"):
        request_headers(None, {"X-A": "secret\n"})


def test_all_values_of_headers_are_masked() -> None:
    assert mask_secrets({"headers": {"X-Team": SECRET, "X-Url": f"http://{SECRET}"}}) == {
        "headers": {"X-Team": MASK, "X-Url": MASK}
    }


def write(folder: Path, provider: str) -> None:
    """Writes both files with one provider."""
    folder.mkdir(exist_ok=True)
    (folder / "models.yaml").write_text(
        f"version: 1\nproviders:\n  p: {{kind: openai, base_url: 'http://127.0.0.1:9', {provider}}}"
        "\nmodels:\n- {id: m, provider: p}\n"
    )
    weights = "{fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}"
    (folder / "routing.yaml").write_text(f"version: 1\nweights: {weights}\ntask_types: {{}}\n")


def test_a_variable_fills_a_header(tmp_path: Path) -> None:
    write(tmp_path, "headers: {X-A: '${TOKEN_A}', X-B: '${NONE:-b}'}")
    for value in ("one", "two"):  # the second time from the cache
        config = load_config(tmp_path, {"TOKEN_A": value})
        assert config.models.providers["p"].headers == {"X-A": value, "X-B": "b"}


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (f"headers: {{X-A: '{SECRET}é'}}", "headers.X-A: the value contains a character"),
        (f"headers: {{X-A: [{SECRET}]}}", "headers.X-A: must be text, not the value"),
        (f"headers: {{X-A: {SECRET}, x-a: b}}", "x-a appears twice"),
        (
            f"headers: {{Authorization: {SECRET}}}, api_key: k",
            "api_key or the header Authorization",
        ),
        ("headers: {Host: a}", "orch sets Host itself"),
        ("verify: false", "false is not allowed"),
        ("verify: ' '", "is not a path"),
    ],
)
def test_validation_names_the_fault_and_not_the_value(
    tmp_path: Path, provider: str, message: str
) -> None:
    write(tmp_path / "c", provider)
    done = orch("--config", str(tmp_path / "c"), "config", "validate")
    said = (done.stdout + done.stderr).decode()
    assert (done.returncode, message in said, SECRET in said) == (2, True, False), said


@pytest.mark.parametrize("provider", ["headers: {X-A: b}", "verify: server.pem"])
def test_the_working_directory_may_not_set_them(provider: str) -> None:
    write(Path.cwd(), provider)
    done = orch("models")
    key = provider.partition(":")[0]
    assert (done.returncode, f"providers.p.{key}: may not be set" in done.stderr.decode()) == (
        2,
        True,
    ), done.stderr


@pytest.mark.parametrize("around", [" ", "\n", "\r\n", "\t"])
def test_blanks_around_a_key_are_not_sent(around: str) -> None:
    sent = request_headers(f"{around}{SECRET}{around}")
    assert sent["Authorization"] == f"Bearer {SECRET}"
    assert "Authorization" not in request_headers(around)


@pytest.mark.parametrize("key", [f"{SECRET}\nX", f"{SECRET}é"])
def test_a_key_that_no_header_can_carry_is_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        request_headers(key)
    assert SECRET not in str(caught.value)
