"""TLS certificates: which authorities a connection trusts, and what to do about a certificate that
is refused, by cause. Imported for `https:` alone."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from orch.config.urls import display_url
from orch.errors import ProviderError
from orch.text.lines import one_line

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""OpenSSL's own: a file of certificates, and a folder of such files."""
MAX_FILES = 1_000
"""Of a folder of certificates."""
_REMEDIES = {
    9: "check the clock of this machine (`date`)",
    10: "renew it at the server, or check the clock of this machine (`date`)",
    62: "write a name into base_url that the certificate has",
    64: "write an address into base_url that the certificate has",
}
"""What to do, by OpenSSL's X509_V_ERR codes: not yet valid, expired, for other hosts, for other
addresses."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons where a server answers the first message of TLS with something else."""


def tls_context(verify: str | None = None) -> ssl.SSLContext:
    """A client context that trusts the authorities in the file or folder `verify`, else those of
    SSL_CERT_FILE and SSL_CERT_DIR, else certifi's. Raises ProviderError for an unusable one."""
    named = {"`verify` in models.yaml": verify} if verify else _named_by_environment()
    if not named:
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # as later versions of Python do, and as older ones did: a server's own certificate may be named
    # in place of an authority's, and authorities that people make lack what RFC 5280 wants
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    for source, path in named.items():
        _load(context, source, Path(path).expanduser())
    return context


def _named_by_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def _load(context: ssl.SSLContext, source: str, path: Path) -> None:
    """Adds the certificates of a file; of a folder, those that OpenSSL finds by their hashed names
    and those of each .pem and .crt file."""
    try:
        if not path.is_dir():
            context.load_verify_locations(cafile=path)
            return
        context.load_verify_locations(capath=path)
        files = [each for each in path.iterdir() if each.suffix in (".pem", ".crt")]
        for file in sorted(files)[:MAX_FILES]:
            context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        fault = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except (OSError, ValueError) as error:
        fault = f"can't be read: {getattr(error, 'strerror', None) or 'not a path'}"
    else:
        return
    shown = one_line(str(path.absolute()))
    raise ProviderError(
        "connect", f"{shown}, which {source} names, {fault}; correct it", cause="trust_file"
    )


def tls_problem(error: BaseException, url: str) -> str:
    """What a failed TLS handshake says about the server, and what to do; empty for other errors.
    The error, or one that it was raised from, is ssl's."""
    cause: BaseException | None = error
    while cause is not None and not _is_of_tls(cause):
        cause = _inner_error(cause) or cause.__cause__ or cause.__context__
    if cause is None:
        return ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_problem(cause, url)
    reason = str(getattr(cause, "reason", None) or "")
    if reason in _NO_TLS:
        plain = display_url(url).replace("https://", "http://", 1)
        return f"it does not speak TLS; if it speaks plain HTTP, write {plain}"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"TLS: {one_line(reason)}; it may want a client's certificate, which orch has not"
    return f"TLS: {one_line(reason or str(cause))}"


def _is_of_tls(error: BaseException) -> bool:
    """Whether it is an error of ssl itself: aiohttp's has its class, but not its attributes, and a
    handshake that timed out says nothing about TLS."""
    return (
        isinstance(error, ssl.SSLError)
        and not isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError))
        and _inner_error(error) is None
    )


def _inner_error(error: BaseException) -> BaseException | None:
    """The error that one of aiohttp's holds."""
    return getattr(error, "certificate_error", None) or getattr(error, "os_error", None)


def _certificate_problem(error: ssl.SSLCertVerificationError, url: str) -> str:
    detail = one_line(error.verify_message).rstrip(".")
    remedy = _REMEDIES.get(error.verify_code) or _trust_remedy(url)
    return f"its certificate is refused ({detail}): {remedy}"


def _trust_remedy(url: str) -> str:
    """What makes an unknown certificate trusted, once a person has seen that it is the right
    one."""
    parts = urlsplit(url)
    host, port = parts.hostname or "HOST", parts.port or 443
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fetch = f"openssl s_client -connect {address} </dev/null | openssl x509 -out server.pem"
    return (
        "if it is yours, name the file of its certificate, or of the authority that signed it: set"
        f" SSL_CERT_FILE=FILE, or `verify: FILE` at the provider in models.yaml (`{fetch}` fetches"
        " the server's)"
    )
