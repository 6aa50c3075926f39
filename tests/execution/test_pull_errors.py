"""Failed downloads: the cause that Ollama's words tell, and what helps against it."""

from __future__ import annotations

import pytest

from orch.errors import ProviderError
from orch.execution.pull_errors import pull_error

GET = 'pull model manifest: Get "https://registry.ollama.ai/v2/library/tiny/manifests/1b": '


@pytest.mark.parametrize(
    ("message", "code", "hint"),
    [
        (f"{GET}dial tcp: lookup registry.ollama.ai: no such host", "all_failed", "no network"),
        (f"{GET}dial tcp: lookup registry.ollama.ai on [::1]:53: server misbehaving", "", "no net"),
        (f"{GET}dial tcp 104.21.75.227:443: i/o timeout", "all_failed", "HTTPS_PROXY"),
        (
            f"{GET}proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
            "",
            "PROXY",
        ),
        (f"{GET}tls: failed to verify certificate: x509: unknown authority", "", "SSL_CERT_FILE"),
        ("max retries exceeded: unexpected EOF", "all_failed", "way to the internet"),
        ("pull model manifest: file does not exist", "model_not_found", "ollama.com/library/tiny"),
        ('pull model manifest: 404: {"error":"manifest unknown"}', "model_not_found", "its tags"),
        ("invalid model name", "model_not_found", "check the name"),
        ("write .ollama/models/blobs/x: no space left on device", "all_failed", "make room"),
        ("pull model manifest: 401: unauthorized", "all_failed", "ollama signin"),
        ("pull model manifest: 412: this model requires a newer version of Ollama", "", "update"),
        ("pull model manifest: 429: too many requests", "all_failed", "wait some minutes"),
        ("digest mismatch, file must be downloaded again", "all_failed", "fetch it again"),
    ],
)
def test_the_cause_decides_the_hint(message: str, code: str, hint: str) -> None:
    error = pull_error("tiny:1b", ProviderError("rejected", message))
    assert error.code == (code or "all_failed")
    assert hint in error.hint
    assert error.message == f"tiny:1b could not be fetched: {message}"
    assert "{" not in error.hint


@pytest.mark.parametrize(
    ("model", "page"),
    [
        ("tiny:1b", "https://ollama.com/library/tiny"),
        ("someone/tiny", "https://ollama.com/someone/tiny"),
        ("registry.ollama.ai/library/tiny:1b", "https://ollama.com/library/tiny"),
        ("hf.co/Someone/Tiny-GGUF:Q4_K_M", "https://huggingface.co/someone/tiny-gguf"),
        ("registry.local:5000/team/tiny:1b", "https://registry.local:5000/team/tiny"),
    ],
)
def test_the_page_of_a_name_is_the_one_of_its_registry(model: str, page: str) -> None:
    missing = ProviderError("model_not_found", "pull model manifest: file does not exist")
    assert page in pull_error(model, missing).hint


def test_a_gated_repository_of_hugging_face_needs_a_key() -> None:
    denied = ProviderError("rejected", "pull model manifest: 401: Invalid username or password.")
    assert "huggingface.co/settings/keys" in pull_error("hf.co/a/b-GGUF", denied).hint


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        ("gated-x", 'Get "https://registry.ollama.ai/v2/library/gated-x/manifests/a": EOF', "way"),
        ("gated-x", "pull of gated-x:latest: unexpected EOF", "way to the internet"),
        ("me/my-certificate-model:1b", "model 'me/my-certificate-model' not found", "its tags"),
        ("tiny", 'Get "https://unauthorized.example/certificate": i/o timeout', "way to the int"),
        ("tiny", "open /models/blobs/sha256-1: permission denied", "OLLAMA_MODELS"),
        ("tiny", "mkdir /models/blobs: read-only file system", "OLLAMA_MODELS"),
    ],
)
def test_words_of_a_name_or_a_url_tell_no_cause(model: str, message: str, hint: str) -> None:
    assert hint in pull_error(model, ProviderError("rejected", message)).hint


def test_a_server_that_is_down_is_started() -> None:
    error = pull_error("tiny:1b", ProviderError("connect", "connection refused"))
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert error.hint == "ollama serve, or without Ollama: orch setup tiny:1b"
