"""httpx as orch uses it: nothing of the environment is used unseen, and TLS costs plain HTTP
nothing."""

from __future__ import annotations

import ssl
import subprocess
import sys

from orch.providers.http.httpx_options import client_options, tls_verification
from orch.providers.http.proxies import Proxy


def test_the_environment_is_not_read_by_httpx() -> None:
    options = client_options("http://h", Proxy("http://p:1", "HTTP_PROXY"))
    assert options == {"trust_env": False, "proxy": "http://p:1", "verify": False}


def test_the_scheme_of_an_address_may_be_in_any_case() -> None:
    assert isinstance(tls_verification("HTTPS://h", None), ssl.SSLContext)


def test_plain_http_loads_no_certificates() -> None:
    code = (
        "import sys; from orch.providers.http.httpx_options import client_options as options;"
        " options('http://h', None); print('orch.providers.http.certificates' in sys.modules,"
        " 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False False\n"
