"""The orch command, whose server also writes down headers and body of each POST that it is sent."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from orch.server.http.guard import Guard

FOLDER_VARIABLE = "ORCH_TEST_BODIES"
"""Names the folder that the bodies go to, one file each: path and headers on the first line."""
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def recording(receive: Receive, write: Callable[[bytes], None]) -> Receive:
    """`receive` of ASGI, which hands over the body once it is complete."""
    parts: list[bytes] = []

    async def receive_part() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "http.request":
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                write(b"".join(parts))
        return message

    return receive_part


def record(folder: Path) -> None:
    """Has each server of this process write bodies to that folder from now on."""
    numbers = itertools.count()
    serve = Guard.__call__

    async def call(guard: Guard, scope: Any, receive: Receive, send: Any) -> None:
        def write(body: bytes) -> None:
            headers = {key.decode(): text.decode() for key, text in scope["headers"]}
            text = json.dumps([scope["path"], headers]).encode() + b"\n" + body
            (folder / f"{next(numbers):04}").write_bytes(text)

        posted = scope["type"] == "http" and scope["method"] == "POST"
        await serve(guard, scope, recording(receive, write) if posted else receive, send)

    Guard.__call__ = call  # type: ignore[method-assign, assignment]  # beneath it, orch is as it is


if __name__ == "__main__":
    from orch.cli.main import main

    record(Path(os.environ[FOLDER_VARIABLE]))
    main()
