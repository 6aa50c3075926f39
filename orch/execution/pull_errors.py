"""Says why a download failed and what to do: the network, the name, the disk, or an account
(pure)."""

from __future__ import annotations

import re
from typing import NamedTuple

from orch.errors import OrchError, ProviderError
from orch.providers.kinds import KINDS
from orch.text.model_names import comparison_key

AGAIN = "then fetch it again: orch models pull {model} (what came is kept)"
_HUGGING_FACE = "hf.co/"


class PullCause(NamedTuple):
    """Why a download fails: words of Ollama, of its registry and of Go's libraries, lower case."""

    phrases: tuple[str, ...]
    code: str
    hint: str
    hugging_face_hint: str = ""


_CAUSES = (
    PullCause(
        ("no space left", "not enough space", "disk quota exceeded", "disk is full"),
        "all_failed",
        "make room where Ollama keeps its models (ollama rm MODEL, or OLLAMA_MODELS names another"
        f" disk), {AGAIN}",
    ),
    PullCause(
        ("permission denied", "read-only file system"),
        "all_failed",
        "Ollama can't write where it keeps its models: give its user that folder, or name another"
        f" with OLLAMA_MODELS, {AGAIN}",
    ),
    PullCause(
        ("requires a newer version", "newer version of ollama"),
        "all_failed",
        f"update Ollama from https://ollama.com/download, {AGAIN}",
    ),
    PullCause(
        ("x509", "certificate"),
        "all_failed",
        "Ollama does not trust the certificate that it got: give its server SSL_CERT_FILE, or fix"
        f" the machine's clock, {AGAIN}",
    ),
    PullCause(
        ("no such host", "server misbehaving", "network is unreachable", "no route to host"),
        "all_failed",
        "the machine of Ollama has no network, or no name service: check its way to the internet"
        f" (Ollama's own HTTPS_PROXY counts), {AGAIN}",
    ),
    PullCause(
        (
            *("dial tcp", "connection refused", "connection reset", "i/o timeout", "tls handshake"),
            *(
                "proxyconnect",
                "context deadline exceeded",
                ": eof",
                "unexpected eof",
                "max retries",
            ),
        ),
        "all_failed",
        f"check Ollama's way to the internet (its own HTTPS_PROXY counts), {AGAIN}",
    ),
    PullCause(
        (
            *("unauthorized", "access denied", "insufficient_scope", "forbidden", " 401", " 403"),
            *("invalid username or password", "gated"),
        ),
        "all_failed",
        f"it is private, or not there: check the name, sign in with ollama signin, {AGAIN}",
        "the repository is gated, private or not there: check {page}, and add Ollama's key"
        " (~/.ollama/id_ed25519.pub of its server) at https://huggingface.co/settings/keys",
    ),
    PullCause(
        ("too many requests", "rate limit", " 429"), "all_failed", f"wait some minutes, {AGAIN}"
    ),
    PullCause(
        (
            *("file does not exist", "manifest unknown", "not found", " 404", "name unknown"),
            *("invalid model name", "unqualified name", "no such model", "repository does not"),
            *("not a valid quantization", "not a valid tag", "not gguf", "not compatible with"),
        ),
        "model_not_found",
        "check the name and its tags at {page}",
        "check the repository and its files at {page}: it must hold GGUF files, and the tag names"
        " a quantization such as Q4_K_M",
    ),
)
_NAME = _CAUSES[-1]
_OTHER = PullCause((), "all_failed", "fetch it again: orch models pull {model} (what came is kept)")
_NO_SERVER = PullCause(
    (),
    "no_provider",
    f"{KINDS['ollama'].start_command}, or without Ollama: orch setup {{model}}",
)


def pull_error(model: str, failure: ProviderError) -> OrchError:
    """The error of a download that a provider gave up."""
    cause, key = _cause_of(failure, model), comparison_key(model)
    of_hugging_face = key.startswith(_HUGGING_FACE)
    hint = (of_hugging_face and cause.hugging_face_hint) or cause.hint
    message = f"{model} could not be fetched: {failure.message}"
    return OrchError(message, hint.format(model=model, page=_page_of(model, key)), code=cause.code)


def _cause_of(failure: ProviderError, model: str) -> PullCause:
    if failure.code == "connect":
        return _NO_SERVER
    text = _without_names(failure.message.lower(), model.lower())
    for cause in _CAUSES:
        if any(phrase in text for phrase in cause.phrases):
            return cause
    return _NAME if failure.code == "model_not_found" else _OTHER


def _without_names(text: str, model: str) -> str:
    """The text without its URLs and the model's name, whose words tell no cause: `gated-x`."""
    text = re.sub(r"https?://[^\s\"']+", "", text)
    path = model[: -len(tag) - 1] if (tag := model.rpartition("/")[2].partition(":")[2]) else model
    for name in (model, path, path.rpartition("/")[2]):
        if name:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "", text)
    return text


def _page_of(model: str, key: str) -> str:
    """The page that lists the tags of a model."""
    path = key.partition("/")[2] if key.startswith(_HUGGING_FACE) else key
    path = path.rpartition(":")[0] or path
    if key.startswith(_HUGGING_FACE):
        return f"https://huggingface.co/{path}"
    host = path.partition("/")[0]
    if "." in host or ":" in host:
        return f"https://{path}"
    return f"https://ollama.com/{path if '/' in path else f'library/{path}'}"
