"""Runs commands at a running server: the request is sent there, and its answer is written here as
that of a run in this process would be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch.cli import render
from orch.cli.output import OutputWriter
from orch.cli.signals import INTERRUPTION_CODES, on_first_signal
from orch.config.discovery import find_sources, working_directory
from orch.config.fingerprint import fingerprint
from orch.config.socket_path import socket_path
from orch.errors import OrchError
from orch.server.local_client import LocalConnection, NoServerError, StuckServerError, request_json

if TYPE_CHECKING:
    from orch.cli.output import OutputMode

NDJSON = "application/x-ndjson"
WRONG_FINGERPRINT = 409


def run_via_server(config_dir: Path | None, fields: dict[str, Any], mode: OutputMode) -> bool:
    """Runs a task at a server of this version, folders and configuration.

    Returns False where none runs. Raises OrchError as a run in this process does.
    """
    body = {name: value for name, value in fields.items() if value is not None}
    body |= {"on_partial": mode.on_partial, "face": "cli"}
    headers = {"accept": NDJSON, "x-orch-fingerprint": local_fingerprint(config_dir)}
    try:
        connection = LocalConnection("POST", "/orch/run", body, headers)
    except NoServerError as error:
        _warn_if_stuck(error)
        return False
    try:
        if connection.status == WRONG_FINGERPRINT:
            return False
        if connection.status != 200:
            response = connection.json()
            if _is_overloaded(response):
                return False
            raise error_from_response(response)
        _write_chunks(connection, mode)
    finally:
        connection.close()
    return True


def call_server(
    config_dir: Path | None, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """The JSON response of a server of this version, folders and configuration; None where none
    runs.

    POST with a body, else GET. Raises OrchError for an error response.
    """
    if not socket_path().exists():
        return None
    method = "GET" if body is None else "POST"
    headers = {"x-orch-fingerprint": local_fingerprint(config_dir)}
    try:
        status, response = request_json(method, path, body, headers)
    except NoServerError as error:
        _warn_if_stuck(error)
        return None
    if status == WRONG_FINGERPRINT or _is_overloaded(response):
        return None
    if status != 200:
        raise error_from_response(response)
    return response


def _warn_if_stuck(error: NoServerError) -> None:
    if isinstance(error, StuckServerError):
        render.print_warning(f"{error}: working alone; orch serve stop ends it")


def _is_overloaded(response: dict[str, Any]) -> bool:
    """Whether the server takes no more connections: it then answers without an API's `v`."""
    return "v" not in response


def local_fingerprint(config_dir: Path | None) -> str:
    """The fingerprint of this process's version, folders and configuration.

    Raises ConfigError where the configuration can't be read.
    """
    sources, notes = find_sources(config_dir, os.environ, working_directory())
    return fingerprint(sources.values(), notes, os.environ)


def _write_chunks(connection: LocalConnection, mode: OutputMode) -> None:
    """Writes the run's chunks. Raises OrchError for its error, and where the stream breaks off."""
    writer, partial, last, ending = OutputWriter(mode), "", {}, "ended"
    run_id = connection.headers.get("x-orch-run-id", "")
    try:
        with on_first_signal(lambda code: _end_run(run_id, code)):
            for line in connection.lines():
                last = json.loads(line)
                partial = _text_so_far(partial, last)
                if not _is_interruption(last):  # which the command itself prints
                    writer.write(last)
    except BrokenPipeError:
        raise OrchError("the reader is gone", code="reader_gone") from None
    except (OSError, ValueError, NoServerError) as error:
        last = {}
        ending = "no longer answered" if isinstance(error, StuckServerError) else ending
    finally:
        writer.close()
    if last.get("type") == "error":
        raise error_from_response(last)
    if last.get("type") != "done":
        raise OrchError(
            f"the server {ending} before the answer was whole",
            "orch run --no-server asks without it",
            code="all_failed",
            partial=partial,
        )


def _text_so_far(partial: str, chunk: dict[str, Any]) -> str:
    if chunk["type"] == "content":
        return partial + str(chunk["chunk"])
    return partial[: chunk["offset"]] if chunk["type"] == "fallback" else partial


def _is_interruption(chunk: dict[str, Any]) -> bool:
    return chunk["type"] == "error" and chunk["error"]["code"] in INTERRUPTION_CODES


def _end_run(run_id: str, code: str) -> None:
    """Ends the run at the server, which then sends the partial result."""
    try:
        request_json("POST", f"/orch/runs/{run_id}/end", {"code": code}, timeout_s=2)
    except NoServerError:
        pass  # then the stream breaks off too


def error_from_response(response: dict[str, Any]) -> OrchError:
    """The error of an error response or an `error` chunk."""
    error = response["error"]
    attempts = response.get("attempts") or ()
    if attempts:
        from orch.types import Attempt

        attempts = tuple(Attempt(**each) for each in attempts)
    return OrchError(
        error["message"],
        error["hint"],
        code=error["code"],
        partial=response.get("partial", ""),
        attempts=attempts,
        warnings=response.get("warnings") or (),
        run_id=response.get("run_id") or "",
    )
