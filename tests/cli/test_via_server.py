"""A run at a server is written, and fails, as one here; without a server nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orch.cli import via_server
from orch.cli.output import OutputMode
from orch.config.socket_path import socket_path
from orch.errors import OrchError
from orch.server.local_client import NoServerError, StuckServerError

HEAD = {"type": "metadata", "model_name": "A", "task_type": "simple", "confidence": 1, "reason": ""}
FALLBACK = {
    "type": "fallback", "from": "a", "from_provider": "p", "to": "b", "to_provider": "p",
    "reason": "r", "offset": 2,
}  # fmt: skip
DONE = {"type": "done", "result": {"recalled": [], "timing": {"total_s": 1.0}}}
ERROR = {"type": "error", "error": {"code": "timeout", "message": "too slow", "hint": "wait"}}


def content(text: str) -> dict[str, Any]:
    """A chunk of the answer."""
    return {"type": "content", "chunk": text}


class Connection:
    """A connection on which a server has answered."""

    def __init__(
        self, *chunks: dict[str, Any], status: int = 200, failure: Exception | None = None
    ) -> None:
        self.chunks, self.status, self.failure = chunks, status, failure
        self.headers = {"x-orch-run-id": "r1"}
        self.closed = False

    def lines(self) -> Iterator[bytes]:
        """The lines of a stream."""
        yield from (json.dumps(chunk).encode() for chunk in self.chunks)
        if self.failure:
            raise self.failure

    def json(self) -> dict[str, Any]:
        """The body of any other response."""
        return self.chunks[0]

    def close(self) -> None:
        """Notes it."""
        self.closed = True


def run(monkeypatch: pytest.MonkeyPatch, connection: Connection | Exception) -> bool:
    """Whether a run at this server was taken."""

    def connect(method: str, path: str, body: Any, headers: dict[str, str]) -> Connection:
        if isinstance(connection, Exception):
            raise connection
        assert (method, path, body["task"], "empty" in body) == ("POST", "/orch/run", "hi", False)
        assert headers["x-orch-fingerprint"] == via_server.local_fingerprint(None)
        return connection

    monkeypatch.setattr(via_server, "LocalConnection", connect)
    return via_server.run_via_server(None, {"task": "hi", "empty": None}, OutputMode(quiet=True))


def test_a_run_is_written_as_it_comes(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    connection = Connection(HEAD, content("one "), content("two"), DONE)
    assert run(monkeypatch, connection)
    assert capfdbinary.readouterr().out == b"one two"
    assert connection.closed


@pytest.mark.parametrize(
    "connection",
    [
        Connection({"v": 1} | ERROR, status=409),
        Connection({"error": {}}, status=503),
        NoServerError("none"),
    ],
)
def test_a_server_that_can_not_take_it_leaves_the_run_to_this_process(
    monkeypatch: pytest.MonkeyPatch, connection: Connection | Exception
) -> None:
    assert not run(monkeypatch, connection)


def test_a_server_that_is_stuck_is_reported_and_done_without(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not run(monkeypatch, StuckServerError("it does not answer"))
    assert "working alone; orch serve stop ends it" in capfd.readouterr().err


@pytest.mark.parametrize(
    "connection", [Connection(HEAD, ERROR), Connection(ERROR | {"v": 1}, status=504)]
)
def test_an_error_of_the_server_is_that_of_the_run(
    monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    with pytest.raises(OrchError, match="too slow") as caught:
        run(monkeypatch, connection)
    assert (caught.value.code, caught.value.hint) == ("timeout", "wait")
    assert connection.closed


@pytest.mark.parametrize(
    ("failure", "ending"),
    [
        (None, "ended"),
        (OSError("reset"), "ended"),
        (StuckServerError("stuck"), "no longer answered"),
    ],
)
def test_a_stream_that_breaks_off_keeps_the_text_up_to_the_last_fallback(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None, ending: str
) -> None:
    chunks = (HEAD, content("first"), FALLBACK, content("second"))
    with pytest.raises(OrchError, match=f"the server {ending} before") as caught:
        run(monkeypatch, Connection(*chunks, failure=failure))
    assert caught.value.partial == "fisecond"


def test_attempts_of_an_error_are_kept() -> None:
    attempt = {"model": "a", "provider": "p", "outcome": "failed", "code": "timeout"}
    error = via_server.error_from_response(ERROR | {"attempts": [attempt], "partial": "x"})
    assert [(each.model, each.code) for each in error.attempts] == [("a", "timeout")]
    assert (error.partial, error.run_id) == ("x", "")


def test_without_a_socket_no_server_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(via_server, "request_json", lambda *_: pytest.fail("it was called"))
    assert via_server.call_server(None, "/orch/info") is None


@pytest.mark.parametrize(
    ("status", "response", "answer"),
    [(200, {"v": 1, "a": 2}, {"v": 1, "a": 2}), (409, {"v": 1}, None), (503, {"error": {}}, None)],
)
def test_a_call_returns_the_response_of_a_server_of_the_same_setup(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    response: dict[str, Any],
    answer: dict[str, Any] | None,
) -> None:
    socket_path().parent.mkdir(parents=True, exist_ok=True)
    socket_path().touch()
    monkeypatch.setattr(via_server, "request_json", lambda *_: (status, response))
    assert via_server.call_server(None, "/orch/info") == answer
