"""Certificates: which ones are trusted, over both transports, and what is said by cause."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from orch.errors import ProviderError
from orch.providers.http.certificates import tls_context, tls_problem
from tests.support.own_certificate import OwnCertificate, make_certificate
from tests.support.raw_server import EVENTS, HELLO, failure, raw_server, say

URL = "https://127.0.0.1:8443/v1"


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> OwnCertificate:
    """A certificate for 127.0.0.1 that nobody knows."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


async def answer(certificate: OwnCertificate, *, concurrent: bool, verify: str | None) -> str:
    """The answer, or the connect error, of a server with this certificate."""
    context = certificate.server_context()
    async with raw_server(EVENTS + b"\r\n", HELLO, tls=context) as server:
        try:
            return await say(server.url, concurrent=concurrent, verify=verify)
        except ProviderError as error:
            return error.message if error.code == "connect" else error.code


async def test_an_unknown_certificate_is_refused_and_the_remedies_are_named(
    own_certificate: OwnCertificate, concurrent: bool
) -> None:
    message = await answer(own_certificate, concurrent=concurrent, verify=None)
    for part in ("self-signed", "SSL_CERT_FILE=FILE", "verify: FILE", "openssl s_client -connect"):
        assert part in message


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_a_provider_names_its_certificates(
    own_certificate: OwnCertificate, what: str, concurrent: bool
) -> None:
    path = own_certificate.certificate if what == "file" else own_certificate.certificate.parent
    said = await answer(own_certificate, concurrent=concurrent, verify=str(path))
    assert said == "Hello world"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_a_variable_names_them_for_all(
    own_certificate: OwnCertificate,
    variable: str,
    concurrent: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = own_certificate.certificate
    monkeypatch.setenv(variable, str(path if variable == "SSL_CERT_FILE" else path.parent))
    assert await answer(own_certificate, concurrent=concurrent, verify=None) == "Hello world"


async def test_the_providers_own_file_counts_before_the_variable(
    own_certificate: OwnCertificate,
    tmp_path: Path,
    concurrent: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate.certificate))
    said = await answer(own_certificate, concurrent=concurrent, verify=str(other.certificate))
    assert "its certificate is refused" in said


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path, concurrent: bool) -> None:
    other = make_certificate(tmp_path, "DNS:elsewhere.example")
    said = await answer(other, concurrent=concurrent, verify=str(other.certificate))
    assert "write an address into base_url that the certificate has" in said


async def test_https_where_plain_http_is_spoken_names_the_address(concurrent: bool) -> None:
    async with raw_server(EVENTS + b"\r\n", HELLO) as server:
        url = server.url.replace("http:", "https:")
        error = await failure(url, concurrent=concurrent)
    assert error.code == "connect"
    assert f"does not speak TLS; if it speaks plain HTTP, write {server.url}" in error.message


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("by", ["verify", "SSL_CERT_FILE"])
async def test_an_unusable_file_is_named(
    content: str | None,
    by: str,
    concurrent: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    if by == "SSL_CERT_FILE":
        monkeypatch.setenv(by, str(path))
    verify = str(path) if by == "verify" else None
    error = await failure(URL, concurrent=concurrent, verify=verify)
    expected = "holds no certificate" if content else "can't be read: No such file"
    assert (error.code, error.cause) == ("connect", "trust_file")
    assert all(part in error.message for part in (str(path), by, expected))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (9, "check the clock"),
        (10, "renew it at the server"),
        (62, "write a name into base_url"),
        (18, "SSL_CERT_FILE=FILE"),
        (20, "-connect 127.0.0.1:8443"),
    ],
)
def test_each_cause_has_its_remedy(code: int, remedy: str) -> None:
    error = ssl.SSLCertVerificationError(1, "refused")
    error.verify_code, error.verify_message = code, "why"
    assert remedy in tls_problem(error, URL)
    assert "its certificate is refused (why)" in tls_problem(error, URL)


def test_other_errors_are_no_problem_of_tls() -> None:
    assert tls_problem(ConnectionRefusedError("no"), URL) == ""


def test_names_are_checked_and_verification_is_never_off() -> None:
    context = tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
