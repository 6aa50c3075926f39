"""Proxies of the environment: which one a URL uses, and errors that name the variable."""

from __future__ import annotations

import httpx
import pytest

from orch.cli.commands.setup.model_library import find_artifact
from orch.config.spec import Provider
from orch.errors import OrchError, ProviderError
from orch.providers.http.proxies import Proxy, proxy_for
from orch.providers.ollama.client import OllamaClient
from tests.support.http_server import served
from tests.support.orch_command import orch

FAR = "http://192.0.2.1:11434"
PROXY = "http://127.0.0.1:1"
LOOPBACK = [
    "127.0.0.1",
    "127.9.9.9",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "0.0.0.0",
]
UNUSABLE = {
    "ALL_PROXY": [
        "socks://127.0.0.1:7890/",
        "socks5://127.0.0.1:7890",
        "socks5h://h:1",
        "socks4://h:1",
        "unix:///run/proxy",
        "://",
        "http://",
        "http://h:port",
    ],
    "HTTP_PROXY": ["ftp://x", "http://:3128", "http://[::1", "http:// a b/"],
    "all_proxy": ["SOCKS5://127.0.0.1:7890", "gopher://x"],
}
CASES = [(variable, value) for variable, values in UNUSABLE.items() for value in values]


@pytest.mark.parametrize("host", LOOPBACK)
def test_requests_to_this_machine_use_no_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert (proxy_for(f"http://{host}:11434"), proxy_for(f"https://{host}")) == (None, None)
    assert proxy_for("http://127.0.0.1.example") is not None


@pytest.mark.parametrize(
    ("no_proxy", "url", "excluded"),
    [
        ("192.0.2.1", FAR, True),
        ("192.0.2.1:11434", FAR, True),
        ("192.0.2.1:80", FAR, False),
        ("192.0.2.0/24", FAR, True),
        ("10.0.0.0/8,[::1]", FAR, False),
        ("[2001:db8::1]", "http://[2001:db8::1]:80", True),
        ("2001:db8::/32", "http://[2001:db8::1]:80", True),
        ("[2001:db8::1]:81", "http://[2001:db8::1]:80", False),
        ("example.org", "http://gpu.Example.org", True),
        (".example.org", "http://gpu.example.org.", True),
        ("*.example.org", "https://gpu.example.org", True),
        ("example.org", "http://anexample.org", False),
        ("localhost, *", FAR, True),
        ("example.org:²", "http://example.org", False),
        (f"example.org:{'9' * 5000}", "http://example.org", False),
        ("example.org:080", "http://example.org", True),
        ("example.org.", "http://gpu.example.org", True),
        ("example.org.:80", "http://example.org", True),
        ("http://example.org/", "http://example.org", True),
        ("http://example.org:81/", "http://example.org", False),
        (" ,;,[,[::1,::::,a:b:c,/, 192.0.2.1", FAR, True),
        ("", FAR, False),
    ],
)
def test_hosts_in_no_proxy_use_no_proxy(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, excluded: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) is excluded


def test_the_proxy_of_another_scheme_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://x")
    assert proxy_for(FAR) is None
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    assert proxy_for(FAR) == Proxy("http://proxy.example:3128", "HTTP_PROXY")


@pytest.mark.parametrize(("variable", "value"), CASES)
@pytest.mark.parametrize("concurrent", [False, True])
async def test_the_error_of_an_unusable_proxy_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, concurrent: bool
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(
        ProviderError, match=rf"^{variable} names .*NO_PROXY=192\.0\.2\.1"
    ) as caught:
        await OllamaClient(
            Provider(kind="ollama", base_urls=(FAR,)), concurrent=concurrent
        ).installed()
    assert caught.value.code == "connect"


async def test_the_error_of_a_failing_proxy_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
    with pytest.raises(
        ProviderError, match=r"through the proxy http://127\.0\.0\.1:1 that http_proxy names: "
    ):
        await OllamaClient(Provider(kind="ollama", base_urls=(FAR,))).installed()


@pytest.mark.parametrize(
    "words", [["route", "hi"], ["models"], ["health"], ["run", "-m", "llama", "hi"]]
)
def test_every_command_says_so(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("OLLAMA_HOST", FAR)
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7890/")
    done = orch(*words)
    output = " ".join((done.stdout + done.stderr).decode().split())
    assert "Traceback" not in output
    assert "ALL_PROXY names a proxy of a kind that orch does not support" in output


def test_the_endpoint_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", FAR)
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7890/")
    with served() as url:
        asked = {"model": "llama", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(f"{url}/v1/chat/completions", json=asked, trust_env=False, timeout=60)
    assert (
        answer.status_code,
        "ALL_PROXY names a proxy of a kind that orch does not support" in answer.text,
    ) == (503, True)


def test_a_download_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks4://127.0.0.1:7890/")
    with pytest.raises(
        OrchError, match="HTTPS_PROXY names a proxy of a kind that orch does not support"
    ):
        find_artifact("qwen3:4b")
