"""A certificate of one's own, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class OwnCertificate(NamedTuple):
    """The files of a certificate and of its key."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """The TLS context of a server that has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path, names: str = "IP:127.0.0.1") -> OwnCertificate:
    """A self-signed certificate for these names, such as `DNS:a,IP:127.0.0.1`."""
    made = OwnCertificate(folder / "server.pem", folder / "server.key")
    subprocess.run(
        [
            *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(),
            *"-days 2 -subj /CN=orch-test -addext".split(),
            f"subjectAltName={names}",
            *("-keyout", made.key, "-out", made.certificate),
        ],
        check=True,
        capture_output=True,
    )
    return made
