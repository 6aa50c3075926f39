"""Puts the page into the endpoint: its views at their paths, NiceGUI's own files, and a policy that
lets a browser fetch and run nothing else."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orch.config import paths
from orch.server.http.errors import error_location
from orch.server.service import Service
from orch.server.web.components.i18n import preferred_language

POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
"""NiceGUI compiles its components in the browser (`unsafe-eval`) and styles them in place; no
script but this origin's is ever run."""
# not no-referrer: a browser would then say of our own forms that they come from nowhere (Origin:
# null)
HEADERS = (
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_ENGLISH = (b'<html lang="en-US"', b"/lang/en-US.umd", b'const language = "en-US"')
"""Where NiceGUI, which has one language for all, names it in a page."""
_SCRIPT = re.compile(rb"<script(?=[\s>])")


def mount_page(app: FastAPI, service: Service) -> ASGIApp:
    """The page behind the application's own routes; what is given back serves both."""
    # NiceGUI makes a folder for what pages store as soon as it is imported; ours store nothing
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(paths.data_dir() / "page"))
    from nicegui import core, ui

    from orch.server.web import login
    from orch.server.web.activity import view as activity
    from orch.server.web.chat import view as chat
    from orch.server.web.memory import view as memory
    from orch.server.web.models import view as models
    from orch.server.web.settings import view as settings

    logging.getLogger("nicegui").setLevel(
        logging.CRITICAL
    )  # it would write down what an error says, and that may be a prompt
    core.app.on_exception(
        lambda error: logging.getLogger("orch.server").error("%s", error_location(error))
    )
    views: dict[str, Callable[[Request, Service], Any]] = {
        "/": chat.chat_view,
        "/models": models.models_view,
        "/activity": activity.activity_view,
        "/memory": memory.memory_view,
        "/settings": settings.settings_view,
    }
    for path, view in views.items():
        ui.page(path, response_timeout=30)(_page(view, service))
    app.router.routes += login.routes()
    app.router.routes += [
        Route(
            f"/{api}/{{rest:path}}",
            _unknown_api_path,
            methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        )
        for api in ("v1", "api", "orch")
    ]
    ui.run_with(
        app,
        title="orch",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=30,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    return _with_page_policy(app)


def _page(view: Callable[[Request, Service], Any], service: Service) -> Callable[[Request], Any]:
    async def draw(request: Request) -> None:
        await view(request, service)

    return draw


async def _unknown_api_path(request: Request) -> None:
    """A path of an API that nobody serves is no page."""
    others = [
        route
        for route in request.app.router.routes
        if isinstance(route, Route) and route.endpoint is not _unknown_api_path
    ]
    partly = any(route.matches(request.scope)[0] is Match.PARTIAL for route in others)
    raise HTTPException(405 if partly else 404)


def _with_page_policy(app: ASGIApp) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        head: list[Message] = []
        body = bytearray()
        nonce = secrets.token_urlsafe(16).encode()
        language = preferred_language(
            dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        )

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                if _is_page(message):
                    head.append(message)
                    return
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            elif head:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_page(head[0], _localized(language, bytes(body)), nonce, send)
                return
            await send(message)

        await app(scope, receive, told)

    return guarded


def _localized(language: str, body: bytes) -> bytes:
    for named in _ENGLISH if language == "es" else ():
        body = body.replace(named, named.replace(b"en-US", b"es"), 1)
    return body


def _is_page(message: Message) -> bool:
    """Whether it is a page that has no policy of its own."""
    headers = {name.lower(): value for name, value in message.get("headers", ())}
    return (
        b"text/html" in headers.get(b"content-type", b"")
        and b"content-security-policy" not in headers
    )


async def _send_page(head: Message, body: bytes, nonce: bytes, send: Send) -> None:
    # NiceGUI escapes every < of what elements hold, so that each script tag here is its own
    body = _SCRIPT.sub(b'<script nonce="' + nonce + b'"', body)
    kept = [(name, value) for name, value in head["headers"] if name.lower() != b"content-length"]
    policy = POLICY.format(nonce=nonce.decode()).encode()
    own = [(b"content-length", b"%d" % len(body)), (b"content-security-policy", policy), *HEADERS]
    await send({**head, "headers": [*kept, *own]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
