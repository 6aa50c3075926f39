"""No file holds a secret of a task, an answer, a tool call or a session name."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served
from tests.support.orch_command import orch
from tests.support.secret_samples import key_of

TOKEN, PASSWORD, SESSION = key_of("glpat-{A20}"), "hunter2" + "secret", key_of("ghp_{A36}")


def kept(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_a_secret_in_a_file_task_is_not_stored(ollama: FakeOllama, home: Path) -> None:
    done = orch(
        "run",
        "-m",
        CODER,
        "--session",
        SESSION,
        "-",
        stdin=f"explain\nDB_PASSWORD={PASSWORD}\ncurl -H 'PRIVATE-TOKEN: {TOKEN}' x".encode(),
    )
    assert done.returncode == 0
    assert not any(secret.encode() in kept(home) for secret in (TOKEN, PASSWORD, SESSION))
    assert b"[redacted: gitlab_token]" in kept(home)


def test_a_session_named_by_a_secret_continues(ollama: FakeOllama, home: Path) -> None:
    orch("run", "-m", CODER, "--session", SESSION, "my word is quince")
    orch("run", "-m", CODER, "--session", SESSION, "which word?")
    assert ollama.chats()[-1].body["messages"][0]["content"] == "my word is quince"


def test_the_server_stores_no_secret_of_a_request(ollama: FakeOllama, home: Path) -> None:
    messages = [
        {"role": "user", "content": f'call {{"password": "{PASSWORD}"}}'},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "f", "arguments": f'{{"apiKey":"{TOKEN}"}}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "done"},
    ]
    with served() as url:
        assert (
            httpx.post(
                f"{url}/v1/chat/completions",
                json={"model": CODER, "messages": messages},
                timeout=30,
            ).status_code
            == 200
        )
    assert not any(secret.encode() in kept(home) for secret in (TOKEN, PASSWORD))
    assert b"[redacted: " in kept(home)
