"""`orch run` by a running server: what argv asks for goes there, its chunks come back; the bytes
shown are those of a run in this process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch.config.discovery import find_sources, working_directory
from orch.config.fingerprint import fingerprint
from orch.config.socket_path import socket_path
from orch.errors import OrchError
from orch.server.local_client import LocalConnection, NoServerError, StuckServerError
from orch.server.local_client import request_json as asked

if TYPE_CHECKING:
    from orch.cli.commands.run import OutputMode

NDJSON = "application/x-ndjson"


def run_via_server(config_dir: Path | None, wished: dict[str, Any], face: OutputMode) -> bool:
    """Whether a server of this version, folders and configuration ran it. Raises OrchError as the
    run would have."""
    body = {name: value for name, value in wished.items() if value is not None} | {
        "on_partial": face.on_partial,
        "face": "cli",
    }
    headers = {"accept": NDJSON, "x-orch-fingerprint": local_fingerprint(config_dir)}
    try:
        connection = LocalConnection("POST", "/orch/run", body, headers)
    except NoServerError as error:
        _say_stuck(error)
        return False
    try:
        if connection.status == 409:
            return False
        if connection.status != 200:
            told = connection.json()
            if _turned_away(told):
                return False
            raise error_from_response(told)
        _show(connection, face)
    finally:
        connection.close()
    return True


def call_server(
    config_dir: Path | None, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """What a server of this version, folders and configuration answers, to a GET where there is no
    body; None where there is none.

    Raises OrchError where it refuses.
    """
    if not socket_path().exists():
        return None
    try:
        status, told = asked(
            "GET" if body is None else "POST",
            path,
            body,
            {"x-orch-fingerprint": local_fingerprint(config_dir)},
        )
    except NoServerError as error:
        _say_stuck(error)
        return None
    if status == 409 or _turned_away(told):
        return None
    if status != 200:
        raise error_from_response(told)
    return told


def _say_stuck(error: NoServerError) -> None:
    if isinstance(error, StuckServerError):
        from orch.cli import render

        render.print_warning(f"{error}: working alone; orch serve stop ends it")


def _turned_away(told: dict[str, Any]) -> bool:
    """Whether a server took no more connections: what it says then is of no API."""
    return "v" not in told


def local_fingerprint(config_dir: Path | None) -> str:
    """What this process would work with. Raises ConfigError where its configuration can't be
    read."""
    found, notes = find_sources(config_dir, os.environ, working_directory())
    return fingerprint(found.values(), notes, os.environ)


def _show(connection: LocalConnection, face: OutputMode) -> None:
    from orch.cli.commands.run import OutputWriter

    show, partial, last, why = OutputWriter(face), "", {}, "ended"
    try:
        with _signals(connection.headers.get("x-orch-run-id", "")):
            for line in connection.lines():
                last = json.loads(line)
                partial = _shown(partial, last)
                # an interruption is told by the command itself, as it is without a server
                if last["type"] != "error" or last["error"]["code"] not in (
                    "interrupted",
                    "terminated",
                    "hung_up",
                ):
                    show.write(last)
    except BrokenPipeError:
        raise OrchError("the reader is gone", code="reader_gone") from None
    except (OSError, ValueError, NoServerError) as error:
        last, why = {}, "no longer answered" if isinstance(error, StuckServerError) else why
    finally:
        show.close()
    if last.get("type") == "error":
        raise error_from_response(last)
    if last.get("type") != "done":
        raise OrchError(
            f"the server {why} before the answer was whole",
            "orch run --no-server asks without it",
            code="all_failed",
            partial=partial,
        )


def _shown(partial: str, chunk: dict[str, Any]) -> str:
    """The text so far."""
    if chunk["type"] == "content":
        return partial + str(chunk["chunk"])
    return partial[: chunk["offset"]] if chunk["type"] == "fallback" else partial


@contextmanager
def _signals(run_id: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run at the server, which then tells what had come; a second one
    ends this process."""
    codes = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung_up"}
    before = {}

    def end(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            asked(
                "POST",
                f"/orch/runs/{run_id}/end",
                {"code": codes[signal.Signals(number).name]},
                timeout_s=2,
            )
        except NoServerError:
            pass  # then the stream breaks off too

    for name in codes:
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def error_from_response(told: dict[str, Any]) -> OrchError:
    """The error of a run that a server told."""
    error = told["error"]
    attempts = told.get("attempts") or ()
    if attempts:
        from orch.types import Attempt

        attempts = tuple(Attempt(**each) for each in attempts)
    return OrchError(
        error["message"], error["hint"], code=error["code"], partial=told.get("partial", ""), attempts=attempts, warnings=told.get("warnings") or (),
        run_id=told.get("run_id") or "",
    )  # fmt: skip
