"""What to type when a provider fails, by the kind of its server and the cause of the failure: the
one table of such hints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from orch.config.urls import corrected_base_url, display_url, is_local_url, ollama_host_url
from orch.errors import ConfigError, ProviderError
from orch.providers.kinds import KINDS

if TYPE_CHECKING:
    from orch.config.spec import Provider


class ServerProgram(NamedTuple):
    """A program that serves models, and how a person gets it running."""

    label: str
    start: str
    """The command that starts it; `{port}` stands for the port of its address."""
    program: str = ""
    """The program of that command, where a machine without it has not installed the server."""
    download: str = ""
    """Where to get it."""


OLLAMA = ServerProgram(
    "Ollama", KINDS["ollama"].start_command, "ollama", "https://ollama.com/download"
)
_LM_STUDIO = ServerProgram(
    "LM Studio's server", KINDS["lmstudio"].start_command, "", "https://lmstudio.ai"
)
_LLAMA_SERVER = ServerProgram("llama.cpp's server", "llama-server -m MODEL.gguf --port {port}")
_LLAMA_ROUTER = ServerProgram(
    KINDS["llama-server"].label,
    KINDS["llama-server"].start_command,
    "llama-server",
    "https://github.com/ggml-org/llama.cpp/releases",
)
_VLLM = ServerProgram("vLLM", "vllm serve MODEL --port {port}")
SERVERS_BY_PORT: Mapping[int, ServerProgram] = {
    11434: OLLAMA,
    1234: _LM_STUDIO,
    8080: _LLAMA_SERVER,
    9931: _LLAMA_SERVER,  # its default port since August 2026
    8000: _VLLM,
}
"""What probably serves OpenAI's API at a default port; `kind: openai` does not say."""

_BASE_URL, _CONFIG = "base_url in models.yaml", "orch config path shows the file"
DENIED_HINT = (
    f'check api_key of the provider in models.yaml, such as api_key: "${{NAME}}"; {_CONFIG}'
)
_CANNOT_INSERT = ("not support insert", "infill is not supported")
"""How Ollama and llama.cpp's server refuse to fill a gap, in lower case."""
_LATER = "orch health shows when it answers"
_HINTS: Mapping[str, str] = {
    "denied": DENIED_HINT,
    "certificate": (
        "name the server's certificate, if you trust it: SSL_CERT_FILE=FILE before the command, or"
        f" verify: FILE at the provider in models.yaml; {_CONFIG}"
    ),
    "trust_file": f"write an absolute path of a file or folder of certificates; {_CONFIG}",
    "unfit_certificate": (
        "this shows its names and dates; correct it, or base_url in models.yaml, or this machine's"
        " clock:\n  openssl s_client -connect {address} </dev/null | openssl x509 -noout -text"
    ),
    "tls": "check http:// and https:// in base_url in models.yaml: the server speaks the other one",
    "not_http": (
        "base_url in models.yaml names the port of another program: llama.cpp's server has 8080,"
        f" LM Studio 1234, vLLM 8000; {_CONFIG}"
    ),
    "name": f"check the host name in base_url in models.yaml; {_CONFIG}",
    "path": (
        "base_url in models.yaml is not the address of OpenAI's API: such as"
        f" http://127.0.0.1:8080/v1; an Ollama is kind: ollama; {_CONFIG}"
    ),
    "redirect": (
        "write the address that it redirects to, without the path of the API, as base_url in"
        f" models.yaml; {_CONFIG}"
    ),
    "loading": "it is starting: try again in a moment, orch health shows when it is ready",
    "busy": f"try again in a moment: {_LATER}",
    "rate_limited": "try again later, or -m MODEL asks another one: orch models lists them",
    "timeout": "it accepts connections and does not answer: restart it, then orch health",
    "cut": f"check the port in base_url in models.yaml, or restart the server; {_LATER}",
    "server_error": f"the server's own log says why; {_LATER}",
    "rejected": f"the server's own log says why; it may want another version of its API; {_CONFIG}",
}
"""By cause, for every kind of server; `{address}` stands for host and port."""
_OWN_HINTS: Mapping[tuple[str, str], str] = {
    ("ollama", "denied"): (
        "a cloud model needs an account: ollama signin, on the machine of Ollama; behind a proxy"
        f" that asks for a key, {DENIED_HINT}"
    ),
    ("ollama", "path"): (
        "base_url in models.yaml is not the address of an Ollama: such as http://127.0.0.1:11434;"
        f" a server with OpenAI's API is kind: openai; {_CONFIG}"
    ),
    ("llama-server", "path"): (
        "base_url in models.yaml is not the address of a llama-server: such as"
        f" http://127.0.0.1:9931; an Ollama is kind: ollama; {_CONFIG}"
    ),
    ("lmstudio", "path"): (
        "base_url in models.yaml is not the address of LM Studio: such as http://127.0.0.1:1234;"
        f" an Ollama is kind: ollama, a server with OpenAI's API kind: openai; {_CONFIG}"
    ),
    ("ollama", "not_http"): (
        "base_url in models.yaml names the port of another program: Ollama's is 11434, such as"
        f" http://127.0.0.1:11434; {_CONFIG}"
    ),
    ("ollama", "server_error"): (
        "Ollama's log says why: journalctl -u ollama on Linux, ~/.ollama/logs/server.log on macOS;"
        f" {_LATER}"
    ),
}
"""By kind and cause, where one kind of server needs another hint."""
_SAME = {
    "page": "path",
    "bad_response": "path",
    "model_not_found": "path",
    "stalled": "timeout",
    "stream_error": "server_error",
}
"""Causes with the hint of another one. A model that is not found is a path that is none, where the
models are listed."""


def provider_hint(
    provider: Provider, failure: ProviderError, env: Mapping[str, str] = os.environ
) -> str:
    """What to do about a provider that failed; empty for the engine inside orch. An address that
    OLLAMA_HOST in `env` gave is corrected there, not in models.yaml."""
    import shutil  # only where something failed

    if not provider.urls:
        return ""
    cause = cause_of(failure, provider.urls[0])
    hint = hint_for(provider.kind, cause, provider.urls, lambda name: bool(shutil.which(name)))
    if _BASE_URL not in hint or not _is_from_ollama_host(provider, env):
        return hint
    return hint.replace(_BASE_URL, "OLLAMA_HOST").replace(f"; {_CONFIG}", "")


def _is_from_ollama_host(provider: Provider, env: Mapping[str, str]) -> bool:
    """Whether the address of a provider is what OLLAMA_HOST says."""
    host = env.get("OLLAMA_HOST", "")
    if provider.kind != "ollama" or not host.strip():
        return False
    try:
        return corrected_base_url(ollama_host_url(host), "ollama") == provider.urls[0]
    except ConfigError:
        return False


def hint_for(
    kind: str, cause: str, urls: tuple[str, ...], is_installed: Callable[[str], bool]
) -> str:
    """The hint of the table. `cause` is one of `cause_of`."""
    if cause == "refused":
        return start_hint(server_of(kind, urls), urls, is_installed)
    cause = _SAME.get(cause, cause)
    hint = _OWN_HINTS.get((kind, cause)) or _HINTS.get(cause, "orch health shows what is wrong")
    return hint.replace("{address}", _address(urls[0]))


def refusal_hint(code: str, message: str) -> str:
    """What to do about a request that was denied or rejected, by what the server says."""
    if code == "denied":
        return DENIED_HINT
    if any(words in message.lower() for words in _CANNOT_INSERT):
        return "name auto, which chooses a model that can insert; orch models shows which can"
    return "orch health shows what is wrong"


def cause_of(failure: ProviderError, url: str) -> str:
    """Why a request failed: the failure's own cause; of a connection that failed refused,
    certificate, tls or name; else the failure's code."""
    if failure.cause:
        return failure.cause
    if failure.code != "connect":
        return failure.code
    names = _exception_names(failure)
    if "SSLCertVerificationError" in names or "certificate" in failure.message:
        return "certificate"
    if "gaierror" in names:
        return "name"
    if "ConnectionRefusedError" in names or not url.startswith("https:"):
        return "refused"
    return "tls" if names & {"SSLError", "EndOfStream", "ConnectionResetError"} else "refused"


def _exception_names(failure: BaseException) -> set[str]:
    """The classes of the errors that a failure was raised from. By name: ssl and aiohttp need not
    be loaded."""
    names: set[str] = set()
    error: BaseException | None = failure
    for _ in range(12):
        if error is None:
            break
        names |= {each.__name__ for each in type(error).__mro__}
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        error = inner or error.__cause__ or error.__context__
    return names


# ---------------------------------------------------------------- a server that does not run


def server_of(kind: str, urls: tuple[str, ...]) -> ServerProgram | None:
    """The program behind a provider, as far as its kind or the port of its address tells."""
    if kind == "ollama":
        return OLLAMA
    if kind == "llama-server":
        return _LLAMA_ROUTER
    if kind == "lmstudio":
        return _LM_STUDIO
    return SERVERS_BY_PORT.get(_port(urls[0]))


def start_hint(
    server: ServerProgram | None, urls: tuple[str, ...], is_installed: Callable[[str], bool]
) -> str:
    """How to start a server; where to get it, if it is not installed on this machine."""
    at = ", ".join(map(display_url, urls))
    if server is None:
        return f"start the server at {at}"
    if not is_local_url(urls[0]):
        return f"start {server.label} at {at}, or correct base_url in models.yaml; {_CONFIG}"
    command = _start_command(server, urls[0])
    if server.program and not is_installed(server.program):
        return (
            f"install {server.label} (it is not here): {server.download}; then start it:\n"
            f"  {command}"
        )
    get = f" ({server.download})" if server.download and not server.program else ""
    return f"start {server.label}{get}:\n  {command}"


def _start_command(server: ServerProgram, url: str) -> str:
    """The command that starts a server at a URL of this machine."""
    host, port = urlsplit(url).hostname or "", _port(url)
    if server is not OLLAMA:
        return server.start.format(port=port)
    host = "127.0.0.1" if host in ("localhost", "0.0.0.0") else host
    if (host, port) == ("127.0.0.1", 11434):
        return server.start
    return f"OLLAMA_HOST={f'[{host}]' if ':' in host else host}:{port} {server.start}"


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or {"https": 443}.get(parts.scheme, 80)


def _address(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{_port(url)}"
