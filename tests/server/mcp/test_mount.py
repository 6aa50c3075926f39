"""The SDK is imported by the first request at `/mcp`, and not before."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from orch.config.installation import install_extra_command
from orch.server.mcp import mount

HEADERS = {"accept": "application/json, text/event-stream"}
CLIENT = {"name": "test", "version": "1"}
PARAMS = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CLIENT}
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": PARAMS}


def test_a_server_that_starts_imports_no_sdk() -> None:
    code = (
        "import orch.server.process, sys; print({'mcp', 'mcp_types', 'httpx2'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "set()"


def test_without_the_sdk_the_error_says_what_to_type(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount, "has_mcp_sdk", lambda: False)
    answer = httpx.post(f"{url}/mcp", json=HELLO, headers=HEADERS)
    assert answer.status_code == 503
    assert install_extra_command("serve") in answer.json()["error"]["message"]


def test_a_trailing_slash_is_served(url: str) -> None:
    assert httpx.post(f"{url}/mcp/", json=HELLO, headers=HEADERS).status_code == 200
